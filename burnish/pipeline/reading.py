"""How the outputs of a file that ships are read: temperature and thresholds fitted on validation, where they help."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data import Data
from burnish.evaluation.calibration import crossfit_temperature
from burnish.evaluation.thresholds import crossfit_threshold, crossfit_thresholds
from burnish.exporting.runtime import run as run_onnx
from burnish.tasks import Classification, Multilabel, Task

__all__ = ["Reading", "reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What stands between the outputs of a network and its predictions.

    Attributes:
        task: With the thresholds that were accepted.
        temperature: Logits are divided by it; 1 where that is no better.
        report: What was fitted, and the cross-fitted proof.
    """

    task: Task
    temperature: float = 1.0
    report: dict[str, Any] = field(default_factory=dict)


def reading(data: Data, file: Path) -> Reading:
    """The reading of the ONNX `file`, fitted on validation; each part only where a cross-fitted one is better."""
    task, outputs = data.task, _outputs(data, file)
    if isinstance(task, Multilabel):
        found = crossfit_thresholds(task.decode(outputs), data.validation.targets, task)
        moved = replace(task, thresholds=tuple(found["thresholds"])) if found["accepted"] else task
        return Reading(task=moved, report={"thresholds": found})
    if not isinstance(task, Classification):
        return Reading(task=task)
    calibration = crossfit_temperature(outputs, data.validation.targets, task)
    temperature = calibration["temperature"] if calibration["accepted"] else 1.0
    report: dict[str, Any] = {"calibration": calibration}
    decoded = task.decode(outputs / temperature)
    between = crossfit_threshold(decoded, data.validation.targets, task) if task.outputs == 2 else None
    if between is not None:
        report["threshold"] = between
        task = replace(task, threshold=between["threshold"]) if between["accepted"] else task
    return Reading(task=task, temperature=temperature, report=report)


def _outputs(data: Data, file: Path) -> np.ndarray:
    return run_onnx(file, data.preparation.network_input(data.validation.inputs))
