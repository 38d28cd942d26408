"""What limits the model: evidence first, then what to try."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Figure, Fold, Row, Section, Table, Text
from burnish.reporting.figures import finding_figure, measure_figure
from burnish.reporting.format import DASH, number, sentence, significant
from burnish.reporting.view import View

__all__ = ["limits"]

TITLE = "What limits the model"
LEAD = (
    "Rules nominate techniques; they never decide. A rule fires when its measured value is past the threshold "
    "by more than the noise. Findings come by expected gain: the part of the error that would go with the symptom, "
    "times the chance that acting on it brings that. 1 is the error of knowing nothing. What may well follow from "
    "another finding stands behind it."
)


def limits(view: View) -> Section:
    """Findings that fire with what they show, and folded away those that do not."""
    if view.skipped("diagnosis"):
        return Section(id="limits", title=TITLE, blocks=(Text(text=view.skipped("diagnosis"), tone="skipped"),))
    findings = view.rows("diagnosis")
    firing = [f for f in findings if f.get("state") == "fires"]
    others = [f for f in findings if f.get("state") != "fires"]
    blocks: list[Block] = []
    blocks.append(_table(firing, remedies=True) if firing else Text(text="No rule fires: nothing measured limits it."))
    drawn = [figure for finding in firing if (figure := _figure(finding)) is not None]
    blocks += [Row(blocks=tuple(drawn))] if drawn else []
    if others:
        unknown = sum(f.get("state") == "cannot tell" for f in others)
        summary = f"{len(others) - unknown} rules are clear" + (f", {unknown} cannot tell" if unknown else "")
        blocks.append(Fold(summary=summary, blocks=(_table(others, remedies=False),)))
    return Section(id="limits", title=TITLE, lead=LEAD, blocks=tuple(blocks))


def _figure(finding: dict[str, Any]) -> Figure | None:
    """What the rule drew, else what it measured beside its threshold."""
    name = f"{finding.get('rule')} {finding.get('title')}"
    given = finding.get("figure") or {}
    svg = finding_figure(given, title=name)
    measured, threshold = number(finding.get("measured")), number(finding.get("threshold"))
    if not svg and measured is not None and threshold is not None:
        svg = measure_figure(measured, threshold, title=name)
    if not svg:
        return None
    review = " A list to review: about half of such rows are truly wrong." if finding.get("rule") == "R11" else ""
    return Figure(svg=svg, caption=f"{name}.{review}")


def _table(findings: list[dict[str, Any]], *, remedies: bool) -> Table:
    last = Column(name="Try, best first") if remedies else Column(name="State")
    gain = (Column(name="Expected gain", kind="num"),) if remedies else ()
    columns = (
        Column(name="Rule"),
        Column(name="Finding and its evidence"),
        Column(name="Measured", kind="num"),
        Column(name="Threshold", kind="num"),
        *gain,
        Column(name="Check, s", kind="num"),
        last,
    )
    return Table(columns=columns, rows=tuple(_row(f, remedies=remedies) for f in findings))


def _row(finding: dict[str, Any], *, remedies: bool) -> tuple[Cell, ...]:
    tried = ", ".join(str(r) for r in finding.get("remedies") or ())
    last = Cell(text=tried or DASH) if remedies else Cell(text=str(finding.get("state") or DASH), tone="muted")
    gain = (
        (Cell(text=significant(finding.get("gain")), title=str(finding.get("gain_basis") or "")),) if remedies else ()
    )
    seconds = number(finding.get("cost_seconds"))
    evidence, causes = sentence(finding.get("evidence")), (finding.get("detail") or {}).get("follows")
    evidence += f" May well follow from {', '.join(map(str, causes))}." if causes else ""
    return (
        Cell(text=str(finding.get("rule") or ""), title=str(finding.get("source") or ""), tone="code"),
        Cell(text=sentence(finding.get("title")).rstrip("."), detail=evidence, tone="stack"),
        Cell(text=significant(finding.get("measured"))),
        Cell(text=significant(finding.get("threshold")), tone="muted"),
        *gain,
        Cell(text=DASH if seconds is None else f"{seconds:.1f}", tone="muted"),
        last,
    )
