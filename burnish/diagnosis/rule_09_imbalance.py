"""R9: classes are unequally frequent, and the rare ones suffer."""

import math

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.diagnosis.thresholds import CLASS_RATIO, LEAST_SUPPORT, RARE_SHARE, RECALL_SPREAD, STANDARD_ERRORS
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
)


def check(subject: Subject) -> Finding:
    """Share of the rarest class against its fair share, and the spread of the recalls."""
    if not subject.is_classification:
        return RULE.cannot_tell("only classes can be imbalanced.")
    task = subject.data.task
    counts = np.bincount(subject.data.train.targets, minlength=task.outputs)
    fair = float(counts.min() / counts.sum() * task.outputs)
    ratio = float(counts.min() / counts.max())
    said = f"rarest class {task.names[int(counts.argmin())]!r}: {counts.min()} of {counts.sum()} training rows"
    detail = {"counts": counts.tolist(), "ratio": ratio}
    if fair >= RARE_SHARE and ratio >= CLASS_RATIO:
        return RULE.clear(ratio, CLASS_RATIO, said + ".", **detail)
    if subject.measured is None:
        return RULE.cannot_tell(said + "; whether it suffers shows after a run.", ratio, CLASS_RATIO)
    spread, noise, worst = _recall_spread(*subject.measured)
    said += f"; recalls differ by {spread:.2f} (lowest: {task.names[worst]!r})"
    if spread > max(RECALL_SPREAD, noise):
        return RULE.fires(spread, RECALL_SPREAD, said + ".", **detail)
    return RULE.clear(spread, RECALL_SPREAD, said + ": not enough to act on.", **detail)


def _recall_spread(predictions: Array, targets: Array) -> tuple[float, float, int]:
    """Highest minus lowest recall, the noise of that difference, and the class with the lowest."""
    support = np.bincount(targets, minlength=predictions.shape[1])
    classes = np.flatnonzero(support >= LEAST_SUPPORT)
    if not len(classes):
        return 0.0, 0.0, 0
    hits = predictions.argmax(1) == targets
    recall = np.array([hits[targets == c].mean() for c in classes])
    ends = [int(recall.argmax()), int(recall.argmin())]
    variance = sum((recall[i] * (1 - recall[i]) + 0.25 / support[classes[i]]) / support[classes[i]] for i in ends)
    return float(np.ptp(recall)), STANDARD_ERRORS * math.sqrt(variance), int(classes[ends[1]])
