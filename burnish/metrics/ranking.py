"""Areas under curves: how well scores rank what is there above what is not.

Written for many weightings of the same examples at once, because a bootstrap is just that; equal weights give the
values of scikit-learn.
"""

import numpy as np

__all__ = ["average_precision", "class_average", "one_vs_rest", "roc_auc"]

Array = np.ndarray


def roc_auc(scores: Array, positive: Array, weights: Array) -> Array:
    """Probability that a positive example scores above a negative one, ties counting half; NaN without either.

    Args:
        scores: `(n,)`.
        positive: Which examples are positive, `(n,)`.
        weights: How often each example counts, `(r, n)`.

    Returns:
        `(r,)`.
    """
    order, starts = _tied(scores)
    hit = positive[order]
    above = np.add.reduceat(weights[:, order] * hit, starts, axis=1)
    below = np.add.reduceat(weights[:, order] * ~hit, starts, axis=1)
    lower = np.cumsum(below, axis=1) - below
    pairs = above.sum(1) * below.sum(1)
    won = (above * (lower + below / 2)).sum(1)
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def average_precision(scores: Array, positive: Array, weights: Array) -> Array:
    """Area under the curve of precision over recall, by steps; NaN without a positive example. As for `roc_auc`."""
    order, starts = _tied(-scores)
    hit = positive[order]
    there = np.add.reduceat(weights[:, order] * hit, starts, axis=1)
    found, taken = np.cumsum(there, axis=1), np.cumsum(np.add.reduceat(weights[:, order], starts, axis=1), axis=1)
    precision = np.divide(found, taken, out=np.zeros(found.shape), where=taken > 0)
    total = found[:, -1]
    return np.divide((precision * there).sum(1), total, out=np.full(len(weights), np.nan), where=total > 0)


def one_vs_rest(predictions: Array, targets: Array) -> list[tuple[Array, Array]]:
    """Scores and positives of each question: one for each label or class, and a single one for two classes."""
    if targets.ndim == 2:
        return [(predictions[:, k], targets[:, k] > 0.5) for k in range(targets.shape[1])]
    chosen = [1] if predictions.shape[1] == 2 else range(predictions.shape[1])
    return [(predictions[:, k], targets == k) for k in chosen]


def class_average(area: str, predictions: Array, targets: Array, weights: Array | None = None) -> Array:
    """Mean `roc_auc` or `pr_auc` over the classes (each against the rest) or labels that can be measured, `(r,)`.

    Source: macro average, one against the rest, as in scikit-learn.
    """
    function = roc_auc if area == "roc_auc" else average_precision
    rows = np.ones((1, len(targets))) if weights is None else weights
    areas = np.stack([function(scores, positive, rows) for scores, positive in one_vs_rest(predictions, targets)])
    known = ~np.isnan(areas)
    total = np.where(known, areas, 0).sum(0)
    return np.divide(total, known.sum(0), out=np.full(len(rows), np.nan), where=known.any(0))


def _tied(scores: Array) -> tuple[Array, Array]:
    """The order of `scores`, and where each group of equal ones starts in it."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    return order, np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
