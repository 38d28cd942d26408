"""Errors by number of training rows, the power law through them, and its forecast."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from burnish.reporting.figures.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frame, panel
from burnish.reporting.figures.svg import Axis, tag, tick_text

__all__ = ["growth_panel"]

STEPS = 60


def growth_panel(
    sizes: Sequence[int],
    errors: Sequence[Sequence[float]],
    law: Callable[[float], float],
    *,
    forecast: tuple[float, float, float],
    y_name: str,
    factor: float = 1.0,
) -> Markup:
    """A panel with a dot for each run, the law as a line (dashed beyond what was measured), and the forecast.

    Args:
        sizes: Numbers of training rows.
        errors: Errors of the runs at each size.
        law: Error by number of rows.
        forecast: Value and ends at twice the largest size.
        y_name: Name of the errors.
        factor: What they are multiplied by on the axis.
    """
    last, far = float(sizes[-1]), 2.0 * sizes[-1]
    x = Axis.over([*sizes, far], start=LEFT, end=WIDTH - RIGHT, pad=0.04, log=True)
    y = Axis.over([*(e for row in errors for e in row), *forecast], start=HEIGHT - BOTTOM, end=TOP)
    grid = frame(
        x,
        y,
        x_name="training rows, logarithmic",
        y_name=y_name,
        x_text=lambda v, ticks: f"{v:,.0f}" if v >= 1 else "",
        y_text=lambda v, ticks: tick_text(v, ticks, factor=factor),
    )
    dots = [
        tag("circle", cx=x(size), cy=y(error), r=4, class_="dot")
        for size, row in zip(sizes, errors, strict=True)
        for error in row
    ]
    value, low, high = forecast
    ahead = tag(
        "g",
        tag("title", f"forecast at {far:,.0f} rows"),
        tag("line", x1=x(far), x2=x(far), y1=y(low), y2=y(high), class_="span"),
        tag("circle", cx=x(far), cy=y(value), r=4.5, class_="ring"),
        class_="m-after",
    )
    lines = [_line(law, sizes[0], last, x, y, "c-after"), _line(law, last, far, x, y, "c-after dashed")]
    return panel(grid, *lines, tag("g", *dots, class_="m-after"), ahead, title=f"{y_name} by training rows")


def _line(law: Callable[[float], float], low: float, high: float, x: Axis, y: Axis, style: str) -> Markup:
    sizes = [low * (high / low) ** (i / STEPS) for i in range(STEPS + 1)]
    points = " ".join(f"{x(size):.1f},{y(law(size)):.1f}" for size in sizes)
    return tag("g", tag("polyline", points=points, class_="curve"), class_=style)
