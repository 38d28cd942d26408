"""One run of a network retrained with int8's roundings: its weights, its file, and the file's scores."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from burnish.compression.qat import retrain, trainer
from burnish.errors import NotApplicable
from burnish.evaluation.cost import cost
from burnish.exporting.runtime import run as run_onnx
from burnish.exporting.safetensors import save_weights
from burnish.ledger import Ledger
from burnish.model.build import probe_inputs
from burnish.pipeline.calibration import calibration_inputs
from burnish.pipeline.pruning import nothing_fitted, trained_network
from burnish.pipeline.setup import plan_from_base
from burnish.plan import Plan
from burnish.records import Run

__all__ = ["RETRAINED", "retrained_run"]

RETRAINED = "int8.onnx"  # the file in the run's directory


def retrained_run(plan: Plan, ledger: Ledger, payload: dict[str, Any], *, device: str) -> Run:
    """Carry out the run `payload`: `parent` (a run with weights) and `epochs` of training with int8's roundings.

    What is measured is the int8 file. Where no part can be retrained the run ends with status `not applicable`.
    """
    plan = plan_from_base(plan, payload["base"], payload["techniques"])
    with ledger.filling(payload["id"]) as directory:
        run = _retrained(plan, ledger, payload, directory, device)
        ledger.finish_run(directory, run)
    return run


def _retrained(plan: Plan, ledger: Ledger, payload: dict[str, Any], directory: Path, device: str) -> Run:
    from burnish.pipeline.worker import record

    data, parent = plan.data, ledger.run(payload["parent"])
    network = trained_network(plan, ledger, parent.id)
    shorter = replace(plan, epochs=payload["epochs"])
    calibration = torch.from_numpy(calibration_inputs(data))
    run = record(plan, payload, nothing_fitted())
    try:
        found = retrain(
            network,
            trainer(shorter, network, seed=payload["seed"], device=device),
            directory / RETRAINED,
            calibration,
            modality=data.modality,
            judged=data.preparation.network_input(data.validation.inputs),
        )
    except NotApplicable as reason:
        return replace(run, status="not applicable", error=str(reason))
    save_weights(found.model, directory / "weights.safetensors")
    outputs = run_onnx(directory / RETRAINED, data.preparation.network_input(data.validation.inputs))
    np.savez(directory / "predictions.npz", outputs=outputs, rows=np.asarray(data.validation_rows))
    told = {k: v for k, v in asdict(replace(found, model=None)).items() if k not in ("model", "path")}  # type: ignore[arg-type]
    return replace(
        run,
        status="done",
        epochs=payload["epochs"],
        scores=data.task.evaluate(data.task.decode(outputs), data.validation.targets),
        cost=cost(found.model, probe_inputs(data)[:1]),
        detail=run.detail | {"history": parent.detail.get("history"), "file": RETRAINED, "quantized": told},
    )
