"""The candidate recipes, each on the same fresh splits as the baseline."""

from typing import Any

from burnish.reporting.document import Cell, Column, Section, Table, Text
from burnish.reporting.figures import Mark, track, track_axis, track_head
from burnish.reporting.figures.svg import Axis
from burnish.reporting.format import DASH, number
from burnish.reporting.view import View

__all__ = ["candidates"]

TITLE = "Candidate recipes"
LEGEND = "Ring: one split; bar: their mean; dashed: the baseline's mean."


def candidates(view: View) -> Section:
    """Mean and single scores of every candidate."""
    if view.skipped("candidates"):
        return Section(id="candidates", title=TITLE, blocks=(Text(text=view.skipped("candidates"), tone="skipped"),))
    rows = sorted(view.rows("candidates"), key=lambda row: number(row.get("rank")) or float("inf"))
    if not rows:
        return Section(
            id="candidates", title=TITLE, blocks=(Text(text="No recipe was worth a re-run.", tone="skipped"),)
        )
    axis = track_axis([number(s) for row in rows for s in row.get("scores") or ()])
    base = next((number(row.get("mean")) for row in rows if not row.get("techniques")), None)
    columns = (
        Column(name="Rank", kind="num"),
        Column(name="Recipe"),
        Column(kind="figure", figure=track_head(axis, factor=view.scale.factor)),
        Column(name=f"Mean {view.scale.label}", kind="num"),
        Column(name="Spread over splits", kind="num"),
        Column(name="n", kind="num"),
    )
    table = Table(
        columns=columns, rows=tuple(_row(view, row, axis, base) for row in rows), legend=LEGEND, strong=_first(rows)
    )
    return Section(id="candidates", title=TITLE, lead=_lead(rows), blocks=(table,))


def _lead(rows: list[dict[str, Any]]) -> str:
    splits = max((len(row.get("scores") or ()) for row in rows), default=0)
    return (
        f"All on the same {splits} fresh splits. The "
        "winner of such a re-run still looks a little better than it is, so a confirmation on other splits follows."
    )


def _first(rows: list[dict[str, Any]]) -> tuple[int, ...]:
    return tuple(i for i, row in enumerate(rows) if row.get("rank") == 1)


def _row(view: View, row: dict[str, Any], axis: Axis, base: float | None) -> tuple[Cell, ...]:
    scores = [s for s in map(number, row.get("scores") or ()) if s is not None]
    mean = number(row.get("mean"))
    style = "m-after" if row.get("techniques") else "m-before"
    marks = [Mark(value=s, style=style, shape="ring", title=view.scale.score(s)) for s in scores]
    marks += [Mark(value=mean, style=style, shape="bar", title=f"mean {view.scale.score(mean)}")] if mean else []
    references = ((base, "reference"),) if base is not None else ()
    spread = f"{view.scale.bare(min(scores))} to {view.scale.bare(max(scores))}" if scores else DASH
    listed = ", ".join(str(t) for t in row.get("techniques") or ()) or "no technique"
    return (
        Cell(text=str(row.get("rank") or DASH)),
        Cell(text=str(row.get("name") or ""), detail=listed, tone="stack"),
        Cell(figure=track(axis, marks, references=references)),
        Cell(text=view.scale.score(mean)),
        Cell(text=spread),
        Cell(text=str(len(scores)), tone="muted"),
    )
