"""From which probability a label is answered: fitted for each label, and judged on rows it was not fitted on."""

from typing import Any

import numpy as np

from burnish.evaluation.cross_fit import halves
from burnish.evaluation.paired import paired_examples
from burnish.metrics import METRICS
from burnish.tasks import Task

__all__ = ["best_thresholds", "crossfit_thresholds"]

Array = np.ndarray


def best_thresholds(probabilities: Array, targets: Array) -> tuple[float, ...]:
    """For each label the threshold with the best F1, half-way between two probabilities; a half without examples.

    Of equally good ones it is the one nearest to a half.

    Example:
        >>> best_thresholds(np.array([[0.1], [0.2], [0.4]]), np.array([[0], [1], [1]]))
        (0.15,)
    """
    return tuple(_best(probabilities[:, k], targets[:, k] > 0.5) for k in range(targets.shape[1]))


def crossfit_thresholds(probabilities: Array, targets: Array, task: Task, *, seed: int = 0) -> dict[str, Any]:
    """What fitted thresholds bring in macro F1, each half of the rows decided with those fitted on the other.

    Returns:
        `thresholds` (fitted on all rows, those to ship), `gain` (paired estimate over thresholds of a half), `accepted`
        (whether its lower end is above zero), and `f1` (cross-fitted, for each label).
    """
    decisions = np.zeros(targets.shape, dtype=float)
    first, second = halves(targets, task, seed=seed)
    for fitted_on, decided in ((first, second), (second, first)):
        limits = np.array(best_thresholds(probabilities[fitted_on], targets[fitted_on]))
        decisions[decided] = probabilities[decided] >= limits
    plain = (probabilities >= 0.5).astype(float)
    gain = paired_examples(METRICS["f1_macro"], plain, decisions, targets, seed=seed)
    metric = METRICS["f1_micro"]  # of a single label
    return {
        "thresholds": list(best_thresholds(probabilities, targets)),
        "gain": gain,
        "accepted": gain.low is not None and gain.low > 0,
        "f1": [metric(decisions[:, [k]], targets[:, [k]]) for k in range(targets.shape[1])],
    }


def _best(scores: Array, positive: Array) -> float:
    if not positive.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked, found = scores[order], np.cumsum(positive[order])
    ends = np.flatnonzero(np.r_[ranked[1:] < ranked[:-1], True])  # equal scores are decided alike
    f1 = 2 * found[ends] / (ends + 1 + positive.sum())
    cuts = (ranked[ends] + np.r_[ranked, 0.0][ends + 1]) / 2
    good = cuts[f1 >= f1.max() - 1e-12]
    return round(float(good[np.argmin(np.abs(good - 0.5))]), 6)
