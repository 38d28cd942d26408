"""Every run that was made."""

from typing import Any

from burnish.reporting.document import Cell, Column, Fold, Section, Table, Text
from burnish.reporting.format import DASH, count, duration, scale_for
from burnish.reporting.view import View

__all__ = ["runs"]

TITLE = "Every run"
MANY = 600  # rows a page shows; report.json has all


def runs(view: View) -> Section:
    """One row for each run, in the order of their names."""
    rows = view.rows("runs")
    if not rows:
        return Section(id="runs", title=TITLE, blocks=(Text(text="no run is finished", tone="skipped"),))
    bad = [row for row in rows if row.get("status") != "done"]
    summary = f"{len(rows)} runs" + (f", {len(bad)} of them diverged or failed" if bad else ", all done")
    columns = (
        Column(name="Run"),
        Column(name="Techniques"),
        Column(name="Split", kind="num"),
        Column(name="Seed", kind="num"),
        Column(name=f"{view.scale.label}", kind="num", title="validation"),
        Column(name="On training rows", kind="num"),
        Column(name="Epochs", kind="num"),
        Column(name="Time", kind="num"),
        Column(name="Parameters", kind="num"),
        Column(name="Status"),
    )
    left = f"The first {MANY} of {len(rows)}; report.json has all." if len(rows) > MANY else ""
    table = Table(columns=columns, rows=tuple(_row(view, row) for row in rows[:MANY]), caption=left)
    return Section(id="runs", title=TITLE, blocks=(Fold(summary=summary, blocks=(table,)),))


def _row(view: View, row: dict[str, Any]) -> tuple[Cell, ...]:
    scale = view.scale if row.get("metric") in (view.metric, "", None) else scale_for(str(row["metric"]))
    done = row.get("status") == "done"
    techniques = ", ".join(str(t) for t in row.get("techniques") or ()) or "no technique"
    return (
        Cell(text=str(row.get("id") or ""), tone="code"),
        Cell(text=techniques, detail=str(row.get("name") or ""), tone="code"),
        Cell(text=_whole(row.get("split"))),
        Cell(text=_whole(row.get("seed"))),
        Cell(text=scale.score(row.get("score"))),
        Cell(text=scale.score(row.get("train_score")), tone="muted"),
        Cell(text=count(row.get("epochs"))),
        Cell(text=duration(row.get("seconds"))),
        Cell(text=count(row.get("parameters"))),
        Cell(text=str(row.get("status") or ""), detail=str(row.get("error") or ""), tone="" if done else "bad"),
    )


def _whole(value: Any) -> str:
    return DASH if value is None else str(value)
