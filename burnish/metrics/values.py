"""Metrics of values `(n,)` or `(n, k)` against values."""

import numpy as np

__all__ = ["mae", "r2", "rmse"]

Array = np.ndarray


def rmse(values: Array, targets: Array) -> float:
    """Root mean squared error."""
    return float(np.sqrt(((values - targets) ** 2).mean()))


def mae(values: Array, targets: Array) -> float:
    """Mean absolute error."""
    return float(np.abs(values - targets).mean())


def r2(values: Array, targets: Array) -> float:
    """Share of the variance explained; several targets weigh by their variance."""
    spread = ((targets - targets.mean(0)) ** 2).sum()
    return float(1 - ((values - targets) ** 2).sum() / spread) if spread > 0 else float("nan")
