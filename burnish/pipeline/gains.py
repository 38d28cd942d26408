"""Paired gains of trained runs, with the variance of the examples they are measured on."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from burnish.data import Data
from burnish.metrics import Metric
from burnish.records import Estimate, Run
from burnish.studies.confirmation import Decision, corrected_error, decide, example_error

__all__ = ["Decoded", "by_examples", "decoded", "examples_se", "gain_of", "least_gain", "over_examples", "tested"]

Array = np.ndarray
Decoded = tuple[Array, Array]  # predictions of a run, and the pool rows they belong to


def gain_of(metric: Metric, pair: tuple[Run, Run]) -> float:
    """Gain of the second run over the first; NaN where one of them did not finish."""
    before, after = pair
    finished = before.status == after.status == "done"
    return metric.gain(before.score, after.score) if finished else math.nan


def least_gain(metric: Metric, share: float, score: float) -> float:
    """The smallest gain that matters in the unit of `metric`: of errors without a bound `share` is one of `score`."""
    return share if metric.bounded else share * abs(score)


def tested(
    data: Data, pairs: Sequence[tuple[Run, Run]], *, looks: Sequence[int], min_gain: float, example_se: float | None
) -> Decision:
    """What the sequential test says of `pairs`, (before, after) for each split; see `studies.confirmation.decide`."""
    metric = data.task.primary
    return decide(
        [gain_of(metric, pair) for pair in pairs],
        n_train=len(data.train_rows),
        n_validation=len(data.validation_rows),
        looks=looks,
        min_gain=min_gain,
        example_se=example_se,
        unit="fraction" if metric.bounded else "target unit",
    )


def by_examples(data: Data) -> bool:
    """Whether intervals of a gain add the examples' variance to the replicates' instead of correcting for overlap.

    A fixed validation set needs it. With as many validation as training rows or more, the correction for overlapping
    splits covers 96-100 % instead of 90 %, at three times the width (`benchmarks/experiments/coverage.py`).
    """
    return data.scheme.kind == "fixed" or len(data.validation_rows) >= len(data.train_rows)


def examples_se(
    data: Data, arms: list[tuple[Decoded, Decoded]], *, metric: Metric | None = None, resamples: int = 300
) -> float:
    """Spread over validation examples of the mean paired gain of `arms`, (before, after) for each split.

    In the primary metric where no `metric` is given.
    """
    primary = metric or data.task.primary
    rows = [before[1] for before, _ in arms]

    def gain_on(j: int, positions: Array) -> float:
        targets = data.targets[rows[j][positions]]
        before, after = (primary(predictions[positions], targets) for predictions, _ in arms[j])
        return primary.gain(before, after)

    return example_error(rows, gain_on, resamples=resamples) if arms else 0.0


def over_examples(
    plain: Estimate, gains: Array, n_train: int, n_validation: int, example_se: float
) -> tuple[Estimate, float | None]:
    """`plain`, a mean gain, and its two-sided p value with the examples' variance beside the replicates'."""
    from scipy import stats

    error, dof = corrected_error(gains, n_train, n_validation, example_se=example_se)
    if error == 0:
        return plain, None
    half = error * float(stats.t.ppf((1 + plain.level) / 2, dof))
    p_value = 2 * float(stats.t.sf(abs(plain.value) / error, dof))
    return replace(plain, low=plain.value - half, high=plain.value + half), p_value


def decoded(data: Data, directory: Path) -> Decoded:
    """Decoded validation predictions of the run in `directory`, and the pool rows they belong to."""
    with np.load(directory / "predictions.npz") as arrays:
        return data.task.decode(arrays["outputs"]), arrays["rows"]
