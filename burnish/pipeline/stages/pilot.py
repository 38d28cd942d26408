"""The baseline four times on different splits: noise, time per run, and what the data can resolve."""

import math
from typing import Any

import numpy as np
from scipy import stats

from burnish.pipeline.gains import by_examples, least_gain
from burnish.pipeline.running import spec
from burnish.pipeline.work import Work
from burnish.records import Estimate, Run, to_json

__all__ = ["pilot", "score_estimate", "smallest_detectable_gain", "usable"]

FIRST_SPLIT = 11


def pilot(work: Work) -> dict[str, Any]:
    """Run the baseline and say what the data can resolve before more is spent."""
    splits = range(FIRST_SPLIT, FIRST_SPLIT + work.budget.pilot)
    runs = work.runner.run(
        [
            spec(
                "pilot",
                i,
                base=work.base,
                split=s,
                seed=work.recipe.seed + s,
                keep=i == 0,
                name="baseline",
                traits=True,
            )
            for i, s in enumerate(splits)
        ]
    )
    scores = usable(runs)
    detectable = smallest_detectable_gain(work, scores)
    seconds = float(np.mean([r.cost.train_seconds or 0.0 for r in runs if r.cost])) if scores else math.nan
    primary = work.data.task.primary
    gain = least_gain(primary, work.recipe.min_gain, float(np.mean(scores)) if scores else math.nan)
    if detectable is not None and detectable > gain:
        work.note(
            f"these data resolve gains from {detectable:.2g} upwards (80 % power, {max(work.budget.looks)} pairs); "
            f"smaller ones, down to --min-gain {gain:.2g}, will usually end UNRESOLVED"
        )
    return {
        "runs": [r.id for r in runs],
        "scores": scores,
        "seconds_per_run": seconds,
        "min_gain": gain,
        "report": {"baseline": _section(work, runs, scores, detectable, seconds)},
    }


def usable(runs: list[Run]) -> list[float]:
    """Primary scores of the runs that have one."""
    return [run.score for run in runs if run.status == "done" and math.isfinite(run.score)]


def score_estimate(scores: list[float], *, of: str = "splits", bounded: bool = True) -> Estimate | None:
    """Mean of `scores` with a plain t interval, kept within 0 and 1 where scores are `bounded`.

    It describes these replicates; it is no comparison.
    """
    if not scores:
        return None
    mean = float(np.mean(scores))
    if len(scores) < 2:
        return Estimate(value=mean, n=1, of=of)
    half = float(stats.t.ppf(0.975, len(scores) - 1) * np.std(scores, ddof=1) / math.sqrt(len(scores)))
    low, high = (max(mean - half, 0.0), min(mean + half, 1.0)) if bounded else (mean - half, mean + half)
    return Estimate(value=mean, low=low, high=high, n=len(scores), of=of)


def smallest_detectable_gain(work: Work, scores: list[float]) -> float | None:
    """Gain that the confirmation finds in 80 % of cases at one-sided 5 %, from the pilot's spread.

    Without knowing how often the arms will disagree, the pilot's spread stands for that of a difference.
    """
    if len(scores) < 2:
        return None
    pairs = max(work.budget.looks)
    n_train, n_validation = len(work.data.train_rows), len(work.data.validation_rows)
    spread = math.sqrt(2) * float(np.std(scores, ddof=1))
    # As in the confirmation: overlap is corrected for, or the examples' own variance stands beside the replicates'.
    shared = n_validation / (n_train + n_validation) if by_examples(work.data) else n_validation / n_train
    power = stats.t.ppf(0.95, pairs - 1) + stats.t.ppf(0.8, pairs - 1)
    return float(power * spread * math.sqrt(1 / pairs + shared))


def _section(
    work: Work, runs: list[Run], scores: list[float], detectable: float | None, seconds: float
) -> dict[str, Any]:
    network, tuned = work.stage("prepare")["network"], work.stage("tune")
    return {
        "name": "baseline",
        "network": network["name"],
        "source": network["name"],
        "trained": network["trained"],
        "parameters": network["parameters"],
        "operations": network["operations"],
        "bytes": network["bytes"],
        "layers": network["layers"],
        "recipe": tuned["base"],
        "tuned": tuned["tuned"],
        "score": to_json(score_estimate(scores, bounded=work.data.task.primary.bounded)),
        "sigma": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        "smallest_detectable_gain": detectable,
        "train_seconds": seconds,
        "peak_memory": max((r.cost.peak_memory or 0 for r in runs if r.cost), default=0) or None,
        "untouched": work.stage("preflight").get("untouched"),
        "collapsed": sum(r.status != "done" for r in runs),
    }
