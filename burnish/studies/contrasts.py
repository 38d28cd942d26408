"""Ordinary averages over the design: the frequentist cross-check, and what a technique costs.

Source: Benjamini and Hochberg, "Controlling the False Discovery Rate", JRSS B 1995.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from burnish.studies.design import signs

__all__ = ["Contrast", "contrasts", "ratio_effects"]

Array = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Average response with a technique on minus off, over the whole design.

    Attributes:
        effect: The contrast, on the response scale; NaN where the finished runs cannot estimate it.
        se: Its standard error, from the residuals of the main-effect model and the pilot; NaN without any.
        dof: Degrees of freedom of `se`.
        p_value: Two-sided.
        q_value: The same after Benjamini and Hochberg over all techniques.
    """

    effect: float
    se: float
    dof: int
    p_value: float
    q_value: float


def contrasts(rows: Array, z: Array, *, pilot_z: Array | Sequence[float] = ()) -> list[Contrast]:
    """One contrast for each technique, by least squares on the main effects.

    Args:
        rows: `(n, k)` of -1/+1.
        z: `(n,)` responses; NaN where a run failed.
        pilot_z: Responses of the pilot; only their variance is used.
    """
    columns, z = _finite(rows, z)
    coefficients, shares, known = _least_squares(columns, z)
    pilot = np.asarray(pilot_z, float)
    pilot = pilot[np.isfinite(pilot)]
    residual = z - columns @ coefficients
    dof = max(0, len(z) - int(np.linalg.matrix_rank(columns))) + max(0, len(pilot) - 1)
    squares = float(residual @ residual) + (float(((pilot - pilot.mean()) ** 2).sum()) if len(pilot) > 1 else 0.0)
    sigma = np.sqrt(squares / dof) if dof else np.nan
    effect = np.where(known, 2 * coefficients, np.nan)[1:]
    error = np.where(known, 2 * sigma * np.sqrt(shares), np.nan)[1:]
    return _with_p_values(effect, error, dof)


def ratio_effects(rows: Array, values: Array | Sequence[float]) -> list[float | None]:
    """Average factor by which each technique multiplies a positive cost, such as seconds or bytes.

    Args:
        rows: `(n, k)` of -1/+1.
        values: `(n,)` costs; NaN or not positive where unknown.

    Returns:
        For each technique the ratio on/off; None where the runs cannot tell.

    Example:
        >>> ratio_effects(np.array([[-1], [1]]), [2.0, 3.0])
        [1.5]
    """
    values = np.asarray(values, float)
    usable = np.isfinite(values) & (values > 0)
    logs = np.log(np.where(usable, values, 1.0))
    columns, logs = _finite(rows, np.where(usable, logs, np.nan))
    coefficients, _, known = _least_squares(columns, logs)
    return [float(round(np.exp(2 * c), 12)) if k else None for c, k in zip(coefficients[1:], known[1:], strict=True)]


def _finite(rows: Array, z: Array) -> tuple[Array, Array]:
    z = np.asarray(z, float)
    keep = np.isfinite(z)
    return np.column_stack([np.ones(int(keep.sum())), signs(rows)[keep]]), z[keep]


def _least_squares(columns: Array, z: Array) -> tuple[Array, Array, Array]:
    """Coefficients, their variances in units of the noise's, and which of them the columns determine."""
    inverse = np.linalg.pinv(columns)
    known = np.abs(inverse @ columns - np.eye(columns.shape[1])).max(1) < 1e-8
    return inverse @ z, (inverse**2).sum(1), known


def _with_p_values(effect: Array, error: Array, dof: int) -> list[Contrast]:
    from scipy import stats

    p = np.full(len(effect), np.nan)
    usable = np.isfinite(effect) & np.isfinite(error) & (error > 0)
    p[usable] = 2 * stats.t.sf(np.abs(effect[usable] / error[usable]), dof)
    q = np.full(len(effect), np.nan)
    if usable.any():
        q[usable] = stats.false_discovery_control(p[usable])
    return [
        Contrast(effect=float(e), se=float(s), dof=dof, p_value=float(a), q_value=float(b))
        for e, s, a, b in zip(effect, error, p, q, strict=True)
    ]
