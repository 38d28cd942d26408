"""Compressing a finished run, and copying its model out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.errors import UsageError
from burnish.ledger import Ledger, write_bytes
from burnish.pipeline.commands.places import Observer, silent
from burnish.pipeline.recipe import Recipe

if TYPE_CHECKING:
    from burnish.pipeline.api import Runs
    from burnish.plan import Plan

__all__ = ["compress", "export"]


def compress(
    run: "Path | str | Runs",
    *,
    require: str | None = None,
    max_drop: float = 0.01,
    budget: str | None = None,
    criterion: str | None = None,
    ratios: str | None = None,
    schedule: str = "one-shot",
    sparsity: float | None = None,
    plan: "Plan | None" = None,
    out: Path | str | None = None,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Search the finished run in directory `run` for the fastest model within `max_drop` that meets `require`.

    Args:
        run: The run directory; the chosen file is written to compressed.onnx in it, and the report is written again.
            From Python also what `train` returned: its first finished run is compressed.
        require: Size and latency wanted, such as `latency_ms<=2, bytes<=500_000`.
        max_drop: Largest loss a step may cost, as a fraction.
        budget: Time the trainings may take, such as `10m`.
        criterion: Which channels are pruned: `l2`, `l1`, `taylor`, `bn_scale` or `random`; `l2` and `taylor` without.
        ratios: How many of each layer: `uniform`, `global` or `sensitivity`; the first two without.
        schedule: `one-shot`, `iterative` (retrained between three cuts) or `gradual` (silenced while training).
        sparsity: Besides, write sparse.onnx with this share of single weights zero: smaller when zipped, no faster.
        plan: The plan the run was started with, where that was done from Python.
        out: Directory for what is made of trained runs; one beside theirs by default.
        observer: Told what happens.

    Raises:
        RequirementNotMet: nothing does; the message names the nearest miss, and `result` holds the frontier.
        UsageError: the directory holds no finished run, or the plan it was started with is missing.
    """
    from burnish.compression.search import Ways
    from burnish.pipeline.adopting import adopted
    from burnish.pipeline.api import Runs
    from burnish.pipeline.requirement import compress_to
    from burnish.pipeline.work import opened
    from burnish.reporting import write_report
    from burnish.studies.budget import Budget

    Recipe(require=require, max_drop=max_drop)  # refuses what cannot be read before anything is spent
    if sparsity is not None and not 0 < sparsity < 1:
        raise UsageError(f"--sparsity must be between 0 and 1, the share of weights to set to zero, got {sparsity}")
    ways = Ways(criterion=criterion, ratios=ratios, schedule=schedule)
    seconds = Budget.parse(budget).seconds if budget else None
    if budget and seconds is None:
        raise UsageError(f"compress takes a time as its budget, such as 10m, got {budget!r}")
    if isinstance(run, Runs):
        root, recipe, plan = adopted(run, Path(out) if out else None)
    else:
        root = Path(run)
        recipe, plan = Recipe.recorded(root), _plan_for(root, plan)
    try:
        with opened(recipe, root, observer or silent, plan=plan) as work, work.ledger.timed("search"):
            return compress_to(work, require, max_drop, seconds=seconds, ways=ways, sparsity=sparsity)
    finally:
        if Ledger(root).stage("search") is not None:
            write_report(root)


def _plan_for(root: Path, plan: "Plan | None") -> "Plan | None":
    """`plan`, which a directory started from Python cannot do without."""
    from burnish.pipeline.work import HANDED

    handed = Ledger(root).recipe().get(HANDED)
    if plan is None and handed is not None:
        raise UsageError(
            f"{root} was started from Python with a plan for {handed}, which no flag describes; compress it there: "
            f"bu.compress({str(root)!r}, plan=plan)"
        )
    return plan


def export(run: Path | str | dict[str, Any], path: Path | str) -> dict[str, Any]:
    """Copy the verified model of directory `run` to `path`, with its model.json beside it.

    Args:
        run: A run directory, or what `compress` returned: then the compressed model.
        path: The ONNX file to write.

    Raises:
        UsageError: the run has not exported a model yet, or `path` cannot be an ONNX file.
    """
    target = Path(path)
    if target.is_dir() or target.suffix == ".json":
        raise UsageError(f"{target} cannot be the ONNX file; give a path that ends in .onnx")
    if isinstance(run, dict):
        source = Path(run["path"])
        write_bytes(target, source.read_bytes())
        write_bytes(target.with_suffix(".json"), source.with_suffix(".json").read_bytes())
        return {"path": str(target), "step": run["chosen"], "bytes": target.stat().st_size}
    root = Path(run)
    Ledger(root).recipe()  # refuses what is no run directory
    stage = Ledger(root).stage("export")
    if stage is None or not (root / "model.onnx").exists():
        raise UsageError(f"{root} has no exported model; finish it with `burnish run --out {root}`")
    write_bytes(target, (root / "model.onnx").read_bytes())
    write_bytes(target.with_suffix(".json"), (root / "model.json").read_bytes())
    return stage["report"]["export"] | {"path": str(target)}
