"""Whether the recommended recipe beats the baseline: a sequential, paired test on fresh splits.

Splits of one data set overlap, so their gains are correlated and a plain t-test is too sure of itself: the
variance of the mean is corrected. Looking several times at growing data is paid for by a smaller error at each look.

Source: Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 2003, for the corrected
resampled t; Pocock, "Group Sequential Methods in the Design and Analysis of Clinical Trials", Biometrika 1977, for
the same level at every look.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from burnish.errors import UsageError
from burnish.records import Estimate

__all__ = [
    "CONFIRMED",
    "CONTINUE",
    "EQUIVALENT",
    "LOOKS",
    "NOTHING_TO_GAIN",
    "UNRESOLVED",
    "Decision",
    "corrected_error",
    "decide",
    "example_error",
    "look_level",
    "nothing_to_gain",
    "sequential_error",
]

Array = np.ndarray

CONFIRMED = "CONFIRMED"
EQUIVALENT = "EQUIVALENT"
UNRESOLVED = "UNRESOLVED"
NOTHING_TO_GAIN = "NOTHING_TO_GAIN"
CONTINUE = "continue"
LOOKS = (3, 5, 8)
SOBOL_POWER = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the pairs so far say.

    Attributes:
        verdict: `CONFIRMED`, `EQUIVALENT`, `UNRESOLVED`, `NOTHING_TO_GAIN`, or `continue`.
        estimate: The gain with its interval; over all looks together the interval holds with its level.
        p_value: One-sided, already paid for the number of looks; None without a test.
        n: Finished pairs.
        note: The reason in a sentence.
    """

    verdict: str
    estimate: Estimate | None
    p_value: float | None
    n: int
    note: str


def decide(
    gains: Sequence[float] | Array,
    *,
    n_train: int,
    n_validation: int,
    looks: Sequence[int] = LOOKS,
    min_gain: float = 0.005,
    alpha: float = 0.05,
    example_se: float | None = None,
    unit: str = "fraction",
) -> Decision:
    """Judge paired gains (recipe minus baseline on one split, positive is better) at a planned look.

    - CONFIRMED: the interval lies above 0.
    - EQUIVALENT: the interval lies within ±`min_gain`, even when it excludes 0.
    - NOTHING_TO_GAIN: a gain of `min_gain` or more is ruled out.
    - UNRESOLVED: none of these at the last look. Before it: continue.

    Args:
        gains: `(J,)` in the order of the splits; NaN where a run of the pair failed.
        n_train: Training rows of each split. Zero validation rows stand for independent data sets.
        n_validation: Validation rows of each split.
        looks: Numbers of pairs at which to test; other numbers give `continue` without a test.
        min_gain: The smallest gain that matters, in the unit of the gains.
        alpha: One-sided error over all looks together.
        example_se: Standard error over the examples (`example_error`). It then stands beside the replicates' own
            spread, in place of the correction for overlapping splits. Needed for a fixed validation set, whose
            examples the replicates share; for resampled splits it is sharper than the correction, above all when
            validation is larger than training (`benchmarks/experiments/coverage.py`).
        unit: Unit of the gains, for the estimate.

    Raises:
        UsageError: no look, or looks that do not grow from at least 2.
    """
    looks = _checked(looks)
    values = np.asarray(gains, float)
    finite = values[np.isfinite(values)]
    last = len(values) >= looks[-1]
    if len(values) not in looks and not last:
        return Decision(verdict=CONTINUE, estimate=None, p_value=None, n=len(finite), note="not a planned look")
    if len(finite) < 2:
        note = f"only {len(finite)} of {len(values)} pairs finished"
        return Decision(verdict=UNRESOLVED if last else CONTINUE, estimate=None, p_value=None, n=len(finite), note=note)
    error, dof = corrected_error(finite, n_train, n_validation, example_se=example_se)
    level = look_level(looks, alpha)
    estimate, p_look = _tested(finite, error, dof, level, alpha, unit)
    verdict, note = _verdict(estimate, min_gain, last)
    p_value = sequential_error(p_look, looks)
    return Decision(verdict=verdict, estimate=estimate, p_value=p_value, n=len(finite), note=note)


def nothing_to_gain(note: str) -> Decision:
    """The decision when no candidate beat the baseline on fresh splits, so that there is nothing to confirm."""
    return Decision(verdict=NOTHING_TO_GAIN, estimate=None, p_value=None, n=0, note=note)


def corrected_error(
    gains: Array, n_train: int, n_validation: int, *, example_se: float | None = None
) -> tuple[float, float]:
    """Standard error of the mean of paired gains, and its degrees of freedom.

    Resampled splits: variance × (1/J + n_validation/n_train), J - 1 degrees (Nadeau and Bengio 2003).
    With `example_se`: replicates' variance / J plus the examples' variance; degrees after Satterthwaite.

    Example:
        >>> error, dof = corrected_error(np.array([0.01, 0.02, 0.03]), 300, 100)
        >>> round(error, 6), dof
        (0.008165, 2.0)
    """
    variance, n = float(np.var(gains, ddof=1)), len(gains)
    if example_se is None:
        return float(np.sqrt(variance * (1 / n + n_validation / max(n_train, 1)))), float(n - 1)
    replicates, examples = variance / n, example_se**2
    total = replicates + examples
    if replicates == 0:
        return float(np.sqrt(total)), float(max(n_validation - 1, 1))
    return float(np.sqrt(total)), float(total**2 / (replicates**2 / (n - 1) + examples**2 / max(n_validation - 1, 1)))


