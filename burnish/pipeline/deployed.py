"""Trained networks as the files that would ship, each measured and judged on validation."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from burnish.compression.frontier import frontier
from burnish.compression.ladder import LEVEL, Rung, allowed_drop, ladder, smallest_resolvable_drop
from burnish.compression.quantize import quantize
from burnish.errors import BurnishError
from burnish.evaluation.paired import one_sided_lower
from burnish.exporting.latency import Latency, latency, summary
from burnish.exporting.layers import layer_changes
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run as run_onnx
from burnish.model.build import probe_inputs
from burnish.pipeline.calibration import calibration_inputs
from burnish.pipeline.pruning import trained_network
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.work import Work
from burnish.plan import Plan
from burnish.records import CompressionStep, Run, to_json

__all__ = ["costs_little", "example_batch", "int8_of", "judged_files", "layer_table", "left_whole", "winner_plan"]

Array = np.ndarray
Json = dict[str, Any]
PROCESSES = 3  # to time in


def judged_files(work: Work, runs: list[Run], max_drop: float, skipped: list[dict[str, str]]) -> Json:
    """The winner and the compressed `runs`, each exported as float and int8, judged and placed on the frontier."""
    names = {"float": work.stage("finish")["winner"]} | {run.detail["name"]: run.id for run in runs}
    predicted = functools.cache(functools.partial(_predictions, work))
    files, problems = _files(work, names, predicted, max_drop)
    steps, primary = _judged(work, files, predicted, max_drop), work.data.task.primary
    reference = predicted(files["float"]["path"])
    return to_json(
        {
            "runs": [run.id for run in runs],
            "files": files,
            "steps": steps,
            "frontier": frontier(steps, greater_is_better=primary.greater_is_better),
            "skipped": skipped + problems,
            "smallest_resolvable_drop": smallest_resolvable_drop(primary, reference, work.data.validation.targets),
        }
    )


def layer_table(work: Work, files: dict[str, Json], name: str) -> list[Json]:
    """What is left of each layer in the file of step `name`, and in which precision."""
    return layer_changes(work.root / files["float"]["path"], work.root / files[name]["path"])


def left_whole(work: Work, files: dict[str, Json], name: str) -> list[Json]:
    """Layers that the cut of step `name` did not touch, each with the reason: `layer, reason`."""
    return list(work.ledger.run(files[name]["run"]).detail.get("excluded") or [])


def winner_plan(work: Work) -> Plan:
    """The plan of what ships."""
    return plan_from_base(work.plan, work.base, work.stage("finish")["techniques"])


def example_batch(work: Work, rows: int = 32) -> Array:
    """Training examples as network inputs, to time with."""
    data = work.data
    return data.preparation.network_input(data.train.take(np.arange(min(rows, len(data.train)))).inputs)


def int8_of(name: str) -> str:
    """Name of the quantized form of a float step.

    Example:
        >>> int8_of("float"), int8_of("pruned 25%")
        ('int8', 'pruned 25% int8')
    """
    return "int8" if name == "float" else f"{name} int8"


def costs_little(work: Work, before: Array, after: Array, max_drop: float) -> bool:
    """Whether predictions `after` are shown to be at most `max_drop` worse than those `before`, on validation."""
    primary, targets = work.data.task.primary, work.data.validation.targets
    allowed = allowed_drop(primary, primary(before, targets), max_drop)
    return one_sided_lower(primary, before, after, targets, level=LEVEL) > -allowed


def _files(
    work: Work, runs: dict[str, str], predicted: Callable[[str], Array], max_drop: float
) -> tuple[dict[str, Json], list[dict[str, str]]]:
    """One float and, where possible, one int8 ONNX file for each network; what fails is said.

    Of the int8 ones a faster one is taken before a closer one if the fast one costs no more than `max_drop`.
    """
    plan, data, calibration = winner_plan(work), work.data, calibration_inputs(work.data)
    folder = work.ledger.path / "models"
    folder.mkdir(parents=True, exist_ok=True)
    files, problems = _known_files(work, runs)

    def good_enough(content: bytes) -> bool:
        return costs_little(work, predicted(files["float"]["path"]), _outputs(work, content), max_drop)

    for name, run_id in runs.items():
        if name in files:
            continue
        if work.ledger.run(run_id).detail.get("file"):
            files[name] = _own_file(work, run_id)
            continue
        path = folder / f"{name.replace(' ', '-').replace('%', '')}.onnx"
        exported = export_onnx(trained_network(plan, work.ledger, run_id), probe_inputs(data), path)
        cost = work.ledger.run(run_id).cost
        files[name] = {
            "run": run_id,
            "path": str(path.relative_to(work.root)),
            "export": exported,
            "parameters": cost and cost.parameters,
            "operations": cost and cost.operations,
        }
        small = path.with_name(f"{path.stem}-int8.onnx")
        try:
            quantized = quantize(path, small, calibration, modality=data.modality, accept=good_enough)
        except BurnishError as reason:
            problems.append({"step": int8_of(name), "reason": str(reason)})
            continue
        files[int8_of(name)] = files[name] | {"path": str(small.relative_to(work.root)), "quantized": quantized}
    return files, problems


def _own_file(work: Work, run_id: str) -> Json:
    """The file that run `run_id` made itself."""
    import onnx

    run = work.ledger.run(run_id)
    path = work.ledger.run_directory(run_id) / run.detail["file"]
    return {
        "run": run_id,
        "path": str(path.relative_to(work.root)),
        "export": {"opset": onnx.load(str(path)).opset_import[0].version},
        "parameters": run.cost and run.cost.parameters,
        "operations": run.cost and run.cost.operations,
        "quantized": run.detail["quantized"],
    }


def _known_files(work: Work, runs: dict[str, str]) -> tuple[dict[str, Json], list[dict[str, str]]]:
    """Files that the main job made of the same runs, and what failed there: a later search need not make them again."""
    stage = work.ledger.stage("compress") or {"files": {}, "skipped": []}
    same = [name for name, run_id in runs.items() if stage["files"].get(name, {}).get("run") == run_id]
    found = {name: stage["files"].get(name) for float_name in same for name in (float_name, int8_of(float_name))}
    files = {name: info for name, info in found.items() if info and (work.root / info["path"]).exists()}
    return files, [item for item in stage["skipped"] if item["step"] in found]


def _predictions(work: Work, path: str) -> Array:
    return _outputs(work, work.root / path)


def _outputs(work: Work, model: Path | bytes) -> Array:
    """Decoded predictions on validation."""
    inputs = work.data.preparation.network_input(work.data.validation.inputs)
    return work.data.task.decode(run_onnx(model, inputs))


def _judged(
    work: Work, files: dict[str, Json], predicted: Callable[[str], Array], max_drop: float
) -> list[CompressionStep]:
    """Every file measured through ONNX Runtime on validation and timed side by side; the float one is the reference."""
    times = _times(work, {name: work.root / info["path"] for name, info in files.items()})
    rungs = [
        Rung(
            name=name,
            predictions=predicted(info["path"]),
            bytes=(work.root / info["path"]).stat().st_size,
            latency=times[name],
            parameters=info["parameters"],
            operations=info["operations"],
            file=info["path"],
        )
        for name, info in files.items()
    ]
    metric, targets = work.data.task.primary, work.data.validation.targets
    return ladder(rungs[0], rungs[1:], metric=metric, targets=targets, max_drop=max_drop)


def _times(work: Work, paths: dict[str, Path]) -> dict[str, Latency]:
    """Times at batch 1, side by side. Stored, since they decide what ships: a later sitting must see the same ones."""
    digest = hashlib.sha256()
    for name, path in paths.items():
        digest.update(name.encode())
        digest.update(path.read_bytes())

    def measured() -> Json:
        found = latency(paths, example_batch(work), batches=(1,), processes=PROCESSES)
        return {name: list(times[1].samples) for name, times in found.items()}

    stored = work.ledger.once(f"latency-{digest.hexdigest()[:8]}", measured)
    return {name: summary(stored[name]) for name in paths}
