"""The report as Markdown: the same sections in the same order, without the drawings."""

from collections.abc import Callable
from typing import Any

from burnish.reporting.document import (
    Block,
    Bullets,
    Cards,
    Cell,
    Commands,
    Facts,
    Figure,
    Fold,
    Hero,
    Row,
    Section,
    Stack,
    Table,
    Text,
)
from burnish.reporting.sections import document
from burnish.reporting.view import View

__all__ = ["render_markdown"]

DRAWN = "*Drawn in report.html.*"
SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#"} | {"\n": " ", "\r": " "})


def render_markdown(report: dict[str, Any]) -> str:
    """The Markdown text for the dict of `build_report`."""
    view = View(report)
    network, data = view.network or "a network", view.inner("data", "name") or "its data"
    parts = [f"# Burnish: {escape(network)} on {escape(data)}", *(_section(s) for s in document(view))]
    parts.append(f"Differences are gains: positive is better. {escape(report.get('schema'))}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: Any) -> str:
    """`text` without meaning to Markdown, or to the HTML that Markdown allows."""
    return str(text).translate(SPECIAL)


def _section(section: Section) -> str:
    lead = [escape(section.lead)] if section.lead else []
    texts = [text for block in section.blocks if (text := _block(block))] or [DRAWN]
    return "\n\n".join([f"## {escape(section.title)}", *lead, *texts])


def _block(block: Block) -> str:
    writers: dict[type, Callable[[Any], str]] = {
        Text: lambda b: f"*{escape(b.text)}*" if b.tone == "skipped" else escape(b.text),
        Table: _table,
        Figure: lambda b: "",
        Row: _inner,
        Stack: _inner,
        Bullets: _bullets,
        Commands: _commands,
        Facts: lambda b: "\n".join(f"- {escape(name)}: {_cell(cell)}" for name, cell in b.items),
        Fold: lambda b: "\n\n".join(part for part in (f"### {escape(b.summary)}", _inner(b)) if part),
        Cards: lambda b: "\n".join(_card(card) for card in b.items),
        Hero: _hero,
    }
    return writers[type(block)](block)


def _inner(block: Row | Stack | Fold) -> str:
    return "\n\n".join(text for b in block.blocks if (text := _block(b)))


def _table(table: Table) -> str:
    kept = [i for i, column in enumerate(table.columns) if column.kind != "figure"]
    head = " | ".join(escape(table.columns[i].name) for i in kept)
    signs = {"text": "---", "num": "---:", "mark": ":---:"}
    rule = " | ".join(signs[table.columns[i].kind] for i in kept)
    lines = [f"| {head} |", f"| {rule} |"]
    lines += ["| " + " | ".join(_cell(row[i]) for i in kept) + " |" for row in table.rows]
    caption = f"\n\n{escape(table.caption)}" if table.caption else ""
    return "\n".join(lines) + caption


def _cell(cell: Cell) -> str:
    if "code" in cell.tone and cell.text and "`" not in cell.text:
        text = "`" + cell.text.replace("|", "\\|").replace("\n", " ") + "`"
    else:
        text = escape(cell.text)
    if not cell.detail:
        return text
    if "stack" in cell.tone:
        return f"{text}: {escape(cell.detail)}"
    return f"{text} {escape(cell.detail)}" if cell.detail.startswith("[") else f"{text} ({escape(cell.detail)})"


def _bullets(block: Bullets) -> str:
    title = f"{escape(block.title)}:\n\n" if block.title else ""
    return title + "\n".join(f"- {escape(item)}" for item in block.items)


def _commands(block: Commands) -> str:
    title = f"{escape(block.title)}:\n\n" if block.title else ""
    return title + "\n".join(f"    {line}" for text in block.lines for line in text.splitlines())


def _card(card: Any) -> str:
    return f"- **{escape(card.title)}**: " + "; ".join(escape(part) for part in (card.text, *card.lines) if part)


def _hero(hero: Hero) -> str:
    parts = [f"**{escape(hero.word)}.** {escape(hero.meaning)}".strip()]
    if hero.headline:
        parts.append(f"**{escape(hero.headline)}**")
    if hero.before:
        scores = f"{hero.names[0]} {hero.before.text} ({hero.before.detail})"
        scores += f" → {hero.names[1]} {hero.after.text} ({hero.after.detail})" if hero.after else ""
        gain = f", gain {hero.gain.text} {hero.gain.detail}" if hero.gain else ""
        parts.append(escape(f"{hero.metric}: {scores}{gain}".replace(" ()", "")))
    return "\n\n".join([*parts, escape(hero.basis)] if hero.basis else parts)
