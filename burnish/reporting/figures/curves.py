"""Learning curves: values against epochs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from burnish.reporting.figures.plot import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, frame, panel
from burnish.reporting.figures.svg import Axis, tag, tick_text

__all__ = ["Line", "line_panel"]

TOP = 44  # below the legend
SETTLED = 0.15  # share of the epochs before which a settled axis does not look
LETTER = 5.6
WIDE = 30.0  # positive values spread by more than this factor are drawn on a logarithmic axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve; `style` is its CSS class, `name` stands in the legend."""

    name: str
    points: tuple[tuple[float, float], ...]
    style: str


def line_panel(
    lines: Iterable[Line],
    *,
    y_name: str,
    x_name: str = "epoch",
    factor: float = 1.0,
    log: bool = False,
    settled: bool = False,
) -> Markup:
    """A panel with `lines`.

    Args:
        lines: The curves.
        y_name: Name of the values.
        x_name: Name of the steps.
        factor: What values are multiplied by on the axis.
        log: Allows a logarithmic axis where the values ask for one.
        settled: Fits the axis to what follows the first epochs, so that late differences can be seen;
            earlier values beyond it are left out.
    """
    drawn = [line for line in lines if line.points]
    start = SETTLED * max((e for line in drawn for e, _ in line.points), default=0.0) if settled else -math.inf
    values = [v for line in drawn for e, v in line.points if math.isfinite(v) and e > start]
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
    points = " ".join(f"{x(e):.1f},{y(v):.1f}" for e, v in line.points if math.isfinite(v) and y.low <= v <= y.high)
    return tag("g", tag("title", line.name), tag("polyline", points=points, class_="curve"), class_=line.style)


def _legend(lines: list[Line]) -> Markup:
    """Names in a row below the name of the axis."""
    parts, left = [], float(LEFT)
    for line in lines:
        sample = tag("line", x1=left, x2=left + 18, y1=26, y2=26, class_="curve")
        parts.append(tag("g", sample, class_=line.style))
        parts.append(tag("text", line.name, x=left + 23, y=26, dy="0.33em", class_="tick-text"))
        left += 23 + LETTER * len(line.name) + 14
    return Markup("").join(parts)
