"""Distillation of a finished run: its network teaches a smaller one, which is exported beside it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from burnish.compression.distill import SMOOTHED
from burnish.compression.narrow import Narrow
from burnish.errors import BurnishError, Conflict, NotApplicable, UsageError
from burnish.exporting.latency import latency, ratio
from burnish.exporting.onnx import export_onnx
from burnish.exporting.package import ModelPackage, write_package
from burnish.exporting.safetensors import save_weights
from burnish.ledger import Ledger
from burnish.model.build import probe_inputs
from burnish.model.sources import as_source
from burnish.pipeline.deployed import example_batch, winner_plan
from burnish.pipeline.pruning import trained_network
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.students import Distillation, distill
from burnish.pipeline.work import HANDED, Work, opened
from burnish.plan import Plan
from burnish.records import to_json
from burnish.techniques import parse

__all__ = ["distill_run"]

Json = dict[str, Any]


def distill_run(
    run: Path | str,
    *,
    student: str | None = None,
    narrow: float = 0.5,
    seeds: int = 3,
    members: int = 1,
    temperature: float = 4.0,
    weight: float = 0.9,
    plan: Plan | None = None,
    observer: Callable[[Json], None] | None = None,
) -> Json:
    """Train a smaller network with the finished run's network as teacher, and the same without a teacher.

    The student of the first seed is written to student.onnx, its weights and description beside it.

    Args:
        run: The run directory.
        student: Another network, as on the command line; without one the run's own, narrowed.
        narrow: Share of the channels a narrowed network loses.
        seeds: Trainings in each arm, three or more.
        members: Teachers; more than one are trained anew, and their probabilities averaged.
        temperature: Softens the distributions.
        weight: Share of the teacher in the loss.
        plan: The plan the run was started with, where that was done from Python.
        observer: Told what happens.

    Raises:
        UsageError: the directory holds no finished run, or an argument is out of range.
        NotApplicable: the network cannot be narrowed.
    """
    root = Path(run)
    recipe, handed = Recipe.recorded(root), Ledger(root).recipe().get(HANDED)
    if plan is None and handed is not None:
        raise UsageError(
            f"{root} was started from Python with a plan for {handed}, which no flag describes; use "
            "bu.distill(0.5, plan) there"
        )
    if Ledger(root).stage("finish") is None:
        raise UsageError(f"{root} has no trained network yet; run `burnish run --out {root}` to the end first")
    with opened(recipe, root, observer or (lambda event: None), plan=plan) as work:
        whole = winner_plan(work)
        small, notes = _student(work, whole, student, narrow)
        if whole.loss.smoothing > 0:
            work.note(SMOOTHED)
        taught = distill(
            small,
            whole if members > 1 else trained_network(whole, work.ledger, work.stage("finish")["winner"]),
            seeds=range(recipe.seed, recipe.seed + seeds),
            members=members,
            temperature=temperature,
            weight=weight,
            out=root / "ledger" / "students",
            device=work.device,
            on_note=lambda text: None,  # said above
            on_run=lambda done: work.note(f"{done.detail['name']}, seed {done.seed}: {done.primary} {done.score:.4g}"),
        )
        taught = replace(taught, notes=(*_smoothing(whole, taught), *notes))
        return taught.to_json() | _shipped(work, whole, small, taught) | {"text": str(taught)}


def _student(work: Work, whole: Plan, network: str | None, narrow: float) -> tuple[Plan, list[str]]:
    """The student's plan: the run's techniques as far as they apply, and what was left out."""
    if network is None:
        return whole.then(Narrow(ratio=narrow)), []
    base = replace(work.plan, model=as_source(network, work.data), edits=())
    plan, notes = plan_from_base(base, work.base, []), []
    for text in work.stage("finish")["techniques"]:
        try:
            plan = plan.then(parse(text))
        except (NotApplicable, Conflict) as reason:
            notes.append(f"the student does without {text}: {reason}")
    return plan, notes


def _smoothing(whole: Plan, taught: Distillation) -> tuple[str, ...]:
    return (SMOOTHED,) if whole.loss.smoothing > 0 and SMOOTHED not in taught.notes else taught.notes


def _shipped(work: Work, whole: Plan, small: Plan, taught: Distillation) -> Json:
    """The first student that finished, exported and timed in turns with its teacher."""
    index = next((i for i, run in enumerate(taught.students.runs) if run.status == "done"), None)
    if index is None:
        raise BurnishError("no student finished, so there is none to export")
    network = taught.students.model(index)
    path = work.root / "student.onnx"
    export_onnx(network, probe_inputs(work.data), path)
    save_weights(network, path.with_suffix(".safetensors"))
    package = ModelPackage(
        task=work.data.task,
        preparation=work.data.preparation,
        source=small.source.to_json(),
        techniques=small.techniques,
        plan_key=small.key,
    )
    write_package(work.root, package, name="student.json")
    large = work.ledger.path / "models" / "teacher.onnx"
    large.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(trained_network(whole, work.ledger, work.stage("finish")["winner"]), probe_inputs(work.data), large)
    times = latency({"teacher": large, "student": path}, example_batch(work), batches=(1,))
    return to_json(
        {
            "path": str(path),
            "seed": taught.students.runs[index].seed,
            "bytes": {"teacher": large.stat().st_size, "student": path.stat().st_size},
            "latency_ms": {name: found[1].p50 for name, found in times.items()},
            "latency_ratio": ratio(times["teacher"][1], times["student"][1]),
        }
    )
