"""Smaller and faster: prune, quantize, measure each file, accept by a lower bound, choose."""

from pathlib import Path
from typing import Any

import numpy as np

from burnish.compression.frontier import choose, frontier, parse_requirements
from burnish.compression.ladder import Rung, ladder, smallest_resolvable_drop
from burnish.compression.quantize import quantize
from burnish.errors import BurnishError, RequirementNotMet
from burnish.exporting.latency import latency
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run as run_onnx
from burnish.model.build import probe_inputs
from burnish.pipeline.pruning import trained_network
from burnish.pipeline.running import spec
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, Run, from_json, to_json

__all__ = ["RATIOS", "choose_smallest", "compress", "example_batch", "ladder_of"]

Array = np.ndarray
RATIOS = (0.25, 0.5)
CALIBRATION_ROWS = 256
SLOWER, NOTICED = 1.25, 0.1  # a smaller file is no gain that is so many times, and so many milliseconds, slower


def compress(work: Work) -> dict[str, Any]:
    """The ladder over pruning ratios, each as float and as int8, and the smallest accepted file."""
    found = ladder_of(work, RATIOS, work.recipe.max_drop, stage="compress")
    steps = [from_json(CompressionStep, s) for s in found["steps"]]
    chosen, requirement = _required(steps, work.recipe.require)
    work.note(f"ships: {chosen.step}, {chosen.bytes:,} bytes")
    return found | {
        "chosen": chosen.step,
        "report": {
            "compression": found["steps"],
            "frontier": found["frontier"],
            "smallest_resolvable_drop": found["smallest_resolvable_drop"],
            "max_drop": work.recipe.max_drop,
            "not_compressed": found["skipped"],
            "requirement": requirement,
        },
    }


def _required(steps: list[CompressionStep], require: str | None) -> tuple[CompressionStep, dict[str, Any]]:
    """The fastest step that meets what the user asked for; without a wish, or when none does, the smallest."""
    if not require:
        return choose_smallest(steps), {"skipped": "no --require was given"}
    try:
        return choose(steps, parse_requirements(require)), {"text": require, "met": True, "message": ""}
    except RequirementNotMet as miss:
        return choose_smallest(steps), {"text": require, "met": False, "message": str(miss)}


def choose_smallest(steps: list[CompressionStep]) -> CompressionStep:
    """The accepted step with the fewest bytes; by bytes, since latencies differ from run to run."""
    usable = [s for s in steps if s.accepted and not _slower(s)]
    return min(usable or steps[:1], key=lambda s: s.bytes or 0)


def _slower(step: CompressionStep) -> bool:
    """Whether it is slower than the float model by a factor and by a time: microseconds must not decide what ships."""
    if step.latency_ratio is None or step.latency_ratio <= SLOWER or step.latency_ms is None:
        return False
    return step.latency_ms.value * (1 - 1 / step.latency_ratio) > NOTICED


def ladder_of(work: Work, ratios: tuple[float, ...], max_drop: float, *, stage: str) -> dict[str, Any]:
    """Carry out the pruning runs, export and quantize, and judge every file on validation."""
    winner = work.stage("finish")["winner"]
    pruned, skipped = _pruned_runs(work, winner, ratios, stage)
    files, problems = _files(work, {"float": winner} | {f"pruned {r.detail['ratio']:.0%}": r.id for r in pruned})
    steps, primary = _judged(work, files, max_drop), work.data.task.primary
    return to_json(
        {
            "runs": [r.id for r in pruned],
            "files": files,
            "steps": steps,
            "frontier": frontier(steps, greater_is_better=primary.greater_is_better),
            "skipped": skipped + problems,
            "smallest_resolvable_drop": smallest_resolvable_drop(
                primary, _predictions(work, work.root / files["float"]["path"]), work.data.validation.targets
            ),
        }
    )


