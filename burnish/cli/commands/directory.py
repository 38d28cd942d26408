"""Reading a run directory: report, status, evaluate. None needs torch."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnish.cli.asked import Asked
from burnish.cli.options import RunDirectory, takes
from burnish.cli.output import show, table
from burnish.cli.view import clock, so_far
from burnish.records import Estimate

if TYPE_CHECKING:
    from burnish.ledger import Ledger

__all__ = ["evaluate", "report", "status"]


@takes()
def report(asked: Asked, directory: RunDirectory) -> None:
    """Write report.html, report.md and report.json of a run again from its ledger."""
    from burnish.ledger import Ledger
    from burnish.reporting import build_report, terminal_summary, write_report

    content = build_report(Ledger(directory))
    file = write_report(directory)
    show(asked, content, None if asked.json else terminal_summary(content))
    if not asked.json:
        print(f"report: {file}")


@takes()
def evaluate(
    asked: Asked,
    path: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run, or a CSV or Parquet file of predictions.", show_default=False)
    ],
    split: Annotated[str | None, typer.Option("--split", metavar="NAME", help="Only this split.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", metavar="NAME", help="Metric that is compared.")] = None,
) -> None:
    """Measure saved predictions again, with intervals. Needs no torch."""
    from burnish.pipeline.commands.directory import evaluate as measure

    found = measure(path, split=split, metric=metric)
    show(asked, found, None if asked.json else _qualities(found))


def _qualities(found: dict[str, Any]) -> Any:
    """One line for each metric, a column for each model of each split, and the paired differences."""
    columns = [
        (f"{split}, {name}", model) for split, part in found["splits"].items() for name, model in part["models"].items()
    ]
    first = columns[0][1]
    rows = [
        (name, *(_interval(model["metrics"][name]) for _, model in columns), first["intervals"][name])
        for name in first["metrics"]
    ]
    rows += [
        (
            f"inside the {row['nominal']:.0%} interval, {row['column']}",
            *(_interval(model["coverage"][i]["coverage"]) if "coverage" in model else "" for _, model in columns),
            "Wilson",
        )
        for i, row in enumerate(first.get("coverage", []))
    ]
    rows += [
        (f"gain in {found['metric']}, {split}: {name}", _interval(gain), *[""] * (len(columns) - 1), "in pairs")
        for split, part in found["splits"].items()
        for name, gain in part["differences"].items()
    ]
    return table(("metric", *(name for name, _ in columns), "interval"), rows)


def _interval(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.4f}"
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


@takes()
def status(asked: Asked, directory: RunDirectory) -> None:
    """Say how far a run has come, also while it runs."""
    from burnish.ledger import Ledger
    from burnish.pipeline.progress import screened_so_far

    ledger = Ledger(directory)
    recipe, verdict = ledger.recipe(), ledger.stage("verdict")
    state: dict[str, Any] = {
        "directory": str(directory),
        "recipe": recipe,
        "stages": ledger.seconds(),
        "runs": dict(Counter(run.stage for run in ledger.runs())),
        "failed": [f"{run.id}: {run.error or run.status}" for run in ledger.runs() if run.status != "done"],
        "openings": len(ledger.openings()),
        "at_work": ledger.at_work(),
        "progress": ledger.progress(),
        "effects_so_far": screened_so_far(ledger) if ledger.stage("analyse") is None else [],
        "done": _all_done(ledger, recipe),
        "verdict": ((verdict or {}).get("report") or {}).get("verdict") or _judged(ledger, recipe),
    }
    show(asked, state, _lines(state))


def _all_done(ledger: "Ledger", recipe: dict[str, Any]) -> bool:
    """Whether all stages of what was asked for are there: a study or a diagnosis has no verdict."""
    if ledger.stage("verdict") is not None:
        return True
    if recipe.get("diagnosis") == "quick":
        return ledger.stage("diagnose") is not None
    if recipe.get("members"):  # an ensemble of finished jobs
        return ledger.stage("test") is not None
    noted = ledger.progress()
    last = noted.get("of") is not None and noted.get("index") == noted.get("of")
    return last and ledger.stage(str(noted.get("name"))) is not None


def _judged(ledger: "Ledger", recipe: dict[str, Any]) -> dict[str, str] | None:
    """What an ensemble of finished jobs has in place of a verdict."""
    found = (((ledger.stage("ensemble") or {}).get("report") or {}).get("ensemble")) if recipe.get("members") else None
    if not found:
        return None
    word = "the ensemble ships" if found["ships"] else f"{found['best_member']} ships, alone"
    return {"headline": f"{word}: {found['reason']}"}


def _lines(state: dict[str, Any]) -> list[str]:
    verdict = state["verdict"] or {}
    last = verdict.get("headline") or verdict.get("text") or ""
    stages = [f"  {name}: {clock(seconds)}" for name, seconds in state["stages"].items()]
    runs = ", ".join(f"{name} {count}" for name, count in state["runs"].items()) or "none"
    return [
        f"{state['directory']}: {_state(state)}",
        *_under_way(state["progress"] if state["at_work"] else {}),
        f"finished stages: {len(stages) or 'none'}",
        *stages,
        f"finished runs: {runs}",
        *(
            [f"without a score: {len(state['failed'])}", *(f"  {line}" for line in state["failed"])][:6]
            if state["failed"]
            else []
        ),
        *so_far(state["effects_so_far"]),
        f"openings of the test set: {state['openings']}",
        *([f"verdict: {last}"] if last else []),
        *([f"report: {state['directory']}/report.html"] if state["done"] else []),
    ]


def _state(state: dict[str, Any]) -> str:
    if state["at_work"]:
        return f"under way, by {state['at_work']}"
    return "done" if state["done"] else "not done; run the same command to go on"


def _under_way(progress: dict[str, Any]) -> list[str]:
    """The stage under way, as far as it was noted."""
    if not progress.get("name"):
        return []
    place = f"stage {progress['index']} of {progress['of']}: " if progress.get("of") else ""
    runs = f", {progress['done']}/{progress['total']} runs" if progress.get("total") else ""
    left = progress.get("seconds_left")
    words = f", {clock(left)} left" if left is not None and progress["done"] < progress["total"] else ""
    job = progress.get("job_seconds_left")
    whole = f", {clock(job)} for the runs to come at most" if job and job > (left or 0) + 1 else ""
    ago = max(time.time() - progress["time"], 0.0)  # a clock that was set back gives no age
    return [f"{place}{progress['name']}{runs}{words}{whole} (noted {clock(ago)} ago)"]
