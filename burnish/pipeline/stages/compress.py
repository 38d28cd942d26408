"""Smaller and faster: prune, quantize, measure each file, accept by a lower bound, choose."""

from typing import Any

from burnish.compression.frontier import choose, parse_requirements
from burnish.errors import RequirementNotMet
from burnish.pipeline.deployed import layer_table
from burnish.pipeline.searching import search
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, from_json

__all__ = ["choose_smallest", "compress", "compression_report"]

SLOWER, NOTICED = 1.25, 0.1  # a smaller file is no gain that is so many times, and so many milliseconds, slower


def compress(work: Work) -> dict[str, Any]:
    """The search for what was asked for; without a wish the usual ladder, and the smallest accepted file."""
    found = search(work, work.recipe.require, work.recipe.max_drop, stage="compress")
    steps = [from_json(CompressionStep, s) for s in found["steps"]]
    chosen, requirement = _required(steps, work.recipe.require)
    work.note(f"ships: {chosen.step}, {chosen.bytes:,} bytes")
    return found | {
        "chosen": chosen.step,
        "report": compression_report(found, work.recipe.max_drop)
        | {"requirement": requirement, "layers": layer_table(work, found["files"], chosen.step)},
    }


def compression_report(found: dict[str, Any], max_drop: float) -> dict[str, Any]:
    """What the report says of a search."""
    return {
        "compression": found["steps"],
        "frontier": found["frontier"],
        "smallest_resolvable_drop": found["smallest_resolvable_drop"],
        "max_drop": max_drop,
        "not_compressed": found["skipped"],
        "search": {"shapes": found["shapes"], "trials": found["trials"], "note": found["note"]},
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
