"""Learning curves: values against epochs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from burnish.reporting.figures.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frame, panel
from burnish.reporting.figures.svg import Axis, tag, tick_text

__all__ = ["Line", "line_panel"]

WIDE = 30.0  # positive values spread by more than this factor are drawn on a logarithmic axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve; `style` is its CSS class, `name` stands in the legend."""

    name: str
    points: tuple[tuple[float, float], ...]
    style: str


def line_panel(
    lines: Iterable[Line], *, y_name: str, x_name: str = "epoch", factor: float = 1.0, log: bool = False
) -> Markup:
    """A panel with `lines`; `log` allows a logarithmic axis where the values ask for one."""
    drawn = [line for line in lines if line.points]
    values = [v for line in drawn for _, v in line.points if math.isfinite(v)]
    use_log = log and bool(values) and min(values) > 0 and max(values) / min(values) > WIDE
    x = Axis.over([e for line in drawn for e, _ in line.points], start=LEFT, end=WIDTH - RIGHT, pad=0.0)
    y = Axis.over(values, start=HEIGHT - BOTTOM, end=TOP, log=use_log)
    name = f"{y_name} (logarithmic)" if use_log else y_name
    grid = frame(
        x,
        y,
        x_name=x_name,
        y_name=name,
        x_text=lambda v, ticks: f"{v:g}" if v == int(v) else "",
        y_text=lambda v, ticks: f"{v * factor:g}" if use_log else tick_text(v, ticks, factor=factor),
    )
    curves = [_curve(line, x, y) for line in drawn]
    return panel(grid, *curves, _legend(drawn), title=f"{y_name} by {x_name}: {', '.join(line.name for line in drawn)}")


def _curve(line: Line, x: Axis, y: Axis) -> Markup:
    points = " ".join(f"{x(e):.1f},{y(v):.1f}" for e, v in line.points if math.isfinite(v))
    return tag("g", tag("title", line.name), tag("polyline", points=points, class_="curve"), class_=line.style)


def _legend(lines: list[Line]) -> Markup:
    """Names at the top right, in one row that ends at the panel's edge."""
    parts, right = [], float(WIDTH - RIGHT)
    for line in reversed(lines):
        parts.append(tag("text", line.name, x=right, y=12, text_anchor="end", class_="tick-text"))
        right -= 6.1 * len(line.name) + 6
        sample = tag("line", x1=right - 18, x2=right, y1=8, y2=8, class_="curve")
        parts.append(tag("g", sample, class_=line.style))
        right -= 32
    return Markup("").join(parts)