def example_error(
    rows: Sequence[Array], gain_of: Callable[[int, Array], float], *, resamples: int = 300, seed: int = 0
) -> float:
    """Bootstrap standard error over examples of the mean of paired gains.

    An example that several splits validate on is drawn for all of them at once, so what they share is counted.

    Args:
        rows: For each split the numbers, in the pool, of its validation examples.
        gain_of: `(j, positions) -> gain` of split `j` on these positions of its validation set, some repeated.
        resamples: Number of bootstrap samples.
        seed: Of the resampling.
    """
    rng = np.random.default_rng(seed)
    pool, places = np.unique(np.concatenate([np.asarray(part) for part in rows]), return_inverse=True)
    where = np.split(places, np.cumsum([len(part) for part in rows])[:-1])
    draws = []
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, len(pool), len(pool)), minlength=len(pool))
        positions = [np.repeat(np.arange(len(part)), times[part]) for part in where]
        draws.append(np.mean([gain_of(j, drawn) for j, drawn in enumerate(positions) if len(drawn)]))
    return float(np.nanstd(draws, ddof=1))


def look_level(looks: Sequence[int], alpha: float = 0.05) -> float:
    """One-sided significance level at each look such that all looks together err with `alpha`.

    Example:
        >>> round(look_level((3, 5, 8)), 3)
        0.021
    """
    looks = _checked(looks)
    return alpha if len(looks) == 1 else float(np.quantile(_smallest_p_values(looks), alpha))


def sequential_error(level: float, looks: Sequence[int]) -> float:
    """Probability that any look is significant at one-sided `level` when there is no effect.

    Where the integration has too few points, Bonferroni's bound.
    """
    looks = _checked(looks)
    if len(looks) == 1:
        return level
    smallest = _smallest_p_values(looks)
    below = int(np.searchsorted(smallest, level, side="right"))
    return below / len(smallest) if below >= 200 else min(1.0, level * len(looks))


@lru_cache(maxsize=16)
def _smallest_p_values(looks: tuple[int, ...]) -> Array:
    """Sorted smallest p-values over the looks of a one-sided t-test of no effect, over scrambled Sobol points.

    Pocock's constants are for known variance: with t statistics of 3, 5 and 8 pairs they err with 5.5 instead of 5 %.
    """
    from scipy.special import ndtri, stdtr
    from scipy.stats import qmc

    points = qmc.Sobol(looks[-1], seed=0).random_base2(SOBOL_POWER)
    values = ndtri(np.clip(points, 1e-12, 1 - 1e-12))
    smallest = np.ones(len(values))
    for n in looks:
        t = values[:, :n].mean(1) / values[:, :n].std(1, ddof=1) * np.sqrt(n)
        smallest = np.minimum(smallest, stdtr(n - 1, -t))
    return np.sort(smallest)


def _checked(looks: Sequence[int]) -> tuple[int, ...]:
    looks = tuple(int(n) for n in looks)
    if not looks or looks[0] < 2 or any(b <= a for a, b in zip(looks, looks[1:], strict=False)):
        raise UsageError(f"looks are growing numbers of pairs from 2 on, such as (3, 5, 8); got {looks}")
    return looks


def _tested(gains: Array, error: float, dof: float, level: float, alpha: float, unit: str) -> tuple[Estimate, float]:
    from scipy import stats

    mean, reach = float(gains.mean()), float(stats.t.ppf(1 - level, dof)) * error
    p_look = float(stats.t.sf(mean / error, dof)) if error > 0 else float(mean <= 0)
    estimate = Estimate(
        value=mean, low=mean - reach, high=mean + reach, n=len(gains), level=1 - 2 * alpha, unit=unit, of="splits"
    )
    return estimate, p_look


def _verdict(estimate: Estimate, min_gain: float, last: bool) -> tuple[str, str]:
    low, high = float(estimate.low or 0.0), float(estimate.high or 0.0)
    if -min_gain <= low and high <= min_gain:
        return EQUIVALENT, f"the difference lies within ±{min_gain:g}"
    if low > 0:
        return CONFIRMED, "the whole interval of the gain lies above 0"
    if high < min_gain:
        return NOTHING_TO_GAIN, f"a gain of {min_gain:g} or more is ruled out"
    if last:
        return UNRESOLVED, "the interval holds both no gain and a gain that matters, and the runs are used up"
    return CONTINUE, "the interval holds both no gain and a gain that matters; more splits can decide"
