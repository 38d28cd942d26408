"""The content of report.json: what the stages of a job reported, put together.

Every stage keeps the parts of the report that are its own; here they are merged in the order of
the stages, what is missing is marked as skipped, and times and runs are added.
"""

from importlib import metadata
from typing import Any

from burnish.ledger import Ledger
from burnish.records import Run, to_json

__all__ = ["SCHEMA", "SECTIONS", "STAGES", "build_report"]

SCHEMA = "burnish-report/1"
STAGES = (
    "prepare",
    "preflight",
    "tune",
    "pilot",
    "diagnose",
    "gate",
    "screen",
    "candidates",
    "confirm",
    "analyse",
    "finish",
    "ensemble",
    "compress",
    "export",
    "traits",
    "test",
    "verdict",
)
AFTERWARDS = ("search",)  # what later commands add to a finished job
SECTIONS = (
    "environment",
    "task",
    "data",
    "baseline",
    "diagnosis",
    "gate",
    "screening",
    "candidates",
    "readouts",
    "confirmation",
    "ensemble",
    "curves",
    "quality",
    "robustness",
    "segments",
    "learning_curve",
    "speed",
    "stability",
    "compression",
    "frontier",
    "export",
    "test",
    "verdict",
    "outcomes",
    "reproduce",
)
VALUES = ("command", "smallest_resolvable_drop", "max_drop")
NOT_REACHED = "not reached"

Json = dict[str, Any]


def build_report(ledger: Ledger) -> Json:
    """The report of the job in `ledger`, finished or not, as plain JSON types.

    Returns:
        A dict that follows docs/report.schema.json. A section whose stage has no result is
        `{"skipped": reason}`.

    Raises:
        LedgerError: the directory is no run directory, or a file in it is damaged.
    """
    report: Json = {"schema": SCHEMA, "burnish": metadata.version("burnish"), "recipe": ledger.recipe()}
    stages = {name: ledger.stage(name) for name in STAGES}
    for result in [*stages.values(), *map(ledger.stage, AFTERWARDS)]:
        report.update((result or {}).get("report") or {})
    for name in SECTIONS:
        if report.get(name) is None:
            report[name] = {"skipped": NOT_REACHED}
    for name in VALUES:
        report.setdefault(name, None)
    report["stages"] = {
        "done": [name for name in STAGES if stages[name] is not None],
        "left": [name for name in STAGES if stages[name] is None],
    }
    report["seconds"] = ledger.seconds()
    report["runs"] = [compact(run) for run in sorted(ledger.runs(), key=_place)]
    return to_json(report)


def _place(run: Run) -> tuple[int, str]:
    """Runs in the order of their stages."""
    return (STAGES.index(run.stage) if run.stage in STAGES else len(STAGES), run.id)


def compact(run: Run) -> Json:
    """What the table of all runs shows of `run`."""
    cost = run.cost
    return {
        "id": run.id,
        "stage": run.stage,
        "name": run.detail.get("name", ""),
        "techniques": list(run.techniques),
        "split": run.split,
        "seed": run.seed,
        "status": run.status,
        "metric": run.primary,
        "score": run.score,
        "train_score": run.train_scores.get(run.primary),
        "epochs": run.epochs,
        "seconds": cost.train_seconds if cost else None,
        "parameters": cost.parameters if cost else None,
        "operations": cost.operations if cost else None,
        "error": run.error,
    }
