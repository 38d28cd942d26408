"""Post techniques of a plan, carried out at the end of its run: pruned, distilled, rounded to int8."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from burnish.compression.quantize import quantize
from burnish.compression.rebuild import rebuild_pruned
from burnish.errors import UsageError
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run as run_onnx
from burnish.model.build import probe_inputs
from burnish.pipeline.calibration import calibration_inputs
from burnish.pipeline.pruning import cut_and_tuned
from burnish.plan import Plan
from burnish.records import Run, to_json
from burnish.techniques import Distill, Prune, Quantize
from burnish.training import Fitted
from burnish.training.ranks import current

__all__ = ["QUANTIZED", "made_smaller", "rounded", "unloaded"]

QUANTIZED = "int8.onnx"  # the file in the run's directory


def made_smaller(run: Run, plan: Plan, fitted: Fitted, device: str) -> tuple[Run, Fitted]:
    """The network after `Prune` or `Distill`, trained on from where they leave it; as it is without one of them.

    Raises:
        NotApplicable: nothing of the network can be cut.
        UsageError: several ranks share the run.
    """
    technique = next((t for t in plan.post if isinstance(t, Prune | Distill)), None)
    if technique is None:
        return run, fitted
    if current().size > 1:
        raise UsageError(f"{technique!r} is not carried out over several ranks; use `burnish compress` on the run")
    teacher = fitted.model.cpu().eval()
    pruned, tuned, _ = cut_and_tuned(replace(plan, post=()), teacher, _payload(technique, run, plan), device)
    told = {
        "history": pruned.history,
        "proof": pruned.proof,
        "cut": list(pruned.cut),
        "excluded": list(pruned.excluded),
    }
    seconds = fitted.seconds + tuned.seconds
    nothing = np.zeros((0, 0, 0), np.float32)
    tuned = replace(tuned, seconds=seconds, curves=fitted.curves, shadows={}, epoch_outputs=nothing)
    return replace(run, detail=run.detail | told), tuned


def _payload(technique: Any, run: Run, plan: Plan) -> dict[str, Any]:
    if isinstance(technique, Distill):
        ways = {"kind": "scratch", "ratio": technique.narrow, "criterion": "l2", "scope": "uniform"}
        return ways | {"epochs": plan.epochs, "seed": run.seed}
    ways = {"kind": "prune", "ratio": technique.ratio, "criterion": technique.criterion, "scope": technique.ratios}
    return ways | {"schedule": technique.schedule, "epochs": max(2, round(plan.epochs / 2)), "seed": run.seed}


def unloaded(plan: Plan, run: Run) -> nn.Module:
    """A network that the weights of `run` fit."""
    network = plan.build(run.seed)
    return rebuild_pruned(network, run.detail["history"]) if run.detail.get("history") else network


def rounded(run: Run, plan: Plan, model: nn.Module, directory: Path) -> Run:
    """`run` measured as the int8 file of its network where the plan has `Quantize`; as it is without.

    Raises:
        NotApplicable: no way of quantizing it works.
    """
    technique = next((t for t in plan.post if isinstance(t, Quantize)), None)
    if technique is None:
        return run
    data, path = plan.data, directory / "float.onnx"
    export_onnx(model.cpu().eval(), probe_inputs(data), path)
    found = quantize(
        path,
        directory / QUANTIZED,
        calibration_inputs(data),
        modality=data.modality,
        agreement=technique.agreement,
    )
    path.unlink()
    outputs = run_onnx(directory / QUANTIZED, data.preparation.network_input(data.validation.inputs))
    with np.load(directory / "predictions.npz") as kept:
        arrays = {"rows": kept["rows"], "outputs": outputs.astype(np.float32)}
    np.savez(directory / "predictions.npz", **arrays)
    told = {"file": QUANTIZED, "quantized": to_json({**asdict(found), "path": QUANTIZED})}
    scores = data.task.evaluate(data.task.decode(outputs), data.validation.targets)
    return replace(run, scores=run.scores | scores, readouts={}, detail=run.detail | told)
