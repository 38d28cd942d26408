"""Predicted spreads of values: how often the truth lies inside, and how wide they are.

A spread comes from the members of an ensemble, from predicted quantiles, or from a mean with a deviation.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from burnish.errors import UsageError
from burnish.evaluation.quality import wilson
from burnish.records import Estimate

__all__ = ["coverage", "ensemble_coverage", "normal_quantiles", "pinball"]

Array = np.ndarray
LEVELS = (0.5, 0.8, 0.9, 0.95)


def coverage(low: Array, high: Array, targets: Array, *, nominal: float, level: float = 0.95) -> dict[str, Any]:
    """Share of targets inside `[low, high]` with its Wilson interval, the nominal share, and the mean width.

    Example:
        >>> found = coverage(np.zeros(4), np.ones(4), np.array([0.5, 0.2, 2.0, 0.9]), nominal=0.8)
        >>> found["coverage"].value, found["width"]
        (0.75, 1.0)
    """
    low, high, targets = (np.asarray(part, dtype=float).reshape(-1) for part in (low, high, targets))
    if not len(targets) or not len(low) == len(high) == len(targets):
        raise UsageError(f"got {len(low)} lower, {len(high)} upper ends for {len(targets)} targets; one of each")
    hits, n = int(((low <= targets) & (targets <= high)).sum()), len(targets)
    ends = wilson(hits, n, level=level)
    share = Estimate(value=hits / n, low=ends[0], high=ends[1], n=n, level=level)
    return {"nominal": nominal, "coverage": share, "width": float((high - low).mean())}


def ensemble_coverage(
    members: Array, targets: Array, *, levels: Sequence[float] = LEVELS, noise: float = 0.0
) -> list[dict[str, Any]]:
    """Coverage of the central intervals of an ensemble, taken as normal with its mean and deviation.

    Members agree on more than the truth does: they share the noise of the targets, which `noise` (the deviation of
    the residuals on validation) adds.

    Args:
        members: Predictions `(members, n)` or `(members, n, k)`.
        targets: The truth.
        levels: Nominal coverages.
        noise: Deviation of the targets around a perfect prediction.
    """
    if len(members) < 2:
        raise UsageError("a spread needs at least two members; train the ensemble with more seeds")
    mean, deviation = members.mean(0), np.sqrt(members.var(0, ddof=1) + noise**2)
    return [coverage(*normal_quantiles(mean, deviation, level), np.asarray(targets), nominal=level) for level in levels]


def normal_quantiles(mean: Array, deviation: Array, level: float) -> tuple[Array, Array]:
    """Ends of the central interval of a normal distribution.

    Example:
        >>> [round(float(end), 2) for end in normal_quantiles(np.array(0.0), np.array(1.0), 0.95)]
        [-1.96, 1.96]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    return mean - z * deviation, mean + z * deviation


def pinball(predicted: Array, targets: Array, quantile: float) -> float:
    """Mean loss of a predicted quantile, least for the true one.

    Source: Koenker and Bassett, "Regression Quantiles", Econometrica 1978.
    """
    short = np.asarray(targets) - np.asarray(predicted)
    return float(np.maximum(quantile * short, (quantile - 1) * short).mean())
