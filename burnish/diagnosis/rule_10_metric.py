"""R10: accuracy and macro F1 tell different stories, so one has to be chosen on purpose."""

import math

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.diagnosis.thresholds import METRICS_APART
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R10",
    title="metric mismatch",
    source="heuristic: accuracy and macro F1 more than 0.05 apart",
    remedies=("choose the metric that counts for you with --metric", "move the decision threshold"),
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
    tell = RULE.fires if apart > METRICS_APART else RULE.clear
    return tell(apart, METRICS_APART, said)
