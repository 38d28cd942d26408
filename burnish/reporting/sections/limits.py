"""What limits the model: evidence first, then what to try."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Fold, Section, Table, Text
from burnish.reporting.format import DASH, sentence, significant
from burnish.reporting.view import View

__all__ = ["limits"]

TITLE = "What limits the model"
LEAD = (
    "Rules nominate techniques; they never decide. A rule fires when its measured value is past the threshold "
    "by more than the noise."
)


def limits(view: View) -> Section:
    """Findings that fire, and folded away those that do not."""
    if view.skipped("diagnosis"):
        return Section(id="limits", title=TITLE, blocks=(Text(text=view.skipped("diagnosis"), tone="skipped"),))
    findings = view.rows("diagnosis")
    firing = [f for f in findings if f.get("state") == "fires"]
    others = [f for f in findings if f.get("state") != "fires"]
    blocks: list[Block] = []
    blocks.append(_table(firing, remedies=True) if firing else Text(text="No rule fires: nothing measured limits it."))
    if others:
        unknown = sum(f.get("state") == "cannot tell" for f in others)
        summary = f"{len(others) - unknown} rules are clear" + (f", {unknown} cannot tell" if unknown else "")
        blocks.append(Fold(summary=summary, blocks=(_table(others, remedies=False),)))
    return Section(id="limits", title=TITLE, lead=LEAD, blocks=tuple(blocks))


def _table(findings: list[dict[str, Any]], *, remedies: bool) -> Table:
    last = Column(name="Try, best first") if remedies else Column(name="State")
    columns = (
        Column(name="Rule"),
        Column(name="Finding and its evidence"),
        Column(name="Measured", kind="num"),
        Column(name="Threshold", kind="num"),
        last,
    )
    return Table(columns=columns, rows=tuple(_row(f, remedies=remedies) for f in findings))


def _row(finding: dict[str, Any], *, remedies: bool) -> tuple[Cell, ...]:
    tried = ", ".join(str(r) for r in finding.get("remedies") or ())
    last = Cell(text=tried or DASH) if remedies else Cell(text=str(finding.get("state") or DASH), tone="muted")
    return (
        Cell(text=str(finding.get("rule") or ""), title=str(finding.get("source") or ""), tone="code"),
        Cell(text=sentence(finding.get("title")).rstrip("."), detail=sentence(finding.get("evidence")), tone="stack"),
        Cell(text=significant(finding.get("measured"))),
        Cell(text=significant(finding.get("threshold")), tone="muted"),
        last,
    )
