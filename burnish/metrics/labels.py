"""Metrics of label probabilities `(n, labels)` against labels of 0 and 1 `(n, labels)`, each decided on its own.

A label is predicted where its probability is at least a half.
"""

import numpy as np

from burnish.metrics.classes import class_scores

__all__ = ["averaged", "brier", "calibration_error", "decided", "hamming", "log_loss", "subset_accuracy"]

Array = np.ndarray


def decided(probabilities: Array) -> Array:
    """Which labels are predicted, `(n, labels)`."""
    return probabilities >= 0.5


def subset_accuracy(probabilities: Array, targets: Array) -> float:
    """Share of examples with every label right."""
    return float((decided(probabilities) == (targets > 0.5)).all(1).mean())


def hamming(probabilities: Array, targets: Array) -> float:
    """Share of labels that are wrong."""
    return float((decided(probabilities) != (targets > 0.5)).mean())


def averaged(kind: str, average: str, probabilities: Array, targets: Array) -> float:
    """Precision, recall or F1 over labels (`macro`, `weighted`), all decisions (`micro`) or examples (`samples`)."""
    chosen, there = decided(probabilities), targets > 0.5
    axis = {"micro": None, "samples": 1}.get(average, 0)
    hits, predicted, support = (part.sum(axis).astype(float) for part in (chosen & there, chosen, there))
    weights = support if average == "weighted" and support.sum() > 0 else None
    return float(np.average(class_scores(kind, hits, predicted, support), weights=weights))


def log_loss(probabilities: Array, targets: Array) -> float:
    """Mean binary cross entropy of a label, in nats."""
    right = np.where(targets > 0.5, probabilities, 1 - probabilities)
    return float(-np.log(np.clip(right, 1e-12, 1)).mean())


def brier(probabilities: Array, targets: Array) -> float:
    """Mean squared distance of a label's probability, in [0, 1]."""
    return float(((probabilities - targets) ** 2).mean())


def calibration_error(probabilities: Array, targets: Array) -> float:
    """Debiased equal-mass calibration error of all decisions: how sure of each label, and how often right."""
    from burnish.metrics.classes import expected_calibration_error

    sure = probabilities.reshape(-1)
    return expected_calibration_error(np.column_stack([1 - sure, sure]), (targets.reshape(-1) > 0.5).astype(int))
