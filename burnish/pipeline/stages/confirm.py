"""The only numbers that may be headlined: baseline against the recipe on fresh splits and seeds, in pairs."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from burnish.evaluation.paired import paired_splits
from burnish.pipeline.gains import Decoded, by_examples, decoded, examples_se, gain_of, over_examples, tested
from burnish.pipeline.running import spec
from burnish.pipeline.work import Work
from burnish.records import Run, to_json
from burnish.studies.confirmation import (
    CONFIRMED,
    CONTINUE,
    EQUIVALENT,
    Decision,
    nothing_to_gain,
)

__all__ = ["confirm", "confirmed_pairs", "cost_ratio", "examples_error"]

FIRST_SPLIT = 201
RESAMPLES = 100  # for metrics that decide nothing
CHEAPER = 0.95  # of equals, the recipe ships where it costs at most so much of the baseline
SECONDARY = ("accuracy", "f1_macro", "precision_macro", "recall_macro", "log_loss", "ece", "rmse", "mae", "r2")
Pairs = list[tuple[Run, Run]]


def confirm(work: Work) -> dict[str, Any]:
    """Test sequentially and decide what ships."""
    recipe = work.stage("candidates")["winner"]
    if not work.stage("candidates")["beaten"]:
        decision = nothing_to_gain("no candidate beat the baseline on the fresh splits of the re-run")
        section: dict[str, Any] = {
            "arms": [],
            "splits": [],
            "difference": None,
            "verdict": decision.verdict,
            "note": decision.note,
        }
        return {
            "runs": [],
            "verdict": decision.verdict,
            "ships": [],
            "difference": None,
            "report": {"confirmation": section},
        }
    pairs, looks, decision = confirmed_pairs(work, [], recipe, looks=work.budget.looks)
    ships = _ships(decision, pairs, recipe)
    work.note(f"{decision.verdict}: {decision.note}; gain {decision.estimate}")
    return {
        "runs": [run.id for pair in pairs for run in pair],
        "verdict": decision.verdict,
        "difference": to_json(decision.estimate),
        "ships": ships,
        "report": {"confirmation": confirmation_section(work, pairs, recipe, looks, decision)},
    }


def confirmed_pairs(
    work: Work, before: list[str], after: list[str], *, looks: tuple[int, ...], stage: str = "confirm"
) -> tuple[Pairs, list[dict[str, Any]], Decision]:
    """Run pairs up to each look until the decision stands."""
    pairs: Pairs = []
    history = []
    decision = nothing_to_gain("not run")
    for look in looks:
        pairs = _pairs_up_to(work, before, after, look, stage)
        decision = _decide(work, pairs, looks)
        history.append({"n": decision.n, "estimate": to_json(decision.estimate), "p": decision.p_value})
        if decision.verdict != CONTINUE:
            break
    return pairs, history, decision


def _pairs_up_to(work: Work, before: list[str], after: list[str], count: int, stage: str) -> Pairs:
    specs = []
    for i in range(count):
        split = FIRST_SPLIT + i
        for arm, techniques in (("baseline", before), ("recipe", after)):
            index = 2 * i + (arm == "recipe")
            seed = work.recipe.seed + split
            specs.append(spec(stage, index, base=work.base, techniques=techniques, split=split, seed=seed, name=arm))
    runs = work.runner.run(specs)
    return list(zip(runs[::2], runs[1::2], strict=True))


def _decide(work: Work, pairs: Pairs, looks: tuple[int, ...]) -> Decision:
    return tested(
        work.data,
        pairs,
        looks=looks,
        min_gain=work.stage("pilot")["min_gain"],
        example_se=examples_error(work, pairs) if by_examples(work.data) else None,
    )


def examples_error(work: Work, pairs: Pairs) -> float:
    """Spread over validation examples of the mean paired gain: they are a sample too."""
    return examples_se(work.data, _predictions(work, pairs))


def _predictions(work: Work, pairs: Pairs) -> list[tuple[Decoded, Decoded]]:
    """Of the pairs of which both runs finished."""
    place, data = work.ledger.run_directory, work.data
    done = [pair for pair in pairs if math.isfinite(gain_of(data.task.primary, pair))]
    return [(decoded(data, place(b.id)), decoded(data, place(a.id))) for b, a in done]


def _ships(decision: Decision, pairs: Pairs, recipe: list[str]) -> list[str]:
    """The recipe when confirmed; of equals the cheaper one; else the baseline."""
    if decision.verdict == CONFIRMED:
        return recipe
    costs = [cost_ratio(pairs, name) or 1 for name in ("bytes", "operations")]  # seconds differ from job to job
    if decision.verdict == EQUIVALENT and max(costs) <= 1 and min(costs) < CHEAPER:
        return recipe
    return []


def cost_ratio(pairs: Pairs, name: str) -> float | None:
    """Geometric mean over pairs of after / before."""
    logs = [
        math.log(getattr(after.cost, name) / getattr(before.cost, name))
        for before, after in pairs
        if before.cost and after.cost and getattr(before.cost, name) and getattr(after.cost, name)
    ]
    return math.exp(float(np.mean(logs))) if logs else None


def confirmation_section(
    work: Work, pairs: Pairs, recipe: list[str], looks: list[dict[str, Any]], decision: Decision
) -> dict[str, Any]:
    """The confirmation as the report shows it."""
    arms = [
        {"name": name, "plan": techniques, "scores": [pair[i].score for pair in pairs]}
        for i, (name, techniques) in enumerate((("baseline", []), ("recipe", recipe)))
    ]
    return to_json(
        {
            "arms": arms,
            "splits": [pair[0].split for pair in pairs],
            "difference": decision.estimate,
            "verdict": decision.verdict,
            "p_value": decision.p_value,
            "looks": looks,
            "time_ratio": cost_ratio(pairs, "train_seconds"),
            "size_ratio": cost_ratio(pairs, "bytes"),
            "metric": work.data.task.primary.name,
            "note": decision.note,
            "decision": {k: v for k, v in asdict(decision).items() if k != "estimate"},
            "secondary": _secondary(work, pairs),
        }
    )


def _secondary(work: Work, pairs: Pairs) -> dict[str, Any]:
    """The other metrics of the same pairs, for information: the decision was made on the primary one."""
    from burnish.metrics import METRICS

    done = [p for p in pairs if math.isfinite(gain_of(work.data.task.primary, p))]
    arms, n_train, n_validation = [], len(work.data.train_rows), len(work.data.validation_rows)
    if by_examples(work.data):
        arms = _predictions(work, pairs)
    found = {}
    for name in SECONDARY:
        if len(done) < 2 or name == work.data.task.primary.name or name not in done[0][0].scores:
            continue
        before, after = ([p[i].scores[name] for p in done] for i in (0, 1))
        gain, _ = paired_splits(
            before,
            after,
            METRICS[name],
            n_train=n_train,
            n_validation=n_validation,
        )
        if arms:
            spread = examples_se(work.data, arms, metric=METRICS[name], resamples=RESAMPLES)
            gains = np.array([METRICS[name].gain(*pair) for pair in zip(before, after, strict=True)])
            gain, _ = over_examples(gain, gains, n_train, n_validation, spread)
        found[name] = {"before": float(np.mean(before)), "after": float(np.mean(after)), "gain": gain}
    return found
