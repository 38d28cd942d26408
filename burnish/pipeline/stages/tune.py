"""Settle the baseline: a well-chosen learning rate and a sensible length, so that gains are against a fair opponent."""

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from burnish.data import Data
from burnish.pipeline.price import runs_of, seconds_of, spoken
from burnish.pipeline.running import spec
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.work import Work
from burnish.records import Run
from burnish.studies.budget import Budget, fit_to_time
from burnish.training.feed import steps_per_epoch
from burnish.training.range_test import range_test

__all__ = ["best_epoch", "fair", "standard_error", "trial_epochs", "tune"]

SPLIT = 1  # of its own: the pilot measures the tuned baseline on other splits
STEPS = {"quick": 1000}  # steps of a trial; other budgets:
MOST_STEPS = 4000
SHORTEST, LONGEST = 5, 60  # epochs of a trial
LOWEST_RATE, HIGHEST_RATE = 1e-5, 0.3


def tune(work: Work) -> dict[str, Any]:
    """Choose rate and epochs on one split of validation, unless the user gave both."""
    recipe, plan = work.recipe, work.plan
    base: dict[str, Any] = {
        "epochs": recipe.epochs or trial_epochs(work),
        "batch_size": plan.batch_size,
        "optimizer": plan.optimizer.name,
        "lr": plan.optimizer.lr,
        "rows": 1.0,
    }
    if recipe.lr and recipe.epochs:
        return _settled(work, base, [], [], None)
    suggestion = None
    rates = [recipe.lr] if recipe.lr else None
    if rates is None:
        tested = range_test(plan_from_base(plan, base, []), seed=recipe.seed, device=work.device)
        suggestion = tested.suggestion
        rates = [suggestion / 3, suggestion, suggestion * 3]
    runs = _search(work, base, rates, widen=recipe.lr is None)
    sign = 1.0 if work.data.task.primary.greater_is_better else -1.0
    tuned = [_summary(work, run, fixed=bool(recipe.epochs)) for run in runs]
    usable = {t["lr"]: t for t in tuned if t["score"] is not None}
    if usable:
        scores = {rate: sign * t["score"] for rate, t in usable.items()}
        best = usable[fair(scores, standard_error(work.data, max(scores.values())))]
        base["lr"] = best["lr"]
        if not recipe.epochs:
            base["epochs"] = max(best["best_epoch"], min(base["epochs"], 3))
    return _settled(work, base, runs, tuned, suggestion)


def _settled(
    work: Work, base: dict[str, Any], runs: list[Run], tuned: list[dict[str, Any]], suggestion: float | None
) -> dict[str, Any]:
    """The stage's result, with the cuts that a time limit asks for."""
    seconds = _run_seconds(work, base, runs)
    ahead = {name: count for name, count in runs_of(work).items() if name != "tune"}
    budget, cuts = _fitted(work, ahead, seconds)
    shorter = base | {"rows": budget.rows, "epochs": max(round(base["epochs"] * budget.epochs), 1)}
    count, total = sum(ahead.values()), seconds_of(work, ahead, seconds)
    if "screen" in ahead:  # the experiment, with the cuts
        count, total = budget.runs, budget.time(seconds, work.workers)
    work.note(
        f"baseline: {base['optimizer']}, rate {base['lr']:.2g}, {base['epochs']} epochs, "
        f"batches of {base['batch_size']}; about {spoken(seconds)} a run, {spoken(total)} for the {count} runs ahead "
        "at most"
    )
    for cut in cuts:
        work.note(f"to keep to {work.asked.name}: {cut}")
    return {
        "base": base,
        "screening": shorter,
        "runs": [r.id for r in runs],
        "tuned": tuned,
        "range": suggestion,
        "budget": asdict(budget),
        "cuts": cuts,
        "report": {},
    }


def _fitted(work: Work, ahead: dict[str, int], seconds: float) -> tuple[Budget, list[str]]:
    """The budget within its time limit; without an experiment only the pairs of a comparison can be fewer."""
    if "screen" in ahead:
        return fit_to_time(work.asked, seconds, work.workers)
    bare = replace(work.asked, screen=0, candidates=0, candidate_splits=0)
    budget, cuts = fit_to_time(bare, seconds, work.workers)
    return replace(work.asked, looks=budget.looks), cuts if "compare" in ahead else []


def _run_seconds(work: Work, base: dict[str, Any], runs: list[Run]) -> float:
    """Seconds of one run at the settled length, from the trials or from the timed step."""
    per_epoch = [r.cost.train_seconds / r.epochs for r in runs if r.cost and r.cost.train_seconds and r.epochs]
    steps = steps_per_epoch(len(work.data.train_rows), base["batch_size"])
    step_seconds = work.stage("prepare")["seconds_per_step"]
    return base["epochs"] * (float(np.median(per_epoch)) if per_epoch else steps * step_seconds)


