"""R17: probabilities that do not say how often the network is right."""

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.diagnosis.thresholds import CALIBRATION_ERROR, TEMPERATURES
from burnish.evaluation.calibration import optimal_temperature
from burnish.evaluation.quality import ece_interval
from burnish.metrics import expected_calibration_error
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R17",
    title="miscalibration",
    source="Guo et al., arXiv:1706.04599; Roelofs et al., arXiv:2012.08668; cut-offs heuristic",
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
    outside = not TEMPERATURES[0] <= temperature <= TEMPERATURES[1]
    said = f"calibration error {error:.3f} [{low:.3f}, {high:.3f}]; best temperature {temperature:.2f}"
    detail = {"error": error, "low": low, "high": high, "temperature": temperature}
    if low > CALIBRATION_ERROR and outside:
        word, remedies = ("over", OVERCONFIDENT) if temperature > 1 else ("under", UNDERCONFIDENT)
        return RULE.fires(low, CALIBRATION_ERROR, f"{said}: {word}confident.", remedies=remedies, **detail)
    return RULE.clear(low, CALIBRATION_ERROR, said + ".", **detail)
