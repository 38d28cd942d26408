"""Readouts and ensemble: what could be had from the finished runs."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Facts, Section, Table, Text, code, gain_cell
from burnish.reporting.format import DASH, estimate, number, ratio, sentence, significant
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
    """What an ensemble brings over its best member, who its members are, and how much they differ."""
    if view.skipped("ensemble"):
        return [Text(text=f"Ensemble: {view.skipped('ensemble')}", tone="skipped")]
    found = view.mapping("ensemble")
    blocks: list[Block] = [Facts(items=tuple(_facts(view, found)))]
    members = found.get("members") or []
    if members:
        blocks.append(Table(columns=MEMBER_COLUMNS, rows=tuple(_member(view, row) for row in members)))
    blocks += [Text(text=str(text), tone="note") for text in found.get("left_out") or []]
    return blocks


MEMBER_COLUMNS = (
    Column(name="Member"),
    Column(name="Score", kind="num"),
    Column(name="Share", kind="num"),
    Column(name="Gain of having it", kind="num"),
)


def _member(view: View, row: dict[str, Any]) -> tuple[Cell, ...]:
    without = number(row.get("without"))
    return (
        Cell(text=str(row.get("name") or ""), detail=", ".join(row.get("techniques") or [])),
        Cell(text=_score(view, row.get("score"))),
        Cell(text=significant(row.get("share"))),
        Cell(text=DASH if without is None else f"{without:+.2g}", tone="muted"),
    )


def _facts(view: View, found: dict[str, Any]) -> list[tuple[str, Cell]]:
    """The ensemble in a few lines; what it has no number for is left out."""
    items = [
        ("Ensemble", Cell(text=f"{found.get('method') or ''} of {len(found.get('members') or [])}")),
        ("Its score", Cell(text=_score(view, found.get("score")))),
        ("Best member", Cell(text=_score(view, found.get("best_score")), detail=str(found.get("best_member") or ""))),
        ("Gain over it", gain_cell(estimate(found.get("gain")), view.scale, unit=True)),
    ]
    costs = [f"{ratio(found[key])} {what}" for key, what in COSTS.items() if found.get(key)]
    items += [("Cost, to one member", Cell(text=", ".join(costs)))] if costs else []
    differ = [
        f"{name.replace('_', ' ')} {significant(value)}"
        for name, value in (found.get("diversity") or {}).items()
        if number(value) is not None
    ]
    items += [("How members differ", Cell(text=", ".join(differ)))] if differ else []
    items += [("Spread of members", Cell(text=_spread(found["spread"])))] if found.get("spread") else []
    word = "yes" if found.get("ships") else "no"
    return [*items, ("Ships", Cell(text=word, detail=sentence(found.get("reason"))))]


COSTS = {"size_ratio": "size", "operations_ratio": "operations", "latency_ratio": "time"}


def _spread(found: dict[str, Any]) -> str:
    """What the members' spread says about the error of a value."""
    parts = [f"deviation {significant(found.get('deviation'))}"]
    if number(found.get("correlation")) is not None:
        parts.append(f"rank correlation with the error {significant(found['correlation'])}")
    for row in found.get("coverage") or []:
        inside = estimate(row.get("coverage"))
        if inside is not None:
            parts.append(f"{inside.value:.0%} within the {row['nominal']:.0%} interval")
    return ", ".join(parts)


def _score(view: View, value: Any) -> str:
    return DASH if number(value) is None else view.scale.score(value)