def _search(work: Work, base: dict[str, Any], rates: list[float], *, widen: bool) -> list[Run]:
    """Run all `rates`; while the best one lies at an end, go one step further there, twice at most."""
    runs = work.runner.run([_trial(work, base, rate) for rate in rates])
    for _ in range(2 if widen else 0):
        scores = [_oriented(work, run) for run in runs]
        order = np.argsort([run.detail["lr"] for run in runs])
        place = int(np.argmax(np.array(scores)[order]))
        ordered = [runs[i].detail["lr"] for i in order]
        if place == 0 and ordered[0] / 3 >= LOWEST_RATE:
            further = ordered[0] / 3
        elif place == len(runs) - 1 and ordered[-1] * 3 <= HIGHEST_RATE:
            further = ordered[-1] * 3
        else:
            break
        runs += work.runner.run([_trial(work, base, further)])
    return runs


def _trial(work: Work, base: dict[str, Any], rate: float) -> dict[str, Any]:
    rate = float(f"{rate:.2g}")
    index = round(10 * (math.log10(rate) + 6))
    return spec("tune", index, base={**base, "lr": rate}, split=SPLIT, seed=work.recipe.seed + SPLIT, lr=rate)


def trial_epochs(work: Work) -> int:
    """Epochs of a trial: the longest a baseline can get where the user names no length."""
    steps = steps_per_epoch(len(work.data.train_rows), work.plan.batch_size)
    return int(np.clip(round(STEPS.get(work.asked.name, MOST_STEPS) / steps), SHORTEST, LONGEST))


def fair(scores: dict[float, float], error: float) -> float:
    """The smallest rate whose score, larger being better, is within one standard error of the best.

    One trial cannot tell such rates apart, and the largest rate that a network bears is where its trainings begin to
    fail: on digits a CNN at the best rate of one trial scored 94.7 % on other splits, and 80.8 % after an unlucky
    one; at the smallest such rate 96.3 and 95.8 % (`benchmarks/experiments/rates.py`).

    Source: the one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984.

    Example:
        >>> fair({1e-3: 0.95, 3e-3: 0.962, 1e-2: 0.965}, 0.005)
        0.003
    """
    return min(rate for rate, score in scores.items() if score >= max(scores.values()) - error)


def best_epoch(scores: list[float], error: float) -> tuple[int, float]:
    """The last epoch (from 1) whose smoothed score is within `error` / 2 of the best; and that score.

    The last, not the first: as long as it does not hurt the baseline, a longer training is fair to techniques that
    need time. Each epoch counts with its neighbours, over a sixth of the training: a rate whose scores jump from
    epoch to epoch must not win by one lucky epoch.
    """
    reach = max(1, len(scores) // 12)
    padded = np.convolve(np.pad(scores, reach, mode="edge"), np.ones(2 * reach + 1) / (2 * reach + 1), mode="valid")
    epoch = int(np.flatnonzero(padded >= padded.max() - error / 2)[-1])
    return epoch + 1, float(padded[epoch])


def _curve(work: Work, run: Run) -> list[float]:
    """The primary metric per epoch, larger is better."""
    primary = work.data.task.primary
    sign = 1.0 if primary.greater_is_better else -1.0
    return [sign * line[primary.name] for line in run.curves if primary.name in line]


def _oriented(work: Work, run: Run) -> float:
    curve = _curve(work, run)
    return best_epoch(curve, 0.0)[1] if curve and run.status == "done" else -math.inf


def _summary(work: Work, run: Run, *, fixed: bool) -> dict[str, Any]:
    curve = _curve(work, run)
    if not curve or run.status != "done":
        return {"lr": run.detail["lr"], "score": None, "best_epoch": None, "status": run.status}
    epoch, score = best_epoch(curve, standard_error(work.data, max(curve)))
    score = float(np.mean(curve[-3:])) if fixed else score
    sign = 1.0 if work.data.task.primary.greater_is_better else -1.0
    return {"lr": run.detail["lr"], "score": sign * score, "best_epoch": epoch, "status": run.status}


def standard_error(data: Data, score: float) -> float:
    """About one standard error of `score` over the validation rows; of an unbounded primary metric 2 % of it."""
    n = len(data.validation_rows)
    bounded = data.task.primary.bounded
    return math.sqrt(max(score * (1 - score), 0.25 / n) / n) if bounded else 0.02 * abs(score)
