"""The frame of a panel with two axes: grid, tick labels, names."""

from collections.abc import Callable

from markupsafe import Markup

from burnish.reporting.figures.svg import Axis, tag

__all__ = ["BOTTOM", "HEIGHT", "LEFT", "RIGHT", "TOP", "WIDTH", "frame", "panel"]

WIDTH, HEIGHT = 520, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 24, 40

TickText = Callable[[float, list[float]], str]


def frame(x: Axis, y: Axis, *, x_name: str, y_name: str, x_text: TickText, y_text: TickText) -> Markup:
    """Grid, ticks and names of a panel."""
    across, up = x.ticks(6), y.ticks(5)
    parts = [tag("text", y_name, x=LEFT, y=12, class_="name")]
    for v in up:
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(v), y2=y(v), class_="grid"))
        parts.append(tag("text", y_text(v, up), x=LEFT - 7, y=y(v), dy="0.33em", text_anchor="end", class_="tick-text"))
    for v in (v for v in across if x_text(v, across)):
        parts.append(tag("line", x1=x(v), x2=x(v), y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 4, class_="axis"))
        parts.append(
            tag("text", x_text(v, across), x=x(v), y=HEIGHT - BOTTOM + 16, text_anchor="middle", class_="tick-text")
        )
    parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, class_="axis"))
    parts.append(tag("text", x_name, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 5, text_anchor="middle", class_="name"))
    return Markup("").join(parts)


def panel(*parts: Markup, title: str) -> Markup:
    """The drawing that holds `parts`, with a title for those who cannot see it."""
    return tag(
        "svg",
        tag("title", title),
        *parts,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        class_="panel",
        role="img",
        aria_label=title,
    )
