"""From which probability a label is answered: fitted for each label, and judged on rows it was not fitted on."""

from typing import Any

import numpy as np

from burnish.evaluation.cross_fit import halves
from burnish.evaluation.paired import paired_examples
from burnish.metrics import METRICS, Metric
from burnish.tasks import Task

__all__ = ["best_threshold", "best_thresholds", "crossfit_threshold", "crossfit_thresholds", "decided"]

Array = np.ndarray
DECISIONS = ("accuracy", "balanced_accuracy")  # besides precision, recall and F1: metrics of what is answered
MOST = 200  # thresholds tried, at quantiles of the probabilities


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


def best_threshold(probabilities: Array, targets: Array, metric: Metric) -> float:
    """The probability of the second class from which it is answered for the best `metric`; of equals nearest a half.

    Args:
        probabilities: Of both classes, `(n, 2)`.
        targets: Class indices.
        metric: Of decisions.

    Example:
        >>> table = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4]])
        >>> best_threshold(table, np.array([0, 1, 1]), METRICS["accuracy"])
        0.2
    """
    second = np.unique(probabilities[:, 1])
    if len(second) > MOST:
        second = np.unique(np.quantile(second, np.linspace(0, 1, MOST)))
    cuts = np.unique(np.round(np.r_[0.5, (second[1:] + second[:-1]) / 2], 6))
    sign = 1 if metric.greater_is_better else -1
    scores = np.array([sign * metric(decided(probabilities, cut), targets) for cut in cuts])
    good = cuts[scores >= scores.max() - 1e-12]
    return float(good[np.argmin(np.abs(good - 0.5))])


def decided(probabilities: Array, threshold: float) -> Array:
    """Answers between two classes as sure probabilities `(n, 2)`, which metrics of decisions take."""
    return np.eye(2)[(probabilities[:, 1] >= threshold).astype(int)]


def crossfit_threshold(probabilities: Array, targets: Array, task: Task, *, seed: int = 0) -> dict[str, Any] | None:
    """What a fitted threshold between two classes brings in the primary metric, cross-fitted over two halves.

    Returns:
        `threshold` (fitted on all rows, the one to ship), `score` (cross-fitted), `gain` (paired estimate over a half)
        and `accepted` (whether its lower end is above zero). None where there are not two classes, or the primary
        metric does not depend on a threshold.
    """
    metric = task.primary
    of_decisions = metric.name in DECISIONS or metric.name.startswith(("precision_", "recall_", "f1_"))
    if task.kind != "classification" or task.outputs != 2 or not of_decisions:
        return None
    answers = np.empty(probabilities.shape)
    first, second = halves(targets, task, seed=seed)
    for fitted_on, answered in ((first, second), (second, first)):
        threshold = best_threshold(probabilities[fitted_on], targets[fitted_on], metric)
        answers[answered] = decided(probabilities[answered], threshold)
    gain = paired_examples(metric, decided(probabilities, 0.5), answers, targets, seed=seed)
    return {
        "threshold": best_threshold(probabilities, targets, metric),
        "score": metric(answers, targets),
        "gain": gain,
        "accepted": gain.low is not None and gain.low > 0,
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
