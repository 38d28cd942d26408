"""What more data would bring: a power law through the errors at several sizes, its forecast, and a check.

The error at `n` training rows is taken as `a n^-b + c` with `a, b, c >= 0`. About one curve in seven is not so well
behaved, so the forecast comes with an interval and with a test for sizes at which more data made it worse.

Source: Viering and Loog, "The Shape of Learning Curves: a Review", 2021, arXiv:2103.10948.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.errors import UsageError
from burnish.evaluation.quality import percentiles, unit_of
from burnish.metrics import Metric
from burnish.records import Estimate

__all__ = ["SHARES", "LearningCurve", "error_from", "learning_curve", "same_steps"]

Array = np.ndarray
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training rows
EXPONENTS = np.geomspace(0.02, 3.0, 30)  # of the power law, tried one by one
FINER = (1.19, 1.05, 1.012)  # factors between exponents tried around the best of them
LEAST_SIZES, LEAST_SEEDS = 4, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """A fitted learning curve; all of it in errors, smaller is better.

    Attributes:
        metric: What was measured; scores were turned into errors by `error_from`.
        sizes: Numbers of training rows.
        errors: For each size the errors of its seeds.
        a, b, c: The power law `a n^-b + c`.
        here: Its error at the largest size.
        forecast: Its error at twice the largest size.
        gain: How much lower that is.
        relative_gain: The gain as a share of the error now.
        spread: Deviation between seeds of one size.
        monotone: False where more data made it worse by more than the seeds explain.
        rises: Those steps, as pairs of sizes.
    """

    metric: str
    sizes: tuple[int, ...]
    errors: tuple[tuple[float, ...], ...]
    a: float
    b: float
    c: float
    here: Estimate
    forecast: Estimate
    gain: Estimate
    relative_gain: float
    spread: float
    monotone: bool
    rises: tuple[tuple[int, int], ...] = ()

    def at(self, size: float) -> float:
        """The power law's error at `size` training rows."""
        return self.a * size**-self.b + self.c

    def __str__(self) -> str:
        shape = "" if self.monotone else "; the curve is not monotone, so the forecast is doubtful"
        return (
            f"{self.sizes[-1]:,} rows: error {self.here.value:.4g}; {2 * self.sizes[-1]:,} rows: forecast "
            f"{self.forecast.value:.4g} [{self.forecast.low:.4g}, {self.forecast.high:.4g}]{shape}"
        )


def learning_curve(
    metric: Metric,
    sizes: Sequence[int],
    scores: Sequence[Sequence[float]],
    *,
    level: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
) -> LearningCurve:
    """Fit a power law to `scores` and forecast what twice the data would give.

    The intervals fit again to errors drawn around the fit (a parametric bootstrap); they hold if the power law does.

    Args:
        metric: What the scores are.
        sizes: Numbers of training rows, increasing; at least four.
        scores: For each size the scores of at least two seeds, trained for equally many steps.
        level: Coverage of the intervals.
        resamples: Bootstrap samples.
        seed: Their seed.

    Raises:
        UsageError: too few sizes or seeds, or scores that are not finite.

    Example:
        >>> from burnish.metrics import metric
        >>> sizes = [100, 200, 400, 800]
        >>> curve = learning_curve(metric("rmse"), sizes, [[2 * n**-0.5 + 0.1] * 2 for n in sizes])
        >>> round(curve.b, 1), round(curve.forecast.value, 3)
        (0.5, 0.15)
    """
    errors = [[error_from(metric, score) for score in row] for row in scores]
    _check(sizes, errors)
    n = np.repeat(np.asarray(sizes, dtype=float), [len(row) for row in errors])
    y = np.concatenate([np.asarray(row, dtype=float) for row in errors])
    means = np.repeat([np.mean(row) for row in errors], [len(row) for row in errors])
    weights = 1 / np.maximum(means, 1e-3 * max(float(means.max()), 1e-12))  # errors vary in proportion to their size
    a, b, c = (float(part[0]) for part in _fits(n, y[None], weights))
    fitted = a * n**-b + c
    drawn = _refitted(n, y, fitted, weights, resamples, seed)

    def told(function: Callable[[Array, Array, Array], Array]) -> Estimate:
        low, high = percentiles(function(*drawn), level)
        value = float(function(np.array(a), np.array(b), np.array(c)))
        unit = "fraction" if metric.bounded else unit_of(metric.name)
        return Estimate(value=value, low=low, high=high, n=len(y), level=level, unit=unit, of="seeds")

    largest = float(sizes[-1])
    here = told(lambda a, b, c: a * largest**-b + c)
    gain = told(lambda a, b, c: a * largest**-b * (1 - 2**-b))
    spread, rises = _rises(sizes, errors)
    return LearningCurve(
        metric=metric.name,
        sizes=tuple(int(size) for size in sizes),
        errors=tuple(tuple(map(float, row)) for row in errors),
        a=a,
        b=b,
        c=c,
        here=here,
        forecast=told(lambda a, b, c: a * (2 * largest) ** -b + c),
        gain=gain,
        relative_gain=gain.value / here.value if here.value > 0 else 0.0,
        spread=spread,
        monotone=not rises,
        rises=rises,
    )


