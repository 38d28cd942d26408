"""Smaller and faster: prune, quantize, measure each file, accept by a lower bound, choose."""

from typing import Any

from burnish.compression.frontier import choose, parse_requirements, ships
from burnish.errors import RequirementNotMet
from burnish.pipeline import searching
from burnish.pipeline.deployed import layer_table, left_whole
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, from_json

__all__ = ["compress", "compression_report"]


def compress(work: Work) -> dict[str, Any]:
    """The search for what was asked for; without a wish the usual ladder, and what is smaller and faster."""
    found = searching.search(work, work.recipe.require, work.recipe.max_drop, stage="compress", ladder=searching.LADDER)
    steps = [from_json(CompressionStep, s) for s in found["steps"]]
    chosen, requirement = _required(steps, work.recipe.require)
    what = "the best single network" if work.recipe.ensemble else "ships"
    work.note(f"{what}: {chosen.step}, {chosen.bytes:,} bytes")
    if requirement.get("note"):
        work.note(requirement["note"])
    return found | {
        "chosen": chosen.step,
        "report": compression_report(found, work.recipe.max_drop)
        | {
            "requirement": requirement,
            "layers": layer_table(work, found["files"], chosen.step),
            "left_whole": left_whole(work, found["files"], chosen.step),
        },
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
    """The fastest step that meets what the user asked for; without a wish, or when none does, what `ships`."""
    default, passed_over = ships(steps)
    if not require:
        return default, {"skipped": "no --require was given"} | ({"note": passed_over} if passed_over else {})
    try:
        return choose(steps, parse_requirements(require)), {"text": require, "met": True, "message": ""}
    except RequirementNotMet as miss:
        return default, {"text": require, "met": False, "message": str(miss)}
