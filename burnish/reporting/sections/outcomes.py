"""After the fact: which techniques the diagnosis named, and what the experiment found of them."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Section, Table, Text, code, gain_cell
from burnish.reporting.format import probability
from burnish.reporting.view import View

__all__ = ["outcomes"]

TITLE = "Predicted and found"
TONES = {"as predicted": "good", "not borne out": "bad", "not predicted": "accent"}
ORDER = ("as predicted", "not borne out", "not predicted", "unclear", "rightly not named", "not tried")


def outcomes(view: View) -> Section:
    """One row for each technique that was tried or named."""
    rows = sorted(view.inner_rows("outcomes", "techniques"), key=_place)
    if not rows:
        reason = view.skipped("outcomes") or "nothing was named and nothing was tried"
        return Section(id="outcomes", title=TITLE, blocks=(Text(text=reason, tone="skipped"),))
    columns = (
        Column(name="Technique"),
        Column(name="Named by", title="findings that fired and name it as a remedy"),
        Column(name="Effect alone", kind="num", title="at the baseline, in the screening"),
        Column(name="P(helps)", kind="num"),
        Column(name="Ships", kind="mark"),
        Column(name="Outcome"),
    )
    blocks: tuple[Block, ...] = (Table(columns=columns, rows=tuple(_row(view, row) for row in rows)),)
    return Section(id="outcomes", title=TITLE, lead=_lead(rows), blocks=blocks)


def _place(row: dict[str, Any]) -> int:
    outcome = row.get("outcome")
    return ORDER.index(outcome) if outcome in ORDER else len(ORDER)


def _lead(rows: list[dict[str, Any]]) -> str:
    named = [row for row in rows if row.get("named") and row.get("tried")]
    held = sum(row.get("outcome") == "as predicted" for row in named)
    against = sum(row.get("outcome") == "not borne out" for row in named)
    return (
        f"Of {len(named)} techniques that findings named and the experiment tried, {held} helped, {against} hurt and "
        f"{len(named) - held - against} stayed unclear. Findings only nominate; `burnish techniques --learned` pools "
        "this table over jobs."
    )


def _row(view: View, row: dict[str, Any]) -> tuple[Cell, ...]:
    outcome = str(row.get("outcome") or "")
    return (
        code(str(row.get("technique") or "")),
        Cell(text=", ".join(map(str, row.get("named") or ())), tone="" if row.get("named") else "muted"),
        gain_cell(row.get("effect"), view.scale),
        Cell(text=probability(row.get("p_helps"))),
        Cell(text="●" if row.get("ships") else ""),
        Cell(text=outcome, detail=str(row.get("reason") or ""), tone=TONES.get(outcome, "muted")),
    )
