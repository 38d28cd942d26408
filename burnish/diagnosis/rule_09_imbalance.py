"""R9: classes are unequally frequent, and the rare ones suffer."""

import math
from typing import Any

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

Array = np.ndarray
RULE = Rule(
    id="R9",
    title="class imbalance",
    source="cleanlab (rarest class under 0.1 / K); deepchecks (class ratio 0.1, spread 0.3)",
    remedies=(
        "class weights in the loss",
        "sample rare classes more often",
        "--metric f1_macro or balanced_accuracy",
        "move the decision threshold",
        "collect more of the rare classes",
    ),
    chance=0.4,
)
LEAST_SUPPORT, MOST_BARS = 5, 20


def check(subject: Subject) -> Finding:
    """Share of the rarest class against its fair share, and the spread of the recalls.

    A class that is not quite as rare counts where it is the one with the lowest recall.
    """
    if not subject.is_classification:
        return RULE.cannot_tell("only classes can be imbalanced.")
    task = subject.data.task
    counts = np.bincount(subject.data.train.targets, minlength=task.outputs)
    fair = float(counts.min() / counts.sum() * task.outputs)
    ratio = float(counts.min() / counts.max())
    said = f"rarest class {task.names[int(counts.argmin())]!r}: {counts.min()} of {counts.sum()} training rows"
    limits = subject.thresholds
    detail: dict[str, Any] = {"counts": counts.tolist(), "ratio": ratio, "figure": _figure(counts, task.names)}
    rare = fair < limits.rare_share or ratio < limits.class_ratio
    if not rare and (subject.measured is None or ratio >= limits.class_ratio_seen):
        return RULE.clear(ratio, limits.class_ratio, said + ".", **detail)
    if subject.measured is None:
        said += "; whether it suffers shows after a run."
        rest = (1 / task.outputs, "of the error: one class of all")
        return RULE.fires(ratio, limits.class_ratio, said, lost=rest, **detail)
    spread, noise, worst = _recall_spread(*subject.measured, limits.standard_errors)
    if not rare and worst != int(counts.argmin()):
        return RULE.clear(ratio, limits.class_ratio, f"{said}; it is not the class that suffers.", **detail)
    said += f"; recalls differ by {spread:.2f} (lowest: {task.names[worst]!r})"
    if spread > max(limits.recall_spread, noise):
        lost = (spread / task.outputs, "of the mean recall, lost on the worst class")
        return RULE.fires(spread, limits.recall_spread, said + ".", lost=lost, **detail)
    return RULE.clear(spread, limits.recall_spread, said + ": not enough to act on.", **detail)


def _figure(counts: Array, names: tuple[str, ...]) -> dict[str, Any]:
    """Rows of the classes, the rarest first, at most 20."""
    order = np.argsort(counts, kind="stable")[:MOST_BARS]
    labels = [str(names[i]) for i in order]
    return {"kind": "bars", "labels": labels, "values": counts[order].tolist(), "unit": "training rows"}


def _recall_spread(predictions: Array, targets: Array, errors: float) -> tuple[float, float, int]:
    """Highest minus lowest recall, the noise of that difference, and the class with the lowest."""
    support = np.bincount(targets, minlength=predictions.shape[1])
    classes = np.flatnonzero(support >= LEAST_SUPPORT)
    if not len(classes):
        return 0.0, 0.0, 0
    hits = predictions.argmax(1) == targets
    recall = np.array([hits[targets == c].mean() for c in classes])
    ends = [int(recall.argmax()), int(recall.argmin())]
    variance = sum((recall[i] * (1 - recall[i]) + 0.25 / support[classes[i]]) / support[classes[i]] for i in ends)
    return float(np.ptp(recall)), errors * math.sqrt(variance), int(classes[ends[1]])
