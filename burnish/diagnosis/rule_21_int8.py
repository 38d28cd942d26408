"""R21: int8 costs score, so it takes more than a plain conversion."""

import math

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.robustness import example_errors
from burnish.records import Finding

__all__ = ["check", "price"]

SECONDS = 6.0  # export and a handful of conversions, whatever the network
ONE_SIDED = 1.645
RULE = Rule(
    id="R21",
    title="fragile under int8",
    source="Jacob et al., CVPR 2018, arXiv:1712.05877; half a point heuristic",
    remedies=("burnish compress", "more calibration rows", "leave the first and last layer in float"),
    chance=0.2,
    quick=False,
)


def price(subject: Subject) -> float:
    """Export and conversion, in trainings."""
    return SECONDS / subject.run_seconds if subject.int8 is not None and subject.run_seconds else 0.0


def check(subject: Subject) -> Finding:
    """Lower end of the paired loss from float to int8 on the validation rows."""
    if subject.int8 is None or subject.predictions is None:
        return RULE.cannot_tell("there is no trained network to quantize.")
    task, targets = subject.data.task, subject.data.validation.targets
    before, after = (example_errors(task, task.decode(o), targets) for o in (subject.predictions, subject.int8()))
    scale = subject.error_unit**2 if task.kind == "regression" else 1.0
    difference = (after - before) / scale
    loss, error = float(difference.mean()), float(difference.std(ddof=1) / math.sqrt(len(difference)))
    low, limit = loss - ONE_SIDED * error, subject.thresholds.int8_loss
    changed = float(np.mean(np.asarray(before) != np.asarray(after)))
    said = f"as int8 the error rises by {loss:.4f} ± {error:.4f} on {len(targets)} rows"
    errors = [float(before.mean() / scale), float(after.mean() / scale)]
    figure = {"kind": "bars", "labels": ["float", "int8"], "values": errors, "unit": "error"}
    tell = RULE.judge(low > limit)
    return tell(low, limit, said + ".", lost=(loss, "of the error as int8"), figure=figure, changed=changed)