def _pruned_runs(
    work: Work, winner: str, ratios: tuple[float, ...], stage: str
) -> tuple[list[Run], list[dict[str, str]]]:
    techniques, base = work.stage("finish")["techniques"], {**work.base, "rows": 1.0}
    specs = [
        spec(
            stage,
            round(100 * ratio),
            base=base,
            techniques=techniques,
            seed=work.recipe.seed,
            kind="prune",
            parent=winner,
            ratio=ratio,
            epochs=max(2, round(base["epochs"] / 2)),
            readouts=False,
            name=f"pruned {ratio:.0%}",
        )
        for ratio in ratios
    ]
    runs = work.runner.run(specs, may_fail=True)
    skipped = [{"step": r.detail["name"], "reason": r.error or r.status} for r in runs if r.status != "done"]
    return [r for r in runs if r.status == "done"], skipped


def _files(work: Work, runs: dict[str, str]) -> tuple[dict[str, dict[str, Any]], list[dict[str, str]]]:
    """One float and, where possible, one int8 ONNX file for each network; what fails is said."""
    plan = plan_from_base(work.plan, work.base, work.stage("finish")["techniques"])
    folder = work.ledger.path / "models"
    folder.mkdir(parents=True, exist_ok=True)
    data = work.data
    calibration = data.preparation.network_input(data.train.take(_spread(len(data.train), CALIBRATION_ROWS)).inputs)
    files, problems = _known_files(work, runs)
    for name, run_id in runs.items():
        if name in files:
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
            quantized = quantize(path, small, calibration, modality=data.modality)
        except BurnishError as reason:
            problems.append({"step": int8_of(name), "reason": str(reason)})
            continue
        files[int8_of(name)] = files[name] | {"path": str(small.relative_to(work.root)), "quantized": quantized}
    return files, problems


def int8_of(name: str) -> str:
    """Name of the quantized form of a float step.

    Example:
        >>> int8_of("float"), int8_of("pruned 25%")
        ('int8', 'pruned 25% int8')
    """
    return "int8" if name == "float" else f"{name} int8"


def _known_files(work: Work, runs: dict[str, str]) -> tuple[dict[str, dict[str, Any]], list[dict[str, str]]]:
    """Files that the main job made of the same runs, and what failed there: a later search need not make them again."""
    stage = work.ledger.stage("compress") or {"files": {}, "skipped": []}
    same = [name for name, run_id in runs.items() if stage["files"].get(name, {}).get("run") == run_id]
    found = {name: stage["files"].get(name) for float_name in same for name in (float_name, int8_of(float_name))}
    files = {name: info for name, info in found.items() if info and (work.root / info["path"]).exists()}
    return files, [item for item in stage["skipped"] if item["step"] in found]


def _spread(count: int, wanted: int) -> Array:
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(int))


def _predictions(work: Work, path: Path) -> Array:
    inputs = work.data.preparation.network_input(work.data.validation.inputs)
    return work.data.task.decode(run_onnx(path, inputs))


def _judged(work: Work, files: dict[str, dict[str, Any]], max_drop: float) -> list[CompressionStep]:
    """Every file measured through ONNX Runtime on validation and timed side by side; the float one is the reference."""
    data = work.data
    times = latency({name: work.root / info["path"] for name, info in files.items()}, example_batch(work))
    rungs = [
        Rung(
            name=name,
            predictions=_predictions(work, work.root / info["path"]),
            bytes=(work.root / info["path"]).stat().st_size,
            latency=times[name][1],
            parameters=info["parameters"],
            operations=info["operations"],
            file=info["path"],
        )
        for name, info in files.items()
    ]
    metric, targets = data.task.primary, data.validation.targets
    return ladder(rungs[0], rungs[1:], metric=metric, targets=targets, max_drop=max_drop)


def example_batch(work: Work, rows: int = 32) -> Array:
    """Training examples as network inputs, to time with."""
    data = work.data
    return data.preparation.network_input(data.train.take(np.arange(min(rows, len(data.train)))).inputs)
