"""Where the time went, where it ran, and how to get the same again."""

from typing import Any

from burnish.reporting.document import Block, Bullets, Cell, Column, Commands, Facts, Fold, Section, Table, Text
from burnish.reporting.figures import bar
from burnish.reporting.format import DASH, duration, number
from burnish.reporting.view import View

__all__ = ["environment"]

TITLE = "Environment and how to reproduce"


def environment(view: View) -> Section:
    """Command, hashes, versions, recipe, notes on the data, time by stage."""
    command = view.inner("reproduce", "command") or view.report.get("command")
    blocks: list[Block] = [Commands(lines=(str(command),))] if isinstance(command, str) and command else []
    python = view.inner("reproduce", "python")
    if isinstance(python, str) and python:
        blocks.append(Commands(lines=tuple(python.splitlines()), title="In Python"))
    blocks.append(Facts(items=_facts(view)))
    notes = tuple(str(note) for note in view.inner("data", "notes") or ())
    if notes:
        blocks.append(Bullets(items=notes, title="Choices made on loading the data"))
    blocks += [*_recipe(view), *_seconds(view)]
    if view.skipped("environment"):
        blocks.append(Text(text=f"Environment: {view.skipped('environment')}", tone="skipped"))
    return Section(id="environment", title=TITLE, blocks=tuple(blocks))


def _facts(view: View) -> tuple[tuple[str, Cell], ...]:
    items = {k: v for k, v in view.mapping("reproduce").items() if k not in ("command", "python")}
    items = {**view.mapping("environment"), **items}
    items.setdefault("data fingerprint", view.inner("data", "fingerprint"))
    if items.get("fingerprint"):
        items.pop("data fingerprint")
    return tuple(
        (name.replace("_", " "), Cell(text=_plain(value))) for name, value in items.items() if value is not None
    )


def _recipe(view: View) -> list[Block]:
    items = tuple(
        (name.replace("_", " "), Cell(text=_plain(value), tone="code"))
        for name, value in view.mapping("recipe").items()
        if value not in (None, "", [], {})
    )
    return [Fold(summary="The recipe as it was given", blocks=(Facts(items=items),))] if items else []


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def _seconds(view: View) -> list[Block]:
    spent = {name: s for name, v in view.mapping("seconds").items() if (s := number(v)) is not None}
    total = sum(spent.values())
    if not total:
        return []
    columns = (
        Column(name="Stage"),
        Column(name="Time", kind="num"),
        Column(name="Share", kind="num"),
        Column(kind="figure"),
    )
    order = [name for name in (view.mapping("stages").get("done") or spent) if name in spent]
    rows = tuple(
        (
            Cell(text=name),
            Cell(text=duration(spent[name])),
            Cell(text=f"{100 * spent[name] / total:.0f} %", tone="muted"),
            Cell(figure=bar(spent[name] / max(spent.values()))),
        )
        for name in [*order, *(name for name in spent if name not in order)]
    )
    last = (Cell(text="total"), Cell(text=duration(total)), Cell(text=DASH, tone="muted"), Cell())
    return [Table(columns=columns, rows=(*rows, last), strong=(len(rows),), caption="Time by stage.")]
