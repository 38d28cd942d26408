"""Two models compared in pairs: on the same examples, or over the same splits.

Every difference is a gain: positive means that the second is better, whatever the direction of the metric.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from burnish.errors import UsageError
from burnish.evaluation.bootstrap import bootstrap
from burnish.evaluation.quality import aligned, percentiles, unit_of
from burnish.metrics import Metric
from burnish.records import Estimate

__all__ = ["one_sided_lower", "paired_examples", "paired_splits"]

Array = np.ndarray


def paired_examples(
    metric: Metric,
    before: Array,
    after: Array,
    targets: Array,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Gain of predictions `after` over `before` on the same examples, for these weights.

    Accuracy has an analytic interval that stays honest when the models hardly ever disagree (a bootstrap of no
    disagreement has no width); everything else a paired percentile bootstrap over the examples.

    Args:
        metric: What is compared.
        before: Decoded predictions of the reference, `(n, classes)` or values.
        after: Those of the changed model.
        targets: Stored targets.
        level: Coverage of the two-sided interval.
        resamples: Bootstrap samples.
        seed: Their seed.

    Raises:
        UsageError: the arrays do not have equally many examples.

    Source: Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17, 1998; Efron and Tibshirani 1993.
    """
    value, low, high = _gain(metric, before, after, targets, level=level, resamples=resamples, seed=seed)
    return Estimate(value=value, low=low, high=high, n=len(targets), level=level, unit=unit_of(metric.name))


def one_sided_lower(
    metric: Metric,
    before: Array,
    after: Array,
    targets: Array,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> float:
    """The gain that `after` exceeds with confidence `level`: the bound a compression step is accepted by."""
    both_sides = 2 * level - 1
    return _gain(metric, before, after, targets, level=both_sides, resamples=resamples, seed=seed)[1]


def paired_splits(
    before: Sequence[float],
    after: Sequence[float],
    metric: Metric,
    *,
    n_train: int,
    n_validation: int,
    level: float = 0.95,
) -> tuple[Estimate, float | None]:
    """Mean gain over splits with the corrected resampled t interval, and its two-sided p value.

    Splits that overlap agree with one another more than fresh data would, so the variance of the mean is
    `s² (1/J + n_validation/n_train)` instead of `s²/J`. Where the validation rows are not resampled pass
    `n_validation=0`: then it is the plain paired t, and a bootstrap over examples belongs beside it.

    One split, or splits that all show the same difference other than zero, have no spread to build an interval
    from: then there is none, and the p value is None.

    Args:
        before: Scores of the reference, one a split.
        after: Scores of the changed plan on the same splits.
        metric: Gives the direction and the unit.
        n_train: Training rows of a split.
        n_validation: Validation rows of a split.
        level: Coverage of the interval.

    Raises:
        UsageError: not equally many scores, or none.

    Source: Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
    """
    gains = _gains(before, after, metric)
    mean, n = float(gains.mean()), len(gains)
    spread = float(gains.std(ddof=1)) if n > 1 else 0.0
    error = spread * math.sqrt(1 / n + n_validation / n_train)
    unit = unit_of(metric.name)
    if n < 2 or (error < 1e-15 and abs(mean) > 1e-15):
        return Estimate(value=mean, n=n, level=level, unit=unit, of="splits"), None
    from scipy import stats

    half = error * float(stats.t.ppf((1 + level) / 2, n - 1))
    p_value = 2 * float(stats.t.sf(abs(mean) / error, n - 1)) if error > 0 else 1.0
    return Estimate(value=mean, low=mean - half, high=mean + half, n=n, level=level, unit=unit, of="splits"), p_value


def _gains(before: Sequence[float], after: Sequence[float], metric: Metric) -> Array:
    if len(before) != len(after) or not len(before):
        raise UsageError(
            f"got {len(before)} scores before and {len(after)} after; expected one of each for every split: "
            "run both plans on the same splits"
        )
    return np.array([metric.gain(b, a) for b, a in zip(before, after, strict=True)])


def _gain(
    metric: Metric, before: Array, after: Array, targets: Array, *, level: float, resamples: int, seed: int
) -> tuple[float, float, float]:
    before, wanted = aligned(before, targets)
    after, _ = aligned(after, targets)
    value = metric.gain(metric(before, wanted), metric(after, wanted))
    if metric.name == "accuracy":
        return value, *_matched(before.argmax(1) == wanted, after.argmax(1) == wanted, level)
    drawn = [bootstrap([metric.name], p, wanted, resamples=resamples, seed=seed)[metric.name] for p in (before, after)]
    gains = drawn[1] - drawn[0] if metric.greater_is_better else drawn[0] - drawn[1]
    return value, *percentiles(gains, level)


def _matched(before: Array, after: Array, level: float) -> tuple[float, float]:
    """Score interval of the difference of two matched shares (Tango 1998).

    Wald's interval, also with half an example added to each cell, is too short below where nearly all disagreements
    are losses, which is what compression causes: a bound of nominal 95 % held in 86 to 91 % of samples there.
    """
    won, lost, n = int((after & ~before).sum()), int((before & ~after).sum()), len(before)
    z = NormalDist().inv_cdf((1 + level) / 2)
    return _lowest(won, lost, n, z), -_lowest(lost, won, n, z)


def _lowest(won: int, lost: int, n: int, z: float) -> float:
    """The smallest difference of the two shares that is not rejected by a score test at `z` standard errors."""
    from scipy.optimize import brentq

    def excess(difference: float) -> float:
        # The share of losses that fits best when wins exceed them by `difference`: a root of a quadratic.
        linear = (2 * n - won + lost) * difference - won - lost
        losses = math.sqrt(max(linear**2 + 8 * n * lost * difference * (1 - difference), 0.0)) - linear
        variance = n * (losses / (2 * n) + difference * (1 - difference))
        return won - lost - n * difference - z * math.sqrt(max(variance, 0.0))

    below = max((won - lost) / n - 1e-12, -1.0)  # at the estimate itself the variance can be zero
    return float(brentq(excess, -1.0, below))
