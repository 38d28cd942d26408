"""R10: accuracy and macro F1 tell different stories, so one has to be chosen on purpose."""

import math

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R10",
    title="metric mismatch",
    source="heuristic: accuracy and macro F1 more than 0.05 apart",
    remedies=("choose the metric that counts for you with --metric", "move the decision threshold"),
    chance=0.1,
)


def check(subject: Subject) -> Finding:
    """Distance between accuracy and macro F1, over the runs."""
    if not subject.is_classification:
        return RULE.cannot_tell("only classifications are scored by both accuracy and macro F1.")
    pairs = [(r.scores.get("accuracy", math.nan), r.scores.get("f1_macro", math.nan)) for r in subject.finished]
    if not pairs or not np.isfinite(pairs).all():
        return RULE.cannot_tell("no run has both scores.")
    accuracy, f1 = np.mean(pairs, axis=0)
    apart = float(abs(accuracy - f1))
    said = f"accuracy {accuracy:.4g}, macro F1 {f1:.4g}; decisions are made on {subject.metric.name}."
    limit = subject.thresholds.metrics_apart
    figure = {"kind": "bars", "labels": ["accuracy", "macro F1"], "values": [float(accuracy), float(f1)]}
    tell = RULE.judge(apart > limit)
    return tell(apart, limit, said, lost=(apart, "between the two metrics"), figure=figure)
