"""Ordinary averages over the design: the frequentist cross-check.

Source: Benjamini and Hochberg, "Controlling the False Discovery Rate", JRSS B 1995.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from burnish.studies.levels import coded, level_contrasts, levels_of, owners, two_levels

__all__ = ["Contrast", "contrasts"]

Array = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Average response with a factor at one of its levels minus off, over the whole design.

    Attributes:
        effect: The contrast, on the response scale; NaN where the finished runs cannot estimate it.
        se: Its standard error, from the residuals of the main-effect model and the pilot; NaN without any.
        dof: Degrees of freedom of `se`.
        p_value: Two-sided.
        q_value: The same after Benjamini and Hochberg over all techniques.
        n: Finished runs of the design.
    """

    effect: float
    se: float
    dof: int
    p_value: float
    q_value: float
    n: int


def contrasts(
    rows: Array,
    z: Array,
    *,
    levels: Sequence[int] | None = None,
    pilot_z: Array | Sequence[float] = (),
    tested: Sequence[int] | None = None,
) -> list[list[Contrast]]:
    """For each factor one contrast for each level beside off, by least squares on the main effects.

    Args:
        rows: `(n, k)` levels; off may be 0, False or -1.
        z: `(n,)` responses; NaN where a run failed.
        levels: Number of levels of each factor; two each by default.
        pilot_z: Responses of the pilot; only their variance is used.
        tested: Factors whose p-values the false-discovery control is about; all by default.
    """
    rows, z = levels_of(rows), np.asarray(z, float)
    counts = two_levels(rows.shape[1]) if levels is None else tuple(levels)
    keep = np.isfinite(z)
    columns, z = np.column_stack([np.ones(int(keep.sum())), coded(rows[keep], counts)]), z[keep]
    steps = _steps(counts)
    effects, shares, residual = _least_squares(columns, z, steps)
    pilot = np.asarray(pilot_z, float)
    pilot = pilot[np.isfinite(pilot)]
    dof = max(0, len(z) - int(np.linalg.matrix_rank(columns))) + max(0, len(pilot) - 1)
    squares = float(residual @ residual) + (float(((pilot - pilot.mean()) ** 2).sum()) if len(pilot) > 1 else 0.0)
    sigma = np.sqrt(squares / dof) if dof else np.nan
    of = np.repeat(np.arange(len(counts)), np.asarray(counts, int) - 1)
    named = np.ones(len(of), bool) if tested is None else np.isin(of, list(tested))
    found = _with_p_values(effects, sigma * np.sqrt(shares), dof, named, len(z))
    return [[c for c, j in zip(found, of, strict=True) if j == factor] for factor in range(len(counts))]


def _steps(counts: tuple[int, ...]) -> Array:
    """Each level beside off minus off, as weights of intercept and coded columns."""
    owner = owners(counts)
    steps = np.zeros((len(owner), 1 + len(owner)))
    for j, count in enumerate(counts):
        own, table = np.flatnonzero(owner == j), level_contrasts(count)
        steps[np.ix_(own, 1 + own)] = table[1:] - table[0]
    return steps


def _least_squares(columns: Array, z: Array, steps: Array) -> tuple[Array, Array, Array]:
    """Values of `steps`, their variances in units of the noise's (NaN where not determined), and the residuals."""
    inverse = np.linalg.pinv(columns)
    weights = steps @ inverse
    known = np.abs(weights @ columns - steps).max(1, initial=0.0) < 1e-8
    effects = np.where(known, weights @ z, np.nan)
    return effects, np.where(known, (weights**2).sum(1), np.nan), z - columns @ (inverse @ z)


def _with_p_values(effect: Array, error: Array, dof: int, named: Array, n: int) -> list[Contrast]:
    from scipy import stats

    p = np.full(len(effect), np.nan)
    usable = np.isfinite(effect) & np.isfinite(error) & (error > 0)
    p[usable] = 2 * stats.t.sf(np.abs(effect[usable] / error[usable]), dof)
    q = np.full(len(effect), np.nan)
    if (usable & named).any():
        q[usable & named] = stats.false_discovery_control(p[usable & named])
    return [
        Contrast(effect=float(e), se=float(s), dof=dof, p_value=float(a), q_value=float(b), n=n)
        for e, s, a, b in zip(effect, error, p, q, strict=True)
    ]
