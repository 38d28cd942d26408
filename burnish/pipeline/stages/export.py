"""What ships: model.onnx, baseline.onnx, float weights, and model.json with all that prediction needs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from burnish.evaluation.calibration import crossfit_temperature
from burnish.evaluation.thresholds import crossfit_threshold, crossfit_thresholds
from burnish.exporting.latency import latency
from burnish.exporting.onnx import export_onnx
from burnish.exporting.package import ModelPackage, write_package
from burnish.exporting.runtime import run as run_onnx
from burnish.exporting.safetensors import save_weights
from burnish.ledger import write_bytes
from burnish.model.build import probe_inputs
from burnish.pipeline.deployed import example_batch
from burnish.pipeline.pruning import trained_network
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.stages.ensemble import shipped_ensemble
from burnish.pipeline.work import Work
from burnish.records import to_json
from burnish.tasks import Classification, Multilabel, Task

__all__ = ["export"]


def export(work: Work) -> dict[str, Any]:
    """Put the chosen file in place, export the baseline beside it, and compare what ships with PyTorch."""
    compressed, finish = work.stage("compress"), work.stage("finish")
    chosen = compressed["files"][compressed["chosen"]]
    plan = plan_from_base(work.plan, work.base, finish["techniques"])
    network = trained_network(plan, work.ledger, chosen["run"])
    baseline = trained_network(plan_from_base(work.plan, work.base, []), work.ledger, finish["baseline"])
    exported = export_onnx(baseline, probe_inputs(work.data), work.root / "baseline.onnx")
    run, step, source = work.ledger.run(chosen["run"]), compressed["chosen"], work.plan.source.to_json()
    whole = shipped_ensemble(work)
    if whole is not None:  # asked for, better than its best member, and within --require
        found, network = whole
        section = found["report"]["ensemble"]
        chosen = chosen | {"path": section["path"], "export": section["export"], "parameters": section["parameters"]}
        step = f"ensemble of {len(found['members'])}"
        work.note(f"ships: {step} instead of one compressed network, {section['bytes']:,} bytes")
        source = {"kind": "ensemble", "member": source, "runs": found["members"], "combination": found["combination"]}
    parity = _parity(work, network, work.root / chosen["path"])
    write_bytes(work.root / "model.onnx", (work.root / chosen["path"]).read_bytes())
    save_weights(network, work.root / "model.safetensors")
    temperature, calibration = _temperature(work)
    task, thresholds = _thresholds(work, temperature)
    write_package(
        work.root,
        ModelPackage(
            task=task,
            temperature=temperature,
            preparation=work.data.preparation,
            source=source,
            techniques=tuple(finish["techniques"]),
            plan_key=run.plan_key,
            pruned=None if whole else run.detail.get("history"),
        ),
    )
    section = parity | {
        "path": "model.onnx",
        "format": "onnx",
        "step": step,
        "opset": chosen["export"]["opset"],
        "bytes": _size(work.root / "model.onnx"),
        "baseline_bytes": exported.bytes,
        "parameters": chosen["parameters"],
    }
    section |= _latencies(work) | thresholds | calibration
    return to_json({"report": {"export": section}})


def _temperature(work: Work) -> tuple[float, dict[str, Any]]:
    """For classes: the temperature fitted on validation, where a cross-fitted one is better; and the proof."""
    data = work.data
    if data.task.kind != "classification":
        return 1.0, {}
    found = crossfit_temperature(_validation_outputs(work), data.validation.targets, data.task)
    return (found["temperature"] if found["accepted"] else 1.0), {"calibration": found}


def _validation_outputs(work: Work) -> Any:
    return run_onnx(work.root / "model.onnx", work.data.preparation.network_input(work.data.validation.inputs))


def _thresholds(work: Work, temperature: float) -> tuple[Task, dict[str, Any]]:
    """The task with thresholds fitted on validation, where cross-fitted ones are better; and the proof."""
    data = work.data
    if isinstance(data.task, Classification) and data.task.outputs == 2:
        decoded = data.task.decode(_validation_outputs(work) / temperature)
        between = crossfit_threshold(decoded, data.validation.targets, data.task)
        accepted = between is not None and between["accepted"]
        moved = replace(data.task, threshold=between["threshold"]) if between and accepted else data.task
        return moved, {} if between is None else {"threshold": between}
    if not isinstance(data.task, Multilabel):
        return data.task, {}
    outputs = _validation_outputs(work)
    found = crossfit_thresholds(data.task.decode(outputs), data.validation.targets, data.task)
    task = replace(data.task, thresholds=tuple(found["thresholds"])) if found["accepted"] else data.task
    return task, {"thresholds": found}


def _parity(work: Work, network: Any, path: Path) -> dict[str, Any]:
    """The shipped file against the float network in PyTorch, on all of validation."""
    from burnish.evaluation.predict import predict

    data = work.data
    ours = predict(network, data.validation, data.preparation)
    theirs = run_onnx(path, data.preparation.network_input(data.validation.inputs))
    if data.task.kind == "multilabel":
        same = (ours >= 0) == (theirs >= 0)
    elif ours.shape[1] > 1:
        same = ours.argmax(1) == theirs.argmax(1)
    else:
        same = np.isclose(ours, theirs, rtol=0.05, atol=0.05)
    return {"max_abs_difference": float(np.abs(ours - theirs).max()), "agreement": float(np.mean(same))}


def _latencies(work: Work) -> dict[str, Any]:
    files = {"model": work.root / "model.onnx", "baseline": work.root / "baseline.onnx"}
    times = latency(files, example_batch(work))
    table = {
        name: {str(batch): {"p50": t.p50, "p99": t.p99} for batch, t in by_batch.items()}
        for name, by_batch in times.items()
    }
    return {"latency_ms": table["model"], "baseline_latency_ms": table["baseline"]}


def _size(path: Path) -> int:
    return path.stat().st_size
