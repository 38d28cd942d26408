"""The interval of a mean gain over seeds that are all measured on the same test rows."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from burnish.records import Estimate
from burnish.studies.confirmation import corrected_error, example_error

__all__ = ["paired_gain"]


def paired_gain(
    gain_of: Callable[[int, np.ndarray], float], seeds: int, rows: int, *, unit: str = "fraction", level: float = 0.95
) -> Estimate:
    """A t interval over seeds with the variance over test rows beside theirs.

    Args:
        gain_of: `(seed's place, positions of test rows, some repeated) -> gain`.
        seeds: How many there are.
        rows: How many test rows.
        unit: Of the gain.
        level: Coverage.
    """
    everything = np.arange(rows)
    gains = np.array([gain_of(j, everything) for j in range(seeds)])
    if not gains.any():
        return Estimate(value=0.0, low=0.0, high=0.0, n=seeds, level=level, unit=unit, of="seeds")
    examples = example_error([everything] * seeds, gain_of, resamples=200)
    error, dof = corrected_error(gains, 1, rows, example_se=examples)
    half, mean = error * float(stats.t.ppf((1 + level) / 2, dof)), float(gains.mean())
    return Estimate(value=mean, low=mean - half, high=mean + half, n=seeds, level=level, unit=unit, of="seeds")
