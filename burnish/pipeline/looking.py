"""What the diagnosis looks at, gathered from a plan and its runs, and what it may spend."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from burnish.data import Data
from burnish.diagnosis import Subject
from burnish.exporting.safetensors import load_weights
from burnish.ledger import Ledger
from burnish.pipeline.calibration import calibration_inputs
from burnish.plan import Plan
from burnish.records import Run
from burnish.studies.budget import Budget

__all__ = ["rules_budget", "subject_of"]

Array = np.ndarray
# Trainings of the baseline that the rules of `burnish diagnose` may take beyond the pilot.
RUNS = {"quick": 1.0, "standard": 10.0, "thorough": None}
AT_LEAST = 60.0  # seconds that they may take however short a training is


def rules_budget(budget: str, spent: float) -> dict[str, Any]:
    """Limits for `diagnose` under `--budget`: a number of trainings, or the seconds left of a time."""
    asked = Budget.parse(budget)
    if asked.seconds is not None:
        return {"seconds": max(asked.seconds - spent, 0.0)}
    return {"runs": RUNS[asked.name], "at_least": AT_LEAST}


def subject_of(plan: Plan, runs: tuple[Run, ...], ledger: Ledger, **more: Any) -> Subject:
    """The subject with network and predictions of the first finished run, and the outputs of all for rows left out.

    Args:
        plan: What was trained.
        runs: Its trainings.
        ledger: Where their weights and predictions lie.
        more: Further fields of the subject.
    """
    done = [run for run in runs if run.status == "done"]
    subject = Subject(data=plan.data, plan=plan, runs=tuple(runs), **more)
    if not done:
        return subject
    first, file = done[0], ledger.run_directory(done[0].id) / "weights.safetensors"
    data = plan.data.replicate(first.split)
    model = load_weights(plan.build(first.seed), file).eval() if file.exists() else None
    outside = tuple((kept["rows"], kept["outputs"]) for kept in map(ledger.arrays, (run.id for run in done)))
    return replace(
        subject,
        data=data,
        model=model,
        predictions=outside[0][1],
        out_of_fold=outside,
        int8=None if model is None else _int8_outputs(model, data),
    )


def _int8_outputs(model: nn.Module, data: Data) -> Callable[[], Array]:
    """A function that quantizes `model` the way compression does, and gives its outputs on the validation rows."""

    def outputs() -> Array:
        from burnish.compression.quantize import quantize
        from burnish.exporting.onnx import export_onnx
        from burnish.exporting.runtime import run

        calibration = calibration_inputs(data)
        with tempfile.TemporaryDirectory() as folder:
            exact, small = Path(folder, "model.onnx"), Path(folder, "int8.onnx")
            export_onnx(model, torch.from_numpy(calibration), exact)
            quantize(exact, small, calibration, modality=data.modality)
            return run(small, data.preparation.network_input(data.validation.inputs))

    return outputs
