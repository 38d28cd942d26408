"""R5: the largest gap is the one to the training rows themselves."""

import math

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

TRAIN_ROWS = 5000  # at most as many training rows stand behind a training score
RULE = Rule(
    id="R5",
    title="underfitting",
    source="Ng, Machine Learning Yearning, ch. 27 (largest gap); tuning playbook; least error heuristic",
    remedies=(
        "more epochs or a higher learning rate",
        "BatchNorm",
        "GroupNorm",
        "Schedule",
        "Residual",
        "Activation",
        "a wider or deeper network",
        "less regularization",
    ),
    chance=0.3,
    symptom_of=("P4", "P5", "P7", "P8", "P9", "P11", "P12", "R11", "R12", "R13", "R14", "R15", "R16"),
)


def check(subject: Subject) -> Finding:
    """Error on training rows against the gap from training to validation, on a scale where knowing nothing is 1."""
    name = subject.metric.name
    pairs = [(r.train_scores.get(name, math.nan), r.score) for r in subject.finished]
    pairs = [pair for pair in pairs if math.isfinite(pair[0])]
    if not pairs:
        return RULE.cannot_tell("no run has a score on training rows.")
    train, validation = np.mean(pairs, axis=0)
    error = subject.error(float(train))
    gap = subject.error(float(validation)) - error
    n = min(TRAIN_ROWS, len(subject.data.train))
    noise = math.sqrt(max(error * (1 - error), 0.0) / n) if subject.metric.bounded else 0.0
    limits = subject.thresholds
    threshold = max(gap, limits.least_error, limits.standard_errors * noise)
    said = (
        f"{name} {train:.4g} on training rows, {validation:.4g} on validation: the training error ({error:.1%} of "
        f"knowing nothing) is {'larger' if error > gap else 'smaller'} than the gap ({gap:.1%})"
    )
    tell = RULE.judge(error > threshold)
    figure = {"kind": "bars", "labels": ["training error", "gap to validation"], "values": [error, gap]}
    more = ". What noise in labels or inputs leaves unexplained counts as training error here" if error > gap else ""
    return tell(error, threshold, f"{said}{more}.", lost=(error, "error on training rows"), figure=figure, gap=gap)
