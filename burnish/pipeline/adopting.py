"""Runs trained from Python as a run directory that `compress` can go on from."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

from burnish.errors import UsageError
from burnish.ledger import Ledger
from burnish.pipeline.api import Runs
from burnish.pipeline.recipe import Recipe
from burnish.plan import Plan
from burnish.studies.budget import Budget
from burnish.tasks import described

__all__ = ["adopted"]


def adopted(runs: Runs, out: Path | None) -> tuple[Path, Recipe, Plan]:
    """A directory with the first finished run of `runs` as its winner, and the recipe and plan to open it with.

    Args:
        runs: What `train` returned.
        out: The directory; one beside the runs' by default.

    Raises:
        UsageError: none of the runs finished.
    """
    run = next((r for r in runs.runs if r.status == "done"), None)
    if run is None:
        raise UsageError(
            f"none of the {len(runs)} runs finished, so there is nothing to compress; look at their errors"
        )
    plan = replace(runs.plan, data=runs.plan.data.replicate(run.split))
    root = out or runs.root / f"compressed-{run.id}"
    ledger, source = Ledger(root), Ledger(runs.root).run_directory(run.id)
    if not ledger.has_run(run.id):
        target = ledger.run_directory(run.id)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target)
    base = {
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "optimizer": plan.optimizer.name,
        "lr": plan.optimizer.lr,
        "rows": 1.0,
    }
    about = {"data": plan.data.describe() | {"notes": list(plan.data.notes)}, "task": described(plan.data.task)}
    stages = {
        "prepare": {"report": about},
        "preflight": {"findings": []},
        "tune": {"base": base, "screening": base, "cuts": [], "budget": asdict(Budget())},
        "finish": {"runs": [run.id], "winner": run.id, "baseline": run.id, "techniques": []},
        "compress": {"runs": [], "files": {}, "skipped": []},
        "export": {},
    }
    for name, result in stages.items():
        ledger.once(name, lambda result=result: result)  # type: ignore[misc]
    return root, Recipe(seed=run.seed), plan
