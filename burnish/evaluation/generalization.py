"""How much better a network does on rows it was trained on than on rows it was not."""

import math

import numpy as np

from burnish.evaluation.bootstrap import bootstrap
from burnish.evaluation.quality import aligned, percentiles, score, unit_of
from burnish.metrics import Metric
from burnish.records import Estimate

__all__ = ["generalization", "generalization_gap", "relative_degradation"]

Array = np.ndarray
Measured = tuple[Array, Array]


def generalization_gap(
    metric: Metric,
    train: Measured,
    unseen: Measured,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """The gain of training rows over unseen rows: positive where the network does better on what it has seen.

    The two sets of rows are independent, so each is resampled on its own.

    Args:
        metric: What is measured.
        train: Decoded predictions and targets of training rows, measured in evaluation mode without augmentation.
        unseen: The same of validation or test rows.
        level: Coverage of the interval.
        resamples: Bootstrap samples.
        seed: Their seed.

    Raises:
        UsageError: predictions and targets do not belong together.
    """
    seen, fresh = aligned(*train), aligned(*unseen)
    value = metric.gain(metric(*fresh), metric(*seen))
    # Seeds differ: equal ones would pair the two sets' resamples when they happen to be equally large.
    drawn = [
        bootstrap([metric.name], *part, resamples=resamples, seed=seed + offset)[metric.name]
        for offset, part in enumerate((seen, fresh))
    ]
    gaps = drawn[0] - drawn[1] if metric.greater_is_better else drawn[1] - drawn[0]
    low, high = percentiles(gaps, level)
    return Estimate(
        value=value, low=low, high=high, n=min(len(seen[1]), len(fresh[1])), level=level, unit=unit_of(metric.name)
    )


def generalization(
    metric: Metric,
    train: Measured,
    validation: Measured,
    *,
    test: Measured | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Scores on `train`, `validation` and (where given) `test`, and the `gap` from train to validation."""
    parts = {"train": train, "validation": validation} | ({} if test is None else {"test": test})
    measured = {name: score(metric, *part, level=level, resamples=resamples, seed=seed) for name, part in parts.items()}
    gap = generalization_gap(metric, train, validation, level=level, resamples=resamples, seed=seed)
    return measured | {"gap": gap}


def relative_degradation(metric: Metric, train: float, unseen: float) -> float:
    """The gap as a share of the score on training rows; of the unseen error where errors are measured.

    An error of almost zero on training rows would make any gap infinite, so errors are compared with the larger
    of the two.
    """
    if not (math.isfinite(train) and math.isfinite(unseen)):
        return math.nan
    scale = abs(train) if metric.greater_is_better else max(abs(train), abs(unseen))
    return metric.gain(unseen, train) / scale if scale > 0 else 0.0
