"""What a design can show before anything is run: which effects it mixes up, and how small a gain it can find."""

from collections.abc import Sequence

import numpy as np

from burnish.studies.levels import coded, level_contrasts, owners, products, two_levels

__all__ = ["alias_matrix", "largest_leaks", "power", "relative_errors", "smallest_detectable_effect"]

Array = np.ndarray


def alias_matrix(rows: Array, levels: Sequence[int] | None = None) -> Array:
    """How far each two-factor interaction leaks into each main effect: `(m, p)` by coded columns and their products.

    In the 12-run design every interaction leaks by a third into every main effect it has no part in; folded
    over, by nothing.
    """
    counts = two_levels(np.shape(rows)[1]) if levels is None else levels
    columns = coded(rows, counts)
    main = np.column_stack([np.ones(len(columns)), columns])
    return np.linalg.lstsq(main, products(columns, counts)[0], rcond=None)[0][1:]


def largest_leaks(rows: Array, levels: Sequence[int] | None = None) -> list[tuple[float, tuple[int, int] | None]]:
    """For each factor the largest leak of an interaction into it, and the pair of factors it comes from."""
    counts = two_levels(np.shape(rows)[1]) if levels is None else levels
    leaks = np.abs(alias_matrix(rows, counts))
    between = products(coded(rows, counts), counts)[1]
    found: list[tuple[float, tuple[int, int] | None]] = []
    for j in range(len(counts)):
        own = leaks[owners(counts) == j]
        if not own.size or own.max() < 1e-9:
            found.append((0.0, None))
            continue
        found.append((float(own.max()), between[int(own.max(0).argmax())]))
    return found


def relative_errors(rows: Array, levels: Sequence[int] | None = None) -> list[list[float]]:
    """For each factor and level the standard error of level minus off, in units of the noise of one run.

    Infinite where the runs cannot estimate it.

    Example:
        >>> relative_errors(np.array([[-1], [1], [-1], [1]]))
        [[1.0]]
    """
    counts = two_levels(np.shape(rows)[1]) if levels is None else levels
    main = np.column_stack([np.ones(len(rows)), coded(rows, counts)])
    inverse = np.linalg.pinv(main)
    found = []
    for j, count in enumerate(counts):
        own = np.r_[False, owners(counts) == j]
        steps = level_contrasts(count)[1:] - level_contrasts(count)[0]
        found.append([_error(step, own, inverse, main) for step in steps])
    return found


def _error(step: Array, own: Array, inverse: Array, main: Array) -> float:
    contrast = np.zeros(main.shape[1])
    contrast[own] = step
    weights = contrast @ inverse
    known = np.allclose(weights @ main, contrast, atol=1e-8)
    return float(round(np.sqrt(weights @ weights), 12)) if known else float("inf")


def power(
    effect: float,
    sigma: float,
    *,
    runs: int,
    factors: int,
    pilot: int = 4,
    alpha: float = 0.10,
    error: float | None = None,
) -> float:
    """Probability that a true average `effect` (on minus off, in the units of `sigma`) is found significant.

    Two-sided t-test with the design's residual degrees of freedom and the pilot's.

    Args:
        effect: The true effect.
        sigma: Noise of one run.
        runs: Runs of the design.
        factors: Coded columns of the design: one for each technique that is off or on.
        pilot: Runs of the pilot.
        alpha: Two-sided level.
        error: Standard error of the effect in units of `sigma`, from `relative_errors`; a balanced design's by default.
    """
    from scipy import stats

    dof = max(1, runs - 1 - factors + max(0, pilot - 1))
    shift = abs(effect) / (sigma * (2 / np.sqrt(runs) if error is None else error))
    spread = np.sqrt(stats.chi2.ppf((np.arange(2000) + 0.5) / 2000, dof) / dof)  # of the estimated sigma
    critical = stats.t.ppf(1 - alpha / 2, dof) * spread
    return float(np.mean(stats.norm.cdf(shift - critical) + stats.norm.cdf(-shift - critical)))


def smallest_detectable_effect(
    sigma: float,
    *,
    runs: int,
    factors: int,
    pilot: int = 4,
    alpha: float = 0.10,
    wanted: float = 0.80,
    error: float | None = None,
) -> float:
    """The average effect that is found with probability `wanted`; in the units of `sigma`.

    Example:
        >>> round(smallest_detectable_effect(1.0, runs=24, factors=10), 2)
        1.06
    """
    from scipy.optimize import brentq

    if sigma <= 0:
        return 0.0
    if error is not None and not np.isfinite(error):
        return float("inf")

    def lacking(effect: float) -> float:
        found = power(effect, 1.0, runs=runs, factors=factors, pilot=pilot, alpha=alpha, error=error)
        return found - wanted

    return float(sigma * brentq(lacking, 0.0, 1000.0))
