"""How much members differ: members that err alike gain nothing from one another.

Sources: disagreement and Q statistic, Kuncheva and Whitaker, "Measures of Diversity in Classifier Ensembles", Machine
Learning 2003; the decomposition of the squared error, Krogh and Vedelsby, "Neural Network Ensembles, Cross Validation,
and Active Learning", NIPS 1994.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from burnish.evaluation.spread import ensemble_coverage
from burnish.tasks import Task

__all__ = ["ambiguity", "disagreement", "diversity", "q_statistic", "spread"]

Array = np.ndarray
LEVELS = (0.5, 0.9, 0.95)


def diversity(tables: Array, targets: Array, task: Task, weights: Sequence[float]) -> dict[str, Any]:
    """`pairs` (for classes and labels: the mean `disagreement` and `q_statistic` over pairs), and `ambiguity`."""
    shares = np.array(weights) / np.sum(weights)
    found: dict[str, Any] = ambiguity(tables, _wanted(targets, task), shares)
    if task.kind == "regression":
        return found
    decisions = tables.argmax(2) if task.kind == "classification" else tables >= 0.5
    right = decisions == (targets if task.kind == "classification" else np.asarray(targets) > 0.5)
    return {"disagreement": disagreement(decisions), "q_statistic": q_statistic(right)} | found


def disagreement(decisions: Array) -> float:
    """Share of rows that two members decide differently, as a mean over pairs.

    Example:
        >>> disagreement(np.array([[0, 1, 1, 0], [0, 1, 0, 0]]))
        0.25
    """
    return float(np.mean([(decisions[i] != decisions[j]).mean() for i, j in combinations(range(len(decisions)), 2)]))


def q_statistic(right: Array) -> float | None:
    """Yule's Q of being right, as a mean over pairs: 1 for members that err together, 0 for independent ones.

    None where no pair has one: two members of which one is never wrong.

    Args:
        right: Whether each member is right, `(members, rows)`.
    """
    found = []
    for i, j in combinations(range(len(right)), 2):
        a, b = right[i].ravel(), right[j].ravel()
        same, crossed = float((a & b).sum() * (~a & ~b).sum()), float((a & ~b).sum() * (~a & b).sum())
        if same + crossed > 0:
            found.append((same - crossed) / (same + crossed))
    return float(np.mean(found)) if found else None


def ambiguity(tables: Array, wanted: Array, weights: Array) -> dict[str, float]:
    """The squared error of the weighted mean is the members' mean error less their `ambiguity`, exactly.

    For classes it is the Brier score of the probabilities. Values are on the network's own scale.

    Args:
        tables: `(members, rows, outputs)`.
        wanted: Targets `(rows, outputs)` on the same scale.
        weights: Of the members, with sum one.
    """
    mean = np.tensordot(weights, tables, axes=1)
    members = np.tensordot(weights, ((tables - wanted) ** 2).sum(2).mean(1), axes=1)
    between = np.tensordot(weights, ((tables - mean) ** 2).sum(2).mean(1), axes=1)
    return {"member_error": float(members), "ambiguity": float(between), "ensemble_error": float(members - between)}


def spread(tables: Array, targets: Array, task: Task) -> dict[str, Any]:
    """Of values: the members' `deviation` in the target's unit, its rank `correlation` with the error, and `coverage`.

    The deviation alone leaves out the noise of the targets, so `coverage` also has the noise that these rows show.
    """
    from scipy.stats import spearmanr

    values = np.stack([task.decode(table) for table in tables]).reshape(len(tables), len(targets), -1)
    wanted = np.asarray(targets, dtype=float).reshape(len(targets), -1)
    deviation, error = values.std(0, ddof=1), np.abs(values.mean(0) - wanted)
    noise = float(np.sqrt(max((error**2).mean() - (deviation**2).mean(), 0.0)))
    constant = np.ptp(deviation) == 0 or np.ptp(error) == 0
    return {
        "deviation": float(deviation.mean()),
        "correlation": None if constant else float(spearmanr(deviation.ravel(), error.ravel()).statistic),
        "noise": noise,
        "coverage": ensemble_coverage(values, wanted, levels=LEVELS, noise=noise),
    }


def _wanted(targets: Array, task: Task) -> Array:
    encoded = task.encode(targets)
    return np.eye(task.outputs)[encoded] if task.kind == "classification" else np.asarray(encoded, dtype=np.float64)
