"""Compress a finished run to a requirement: `latency_ms<=2, bytes<=500_000`."""

from pathlib import Path
from typing import Any

from burnish.compression.frontier import choose, parse_requirements
from burnish.compression.ladder import allowed_drop, promise
from burnish.compression.search import Ways
from burnish.data.data import Split
from burnish.errors import RequirementNotMet, UsageError
from burnish.evaluation.paired import paired_examples
from burnish.evaluation.quality import quality
from burnish.exporting.package import ModelPackage, write_package
from burnish.exporting.runtime import run as run_onnx
from burnish.exporting.safetensors import save_weights
from burnish.ledger import write_bytes
from burnish.pipeline.deployed import layer_table, left_whole, winner_plan
from burnish.pipeline.pruning import trained_network
from burnish.pipeline.reading import Reading, reading
from burnish.pipeline.searching import search
from burnish.pipeline.sparse import sparse
from burnish.pipeline.stages.compress import compression_report
from burnish.pipeline.stages.prepare import environment
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, from_json, to_json

__all__ = ["compress_to"]

Json = dict[str, Any]


def compress_to(
    work: Work,
    require: str | None,
    max_drop: float,
    *,
    seconds: float | None = None,
    ways: Ways | None = None,
    sparsity: float | None = None,
) -> Json:
    """Search for what meets `require` within `max_drop`, put it in place, and measure it once on the test set.

    The chosen network is written to compressed.onnx, its weights and description beside it; what was found becomes
    part of the run's report, also when nothing meets the requirement.

    Args:
        work: A finished job.
        require: Limits; without any the fastest network within `max_drop` is searched for.
        max_drop: Largest loss a step may cost.
        seconds: Train no more than fits in about this long.
        ways: How networks are pruned.
        sparsity: Share of single weights to set to zero besides, in a file of its own.

    Raises:
        RequirementNotMet: nothing does; the message names the nearest miss and by how much.
        UsageError: the run is not finished, or the requirement cannot be read.
    """
    requirements = parse_requirements(require)
    if work.ledger.stage("export") is None:
        raise UsageError(f"{work.root} is not finished; run `burnish run --out {work.root}` to the end first")
    zeros = {"sparsity": sparse(work, sparsity)} if sparsity is not None else {}
    found = search(work, require, max_drop, stage="search", seconds=seconds, ways=ways) | zeros
    if zeros:
        found["note"] = "; ".join(filter(None, (found["note"], zeros["sparsity"]["text"])))
    report = compression_report(found, max_drop)
    if "environment" not in work.stage("prepare")["report"]:  # of trained runs, which no job has prepared
        report["environment"] = environment(work)
    steps = [from_json(CompressionStep, s) for s in found["steps"]]
    try:
        chosen = choose(steps, requirements)
    except RequirementNotMet as miss:
        message = f"{miss}{_rejected(steps, requirements)}" + (f"; {found['note']}" if found["note"] else "")
        report["requirement"] = {"text": require, "met": False, "message": message}
        work.ledger.put_stage("search", {"report": report})
        raise RequirementNotMet(message, result=found | {"chosen": None, "require": require}) from None
    read = reading(work.data, work.root / found["files"][chosen.step]["path"])
    _put_in_place(work, found["files"][chosen.step], read)
    report["requirement"] = {"text": require, "met": True, "message": ""} if require else {"skipped": "none was given"}
    report["layers"] = layer_table(work, found["files"], chosen.step)
    report["left_whole"] = left_whole(work, found["files"], chosen.step)
    report["compressed"] = {
        "step": chosen.step,
        "path": "compressed.onnx",
        "test": _tested(work, require, max_drop, found, chosen, read),
    }
    work.ledger.put_stage("search", {"report": to_json(report)})
    return found | {
        "chosen": chosen.step,
        "path": str(work.root / "compressed.onnx"),
        "require": require or "",
        "test": report["compressed"]["test"],
    }


def _put_in_place(work: Work, file: Json, read: Reading) -> None:
    """compressed.onnx, its float weights, and a description that rebuilds and feeds it."""
    plan, run = winner_plan(work), work.ledger.run(file["run"])
    write_bytes(work.root / "compressed.onnx", (work.root / file["path"]).read_bytes())
    save_weights(trained_network(plan, work.ledger, run.id), work.root / "compressed.safetensors")
    package = ModelPackage(
        task=read.task,
        temperature=read.temperature,
        preparation=work.data.preparation,
        source=work.plan.source.to_json(),
        techniques=tuple(work.stage("finish")["techniques"]),
        plan_key=run.plan_key,
        pruned=run.detail.get("history"),
    )
    write_package(work.root, package, name="compressed.json")


def _tested(
    work: Work, require: str | None, max_drop: float, found: Json, chosen: CompressionStep, read: Reading
) -> Json:
    """The chosen file and the one it came from on the sealed test set: the last thing that is done."""
    data, task = work.data, work.data.task
    if data.test is None:
        return {"skipped": "the data have no test set"}
    reason = f"final measurement of a network compressed to {require or 'no requirement'}"
    openings = work.ledger.record_opening(reason, data.fingerprint)
    split = data.open_test(reason)
    work.note(f"the test set is opened: {len(split)} examples, opening {openings}")
    whole, small = (work.root / found["files"][name]["path"] for name in ("float", chosen.step))
    before = _predictions(work, whole, reading(data, whole), split)
    after = _predictions(work, small, read, split)
    name, gain = task.primary.name, paired_examples(task.primary, before, after, split.targets)
    allowed = allowed_drop(task.primary, task.primary(before, split.targets), max_drop)
    return to_json(
        {
            "openings": openings,
            "n": len(split),
            "metric": name,
            "before": quality(task, before, split.targets)[name],
            "after": quality(task, after, split.targets)[name],
            "difference": gain,
            "allowed_drop": allowed,
            "promise": promise(gain, allowed),
        }
    )


def _predictions(work: Work, file: Path, read: Reading, split: Split) -> Any:
    preparation = work.data.preparation
    package = ModelPackage(task=read.task, temperature=read.temperature, preparation=preparation)
    return package.decode(run_onnx(file, preparation.network_input(split.inputs)))


def _rejected(steps: list[CompressionStep], requirements: tuple[Any, ...]) -> str:
    """Candidates that are small and fast enough, and why they were not accepted."""
    fitting = [s for s in steps if not s.accepted and all(r.met(s) for r in requirements)]
    return "".join(f"; {s.step!r} would fit, but {s.reason}" for s in fitting[:2])
