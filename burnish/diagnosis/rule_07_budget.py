"""R7: the best epoch is near the end, or near the start, of the budget."""

from typing import Any

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R7",
    title="training budget",
    source="tuning playbook: best step in the last 25 % or the first 10 % of the budget",
    chance=0.5,
    symptom_of=("R12", "R13"),
)
LEAST_EPOCHS = 8
LONGER = ("more epochs", "Schedule", "a higher learning rate")
SHORTER = ("fewer epochs", "EarlyStopping", "Augment", "EMA")


def check(subject: Subject) -> Finding:
    """Where the best epoch of the mean curve lies, as a share of the budget.

    Late alone is not enough: on a plateau any epoch can be the best. What the last quarter adds has to matter, and to
    be more than the validation rows may be wrong by.
    """
    metric, worthwhile = subject.metric, subject.worthwhile
    curve = _mean_curve(subject)
    if curve is None or worthwhile is None:
        return RULE.cannot_tell(f"no curve of at least {LEAST_EPOCHS} epochs.")
    best, limits = int(curve.argmax()) + 1, subject.thresholds
    place, late = best / len(curve), int(np.ceil(limits.late * len(curve)))
    added = float(curve[late:].max() - curve[:late].max())
    said = f"the mean {metric.name} is best after epoch {best} of {len(curve)}"
    scores = [subject.metric.gain(0.0, float(v)) for v in curve]
    figure: dict[str, Any] = {"kind": "lines", "x": list(range(1, len(curve) + 1)), "series": {metric.name: scores}}
    figure["x_name"] = "epoch"
    detail: dict[str, Any] = {"best_epoch": best, "epochs": len(curve), "added_by_last_quarter": added}
    noise = limits.standard_errors * (subject.standard_error or 0.0)
    if best > late and added > max(worthwhile, noise):
        evidence = f"{said}, and the last quarter still adds {added:.2g}: the training is too short."
        found = (subject.share(added), "of the error, which as long a training again may take off")
        return RULE.fires(place, limits.late, evidence, lost=found, remedies=LONGER, figure=figure, **detail)
    if place <= limits.early:
        evidence = f"{said}: the rest of the training is lost."
        lost = (subject.share(float(curve.max() - curve[-1])), "of the error, lost after the best epoch")
        return RULE.fires(place, limits.early, evidence, lost=lost, remedies=SHORTER, figure=figure, **detail)
    return RULE.clear(place, limits.late, f"{said}; the last quarter adds {added:.2g}.", figure=figure, **detail)


def _mean_curve(subject: Subject) -> np.ndarray | None:
    """Mean over the runs of the metric per epoch, turned so that larger is better; None when too short."""
    curves = [
        [subject.metric.gain(0, line.get(subject.metric.name, np.nan)) for line in run.curves]
        for run in subject.finished
    ]
    curves = [curve for curve in curves if len(curve) >= LEAST_EPOCHS and np.isfinite(curve).all()]
    if not curves:
        return None
    shortest = min(map(len, curves))
    return np.mean([curve[:shortest] for curve in curves], axis=0)
