"""The confusion matrix: right answers in a calm color, wrong ones standing out."""

from markupsafe import Markup

from burnish.reporting.figures.svg import tag

__all__ = ["LARGEST", "confusion_map"]

LARGEST = 60  # classes a map is drawn for
WITH_NUMBERS = 24
LETTER = 6.4
FEW = 0.1  # a share of mistakes below this is never drawn in the full color


def confusion_map(matrix: list[list[int]], names: list[str], *, title: str) -> Markup:
    """A map of `matrix` (rows are the true classes); counts are written where they fit and always in tooltips."""
    size = len(matrix)
    cell = 30 if size <= WITH_NUMBERS else 14
    short = [_shorten(name) for name in names]
    margin = 12 + LETTER * max((len(name) for name in short), default=1)
    top = 30 + (LETTER * max((len(name) for name in short), default=1) if _upright(short) else 12)
    found = max((row[j] / max(sum(row), 1) for i, row in enumerate(matrix) for j in range(size) if i != j), default=0)
    peak = max(found, FEW)
    parts = [tag("title", title), tag("text", "predicted", x=margin, y=12, class_="name")]
    for i, name in enumerate(short):
        parts.append(_row_name(name, margin, top + (i + 0.5) * cell))
        parts.append(_column_name(name, margin + (i + 0.5) * cell, top - 7, upright=_upright(short)))
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            label = f"true {names[i]}, predicted {names[j]}: {value} of {sum(row)}"
            share = value / max(sum(row), 1)
            parts.append(
                _cell(
                    value, share, (margin + j * cell, top + i * cell), cell, i == j, peak, label, size <= WITH_NUMBERS
                )
            )
    width, height = margin + size * cell + 2, top + size * cell + 4
    return tag("svg", *parts, width=width, height=height, class_="confusion", role="img", aria_label=title)


def _cell(
    value: int, share: float, at: tuple[float, float], side: int, right: bool, peak: float, label: str, numbers: bool
) -> Markup:
    strength = 0.08 + 0.24 * share if right else 0.12 + 0.68 * (share / peak) ** 0.5 if value and peak else 0.0
    box = tag(
        "rect",
        x=at[0] + 1,
        y=at[1] + 1,
        width=side - 2,
        height=side - 2,
        rx=2,
        fill_opacity=float(strength),
        class_="right" if right else "wrong",
    )
    parts = [tag("title", label), box]
    if numbers and (value or right):
        style = "strong" if not right and strength > 0.5 else ""
        middle = at[0] + side / 2, at[1] + side / 2
        text = tag("text", value, x=middle[0], y=middle[1], dy="0.35em", text_anchor="middle", class_=style or None)
        parts.append(text)
    return tag("g", *parts)


def _row_name(name: str, x: float, y: float) -> Markup:
    return tag("text", name, x=x - 7, y=y, dy="0.35em", text_anchor="end", class_="tick-text")


def _column_name(name: str, x: float, y: float, *, upright: bool) -> Markup:
    if not upright:
        return tag("text", name, x=x, y=y, text_anchor="middle", class_="tick-text")
    return tag("text", name, transform=f"translate({x + 4:.1f} {y:.1f}) rotate(-90)", class_="tick-text")


def _upright(names: list[str]) -> bool:
    """Whether column names are too long to lie flat."""
    return any(len(name) > 3 for name in names)


def _shorten(name: str, limit: int = 16) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