def error_from(metric: Metric, score: float) -> float:
    """A score as an error: one minus it where greater is better, itself otherwise."""
    return 1 - score if metric.greater_is_better else score


def same_steps(epochs: int, share: float) -> int:
    """Epochs over a share of the rows that take as many steps as `epochs` over all of them."""
    return max(round(epochs / share), 1)


def _check(sizes: Sequence[int], errors: list[list[float]]) -> None:
    if len(sizes) != len(errors) or len(sizes) < LEAST_SIZES or min(map(len, errors)) < LEAST_SEEDS:
        raise UsageError(
            f"got {len(sizes)} sizes and {[len(row) for row in errors]} scores; a learning curve needs at least "
            f"{LEAST_SIZES} sizes with {LEAST_SEEDS} seeds each"
        )
    if any(b <= a for a, b in zip(sizes, sizes[1:], strict=False)) or sizes[0] < 1:
        raise UsageError(f"sizes must increase, got {list(sizes)}")
    if not all(math.isfinite(value) for row in errors for value in row):
        raise UsageError("a score is not finite: leave that size out, or look at why its training failed")


def _fits(n: Array, y: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Least squares `a, b, c` for each row of `y`: the exponent by search, the rest is linear and bounded."""
    relative = n / n[-1]  # scaled, so that sums of squares keep their digits
    best, found = np.full(len(y), np.inf), np.zeros((3, len(y)))

    def tried(exponents: Array) -> None:
        """Keep what is better with one exponent for each row."""
        nonlocal best, found
        x = relative[None] ** -exponents[:, None]
        a, c = _line(x, y, weights)
        loss = (weights * (y - a[:, None] * x - c[:, None]) ** 2).sum(1)
        better = loss < best
        best, found = np.where(better, loss, best), np.where(better, np.stack([a, exponents, c]), found)

    for exponent in EXPONENTS:
        tried(np.full(len(y), exponent))
    for width in FINER:
        around = found[1].copy()
        for step in (-0.75, -0.5, -0.25, 0.25, 0.5, 0.75):
            tried(around * width**step)
    return found[0] * n[-1] ** found[1], found[1], found[2]


def _line(x: Array, y: Array, weights: Array) -> tuple[Array, Array]:
    """Weighted least squares `a x + c` with both at least zero, for each row."""
    share = weights / weights.sum()
    mean_x, mean_y = x @ share, y @ share
    from_x = x - mean_x[:, None]
    slope = (from_x * y) @ share / np.maximum((from_x**2) @ share, 1e-300)
    slope = np.maximum(slope, 0)
    shift = mean_y - slope * mean_x
    through = np.maximum((x * y) @ share / ((x * x) @ share), 0)  # where the shift would be negative it is zero
    return np.where(shift < 0, through, slope), np.maximum(shift, 0)


def _refitted(
    n: Array, y: Array, fitted: Array, weights: Array, resamples: int, seed: int
) -> tuple[Array, Array, Array]:
    """Fits to errors drawn anew around the fit; their deviation is uncertain too, with so few residuals."""
    rng, dof = np.random.default_rng(seed), max(len(y) - 3, 1)
    deviation = math.sqrt(float((weights * (y - fitted) ** 2).sum()) / dof)
    deviations = deviation * np.sqrt(dof / rng.chisquare(dof, size=(resamples, 1)))
    drawn = rng.normal(size=(resamples, len(y))) * deviations
    return _fits(n, fitted + drawn / np.sqrt(weights), weights)


def _rises(sizes: Sequence[int], errors: list[list[float]]) -> tuple[float, tuple[tuple[int, int], ...]]:
    """Deviation between seeds, and steps up that it does not explain at 5 % for all steps together."""
    from scipy import stats

    dof = sum(len(row) - 1 for row in errors)
    spread = math.sqrt(sum(float(np.var(row)) * len(row) for row in errors) / dof)
    limit = float(stats.t.ppf(1 - 0.05 / (len(sizes) - 1), dof)) * spread
    found = [
        (int(small), int(large))
        for small, large, before, after in zip(sizes, sizes[1:], errors, errors[1:], strict=False)
        if np.mean(after) - np.mean(before) > max(limit * math.sqrt(1 / len(before) + 1 / len(after)), 1e-12)
    ]
    return spread, tuple(found)
