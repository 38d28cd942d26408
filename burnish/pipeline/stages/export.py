"""What ships: model.onnx, baseline.onnx, float weights, and model.json with all that prediction needs."""

from pathlib import Path
from typing import Any

import numpy as np

from burnish.exporting.latency import latency
from burnish.exporting.onnx import export_onnx
from burnish.exporting.package import ModelPackage, write_package
from burnish.exporting.runtime import run as run_onnx
from burnish.exporting.safetensors import save_weights
from burnish.ledger import write_bytes
from burnish.model.build import probe_inputs
from burnish.pipeline.deployed import example_batch
from burnish.pipeline.pruning import trained_network
from burnish.pipeline.reading import reading
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.stages.ensemble import shipped_ensemble
from burnish.pipeline.work import Work
from burnish.records import to_json

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
    read = reading(work.data, work.root / "model.onnx")
    write_package(
        work.root,
        ModelPackage(
            task=read.task,
            temperature=read.temperature,
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
    section |= _latencies(work) | read.report
    return to_json({"report": {"export": section}})


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
