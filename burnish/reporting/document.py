"""The report as a document: sections of blocks, which HTML and Markdown write each in their way.

Order and content are fixed here once, so the two cannot drift apart. Text is plain text in every
block; only figures are markup.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.records import Estimate
from burnish.reporting.format import DASH, Scale, estimate, significant

__all__ = [
    "Block",
    "Bullets",
    "Card",
    "Cards",
    "Cell",
    "Column",
    "Commands",
    "Facts",
    "Figure",
    "Fold",
    "Hero",
    "Row",
    "Section",
    "Stack",
    "Table",
    "Text",
    "code",
    "coverage",
    "gain_cell",
    "score_cell",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One entry of a table.

    Attributes:
        text: What is read first.
        detail: What follows in a quieter tone, such as the interval.
        title: Tooltip.
        tone: `good`, `bad`, `muted`, `accent`, `code`, `stack` (detail on its own line), or several.
        figure: SVG markup shown in place of the text.
    """

    text: str = ""
    detail: str = ""
    title: str = ""
    tone: str = ""
    figure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `kind` is `text`, `num`, `mark` (a narrow centered sign) or `figure` (left out of Markdown)."""

    name: str = ""
    kind: str = "text"
    title: str = ""
    figure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph; `tone` is empty, `note` or `skipped`."""

    kind: ClassVar[str] = "text"
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; `caption` says what, of how many and at which level; `legend` explains what is drawn."""

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    legend: str = ""
    strong: tuple[int, ...] = ()

    @property
    def tracks(self) -> bool:
        """Whether a column is drawn; rows are then tall enough for two lines."""
        return any(column.kind == "figure" for column in self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A drawing (SVG markup) with its caption."""

    kind: ClassVar[str] = "figure"
    svg: str
    caption: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Blocks side by side where the page is wide enough."""

    kind: ClassVar[str] = "row"
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Blocks below one another that share one place of a row."""

    kind: ClassVar[str] = "stack"
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Lines to copy into a shell."""

    kind: ClassVar[str] = "commands"
    lines: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names with values."""

    kind: ClassVar[str] = "facts"
    items: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Blocks that are closed until asked for."""

    kind: ClassVar[str] = "fold"
    summary: str
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One headline figure beside others."""

    title: str
    text: str
    lines: tuple[str, ...] = ()
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards:
    """Headline figures side by side."""

    kind: ClassVar[str] = "cards"
    items: tuple[Card, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hero:
    """The verdict: one word, what it means, before and after with the gain between them."""

    kind: ClassVar[str] = "hero"
    word: str
    tone: str
    meaning: str
    headline: str = ""
    metric: str = ""
    names: tuple[str, str] = ("before", "after")
    before: Cell | None = None
    after: Cell | None = None
    gain: Cell | None = None
    basis: str = ""
    figure: str = ""
    figure_note: str = ""


Block = Text | Table | Figure | Row | Stack | Bullets | Commands | Facts | Fold | Cards | Hero


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the report; `legend` explains drawings and follows the lead where there are any."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""
    legend: str = ""


def code(text: str) -> Cell:
    """A cell in the notation of code."""
    return Cell(text=text, tone="code")


def coverage(found: Estimate) -> str:
    """What stands behind an interval, for a tooltip."""
    of = f"{found.n:,} {found.of}" if found.n else ""
    if found.low is None or found.high is None:
        return f"n = {of}" if of else ""
    return f"{significant(100 * found.level)} % interval" + (f" over n = {of}" if of else "")


def score_cell(value: Any, scale: Scale, *, tone: str = "") -> Cell:
    """A score with its interval."""
    found = estimate(value)
    if found is None:
        return Cell(text=DASH, tone="muted")
    return Cell(text=scale.score(found.value), detail=scale.interval(found), title=coverage(found), tone=tone)


def gain_cell(value: Any, scale: Scale, *, unit: bool = False) -> Cell:
    """A difference with its interval, toned where the interval leaves out zero."""
    found = estimate(value)
    if found is None:
        return Cell(text=DASH, tone="muted")
    text = scale.gain(found.value) if unit else scale.bare_gain(found.value)
    return Cell(text=text, detail=scale.interval(found), title=coverage(found), tone=gain_tone(found))


def gain_tone(found: Estimate) -> str:
    """`good` or `bad` where the interval leaves out zero."""
    if found.low is not None and found.low > 0:
        return "good"
    return "bad" if found.high is not None and found.high < 0 else ""
