"""R17: probabilities that do not say how often the network is right."""

from typing import Any

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.calibration import optimal_temperature
from burnish.evaluation.quality import ece_interval
from burnish.metrics import expected_calibration_error
from burnish.records import Finding

__all__ = ["check"]

Array = np.ndarray
BINS = 10

RULE = Rule(
    id="R17",
    title="miscalibration",
    source="Guo et al., arXiv:1706.04599; Roelofs et al., arXiv:2012.08668; cut-offs heuristic",
    chance=0.05,
    symptom_of=("R6", "R8", "R11", "R12", "R16", "R23"),
)
OVERCONFIDENT = ("divide the outputs by a temperature", "LabelSmoothing", "Mixup", "an ensemble")
UNDERCONFIDENT = ("divide the outputs by a temperature", "less label smoothing or mixup", "more epochs")


def check(subject: Subject) -> Finding:
    """Lower end of the debiased calibration error, and the temperature that would repair it."""
    if not subject.is_classification:
        return RULE.cannot_tell("only class probabilities can be calibrated.")
    if subject.measured is None:
        return RULE.cannot_tell("there are no validation predictions yet.")
    probabilities, targets = subject.measured
    error = expected_calibration_error(probabilities, targets)
    low, high = ece_interval(probabilities, targets)
    temperature = optimal_temperature(np.asarray(subject.predictions), targets)
    limits = subject.thresholds
    outside = not limits.temperature_low <= temperature <= limits.temperature_high
    said = f"calibration error {error:.3f} [{low:.3f}, {high:.3f}]; best temperature {temperature:.2f}"
    detail: dict[str, Any] = {"error": error, "low": low, "high": high, "temperature": temperature}
    limit, figure = limits.calibration_error, _figure(probabilities, targets)
    if low > limit and outside:
        word, remedies = ("over", OVERCONFIDENT) if temperature > 1 else ("under", UNDERCONFIDENT)
        told, said = (error, "calibration error: trust, not score"), f"{said}: {word}confident."
        return RULE.fires(low, limit, said, lost=told, remedies=remedies, figure=figure, **detail)
    return RULE.clear(low, limit, said + ".", figure=figure, **detail)


def _figure(probabilities: Array, targets: Array) -> dict[str, Any]:
    """How often the network is right against how sure it is, in bins of equally many examples."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == targets
    bins = [b for b in np.array_split(np.argsort(sure, kind="stable"), BINS) if len(b)]
    x, y = [float(sure[b].mean()) for b in bins], [float(right[b].mean()) for b in bins]
    names = {"x_name": "confidence", "y_name": "share right"}
    return {"kind": "lines", "x": x, "series": {"measured": y, "calibrated": x}, **names}
