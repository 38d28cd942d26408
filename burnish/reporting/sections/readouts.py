"""Readouts and ensemble: what could be had from the finished runs."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Facts, Section, Table, Text, code, gain_cell
from burnish.reporting.format import DASH, bytes_text, estimate, number, ratio, sentence, significant
from burnish.reporting.view import View

__all__ = ["readouts"]

TITLE = "Readouts and ensemble"
LEAD = "Evaluated both ways on finished runs; what selects on validation is cross-fitted over two halves of it."


def readouts(view: View) -> Section:
    """Each readout with its paired gain, then the ensemble."""
    blocks: list[Block] = []
    if view.skipped("readouts"):
        blocks.append(Text(text=f"Readouts: {view.skipped('readouts')}", tone="skipped"))
    else:
        blocks.append(_table(view))
    blocks += _ensemble(view)
    return Section(id="readouts", title=TITLE, lead="" if view.skipped("readouts") else LEAD, blocks=tuple(blocks))


def _table(view: View) -> Table | Text:
    rows = tuple(_row(view, row) for row in view.rows("readouts"))
    columns = (
        Column(name="Readout"),
        Column(name="Gain", kind="num"),
        Column(name="n", kind="num"),
        Column(name="Taken", kind="mark"),
        Column(name="Reason"),
    )
    return Table(columns=columns, rows=rows) if rows else Text(text="No readout applies.", tone="skipped")


def _row(view: View, row: dict[str, Any]) -> tuple[Cell, ...]:
    gain = estimate(row.get("gain"))
    accepted = bool(row.get("accepted"))
    return (
        code(str(row.get("technique") or "")),
        gain_cell(gain, view.scale, unit=True),
        Cell(text=f"{gain.n:,} {gain.of}" if gain and gain.n else DASH, tone="muted"),
        Cell(text="yes" if accepted else "no", tone="good" if accepted else "muted"),
        Cell(text=sentence(row.get("reason")), tone="muted"),
    )


def _ensemble(view: View) -> list[Block]:
    if view.skipped("ensemble"):
        return [Text(text=f"Ensemble: {view.skipped('ensemble')}", tone="skipped")]
    items = tuple((f"Ensemble: {name.replace('_', ' ')}", _fact(view, name, value)) for name, value in _entries(view))
    return [Facts(items=items)] if items else []


def _entries(view: View) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in view.mapping("ensemble").items() if value not in (None, "", [], {})]


def _fact(view: View, name: str, value: Any) -> Cell:
    if isinstance(value, list):
        return Cell(text=", ".join(str(item) for item in value))
    if name.endswith("ratio"):
        return Cell(text=ratio(value))
    if name == "bytes":
        return Cell(text=bytes_text(value))
    if name in ("gain", "difference"):
        return gain_cell(value, view.scale, unit=True)
    found = estimate(value)
    if found is not None and name in ("score", "before", "after", "single", "best_single"):
        return Cell(text=view.scale.score(found), detail=view.scale.interval(found))
    if isinstance(value, bool):
        return Cell(text="yes" if value else "no")
    return Cell(text=significant(value) if number(value) is not None else str(value))
