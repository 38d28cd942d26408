"""Reliability diagram: how often answers are right against how sure they were."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from burnish.reporting.figures.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frame, panel
from burnish.reporting.figures.svg import Axis, tag, tick_text

__all__ = ["Bin", "reliability_panel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Examples of about the same confidence: their mean confidence, share of hits with its interval, and number."""

    confidence: float
    rate: float
    low: float
    high: float
    n: int


def reliability_panel(bins: Iterable[Bin], *, title: str, style: str) -> Markup:
    """A panel with one dot for each bin; on the dashed line confidence and hits agree."""
    drawn = list(bins)
    least = min([b.confidence for b in drawn] + [b.low for b in drawn], default=0.0)
    start = max(0.0, int(10 * least) / 10)
    x = Axis(low=start, high=1.0, start=LEFT, end=WIDTH - RIGHT)
    y = Axis(low=start, high=1.0, start=HEIGHT - BOTTOM, end=TOP)
    grid = frame(
        x,
        y,
        x_name="how sure, in %",
        y_name="how often right, in %",
        x_text=lambda v, ticks: tick_text(v, ticks, factor=100.0),
        y_text=lambda v, ticks: tick_text(v, ticks, factor=100.0),
    )
    agreement = tag("line", x1=x(start), x2=x(1.0), y1=y(start), y2=y(1.0), class_="reference")
    return panel(grid, agreement, *(_dot(b, x, y, style) for b in drawn), title=title)


def _dot(b: Bin, x: Axis, y: Axis, style: str) -> Markup:
    said = f"{b.n} examples: {100 * b.confidence:.1f} % sure, {100 * b.rate:.1f} % right"
    return tag(
        "g",
        tag("title", said),
        tag("line", x1=x(b.confidence), x2=x(b.confidence), y1=y(b.low), y2=y(b.high), class_="span"),
        tag("circle", cx=x(b.confidence), cy=y(b.rate), r=4.5, class_="dot"),
        class_=style,
    )
