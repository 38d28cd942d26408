"""Compress a finished run to a requirement: `latency_ms<=2, bytes<=500_000`."""

import shutil
from typing import Any

from burnish.compression.frontier import choose, parse_requirements
from burnish.errors import RequirementNotMet, UsageError
from burnish.pipeline.stages.compress import ladder_of
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, from_json

__all__ = ["compress_to"]

RATIOS = (0.25, 0.5, 0.7, 0.85)


def compress_to(work: Work, require: str | None, max_drop: float) -> dict[str, Any]:
    """Extend the ladder to stronger pruning and pick what meets `require` within `max_drop`.

    The chosen file is written to compressed.onnx in the run directory.

    Raises:
        RequirementNotMet: nothing does; the message names the nearest miss and by how much.
        UsageError: the run is not finished, or the requirement cannot be read.
    """
    requirements = parse_requirements(require)
    if work.ledger.stage("export") is None:
        raise UsageError(f"{work.root} is not finished; run `burnish run --out {work.root}` to the end first")
    found = ladder_of(work, RATIOS, max_drop, stage="compress")
    steps = [from_json(CompressionStep, s) for s in found["steps"]]
    try:
        chosen = choose(steps, requirements)
    except RequirementNotMet as miss:
        raise RequirementNotMet(f"{miss}{_rejected(steps, requirements)}") from None
    shutil.copyfile(work.root / found["files"][chosen.step]["path"], work.root / "compressed.onnx")
    return found | {"chosen": chosen.step, "path": str(work.root / "compressed.onnx"), "require": require or ""}


def _rejected(steps: list[CompressionStep], requirements: tuple[Any, ...]) -> str:
    """Candidates that are small and fast enough, and why they were not accepted."""
    fitting = [s for s in steps if not s.accepted and all(r.met(s) for r in requirements)]
    return "".join(f"; {s.step!r} would fit, but {s.reason}" for s in fitting[:2])
