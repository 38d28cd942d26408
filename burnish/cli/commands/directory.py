"""Reading a run directory: report, status. Neither needs torch."""

from collections import Counter
from typing import Any

from burnish.cli.asked import Asked
from burnish.cli.options import RunDirectory, takes
from burnish.cli.output import show
from burnish.cli.view import clock

__all__ = ["report", "status"]


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
def status(asked: Asked, directory: RunDirectory) -> None:
    """Say how far a run has come."""
    from burnish.ledger import Ledger

    ledger = Ledger(directory)
    state: dict[str, Any] = {
        "directory": str(directory),
        "recipe": ledger.recipe(),
        "stages": ledger.seconds(),
        "runs": dict(Counter(run.stage for run in ledger.runs())),
        "openings": len(ledger.openings()),
        "done": ledger.stage("verdict") is not None,
        "verdict": ((ledger.stage("verdict") or {}).get("report") or {}).get("verdict"),
    }
    show(asked, state, _lines(state))


def _lines(state: dict[str, Any]) -> list[str]:
    verdict = state["verdict"] or {}
    last = verdict.get("headline") or verdict.get("text") or ""
    stages = [f"  {name}: {clock(seconds)}" for name, seconds in state["stages"].items()]
    runs = ", ".join(f"{name} {count}" for name, count in state["runs"].items()) or "none"
    return [
        f"{state['directory']}: {'done' if state['done'] else 'not done; run the same command to go on'}",
        f"finished stages: {len(stages) or 'none'}",
        *stages,
        f"finished runs: {runs}",
        f"openings of the test set: {state['openings']}",
        *([f"verdict: {last}"] if last else []),
        *([f"report: {state['directory']}/report.html"] if state["done"] else []),
    ]
