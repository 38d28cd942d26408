"""Drawings of one table row: all rows share an axis, and the axis stands in the column's head.

A track has no fixed height: it fills its cell, so that grid lines run through the whole table
whatever the row's text needs. Positions across are pixels, positions down are shares.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from burnish.reporting.figures.svg import Axis, tag, tick_text

__all__ = ["WIDTH", "Mark", "bar", "track", "track_axis", "track_head"]

WIDTH = 240
EDGE = 14
FAR = 5.0  # an end this many times the median one is cut off, or it would flatten all others


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One sign on a track.

    Attributes:
        value: Where it is.
        low, high: Its interval, drawn as a line.
        style: CSS class: `m-before`, `m-after`, `m-good`, `m-bad`, `m-muted`, ...
        shape: `dot`, `ring`, `bar` (an upright line) or `none` (the interval alone).
        y: Share of the height, 0 at the top.
        title: Tooltip.
        thick: Draws the interval as a thick line, as between two marks of a pair.
    """

    value: float
    low: float | None = None
    high: float | None = None
    style: str = "m-after"
    shape: str = "dot"
    y: float = 0.5
    title: str = ""
    thick: bool = False


def track_axis(values: Iterable[float | None], *, include: Iterable[float] = (), width: int = WIDTH) -> Axis:
    """The axis shared by the tracks of a column; extreme `values` are cut off at its ends."""
    known = [v for v in values if v is not None]
    limit = FAR * statistics.median(abs(v) for v in known) if known and 0.0 in include else float("inf")
    kept = [v for v in known if abs(v) <= limit] if limit > 0 else known
    return Axis.over([*(kept or known), *include], start=EDGE, end=width - EDGE)


def track_head(axis: Axis, *, factor: float = 1.0, signed: bool = False) -> Markup:
    """Tick labels for the head of the column."""
    ticks = axis.ticks(5)
    labels = [
        tag("text", tick_text(v, ticks, factor=factor, signed=signed), x=axis(v), y=12, text_anchor="middle")
        for v in ticks
    ]
    return tag("svg", *labels, class_="track-head", width=int(axis.end + EDGE), height=16, aria_hidden="true")


def track(axis: Axis, marks: Iterable[Mark], *, references: Iterable[tuple[float, str]] = ((0.0, "zero"),)) -> Markup:
    """The drawing of one row: grid, reference lines `(value, class)` and `marks`."""
    grid = [_upright(axis(v), "grid") for v in axis.ticks(5)]
    lines = [_upright(axis(v), style) for v, style in references if axis.low <= v <= axis.high]
    signs = [_mark(axis, mark) for mark in marks]
    return tag("svg", *grid, *lines, *signs, class_="track", width=int(axis.end + EDGE), role="img")


def _upright(x: float, style: str) -> Markup:
    return tag("line", x1=x, x2=x, y1="0", y2="100%", class_=style)


def _mark(axis: Axis, mark: Mark) -> Markup:
    y = f"{100 * mark.y:g}%"
    parts = [tag("title", mark.title)] if mark.title else []
    if mark.low is not None and mark.high is not None:
        style = "span thick" if mark.thick else "span"
        parts.append(tag("line", x1=axis(mark.low), x2=axis(mark.high), y1=y, y2=y, class_=style))
        parts += _arrows(axis, mark, y)
    x = axis(mark.value)
    if mark.shape == "bar":
        parts.append(tag("line", x1=x, x2=x, y1=f"{100 * mark.y - 22:g}%", y2=f"{100 * mark.y + 22:g}%", class_="tick"))
    elif mark.shape != "none" and axis.low <= mark.value <= axis.high:
        parts.append(tag("circle", cx=x, cy=y, r=4, class_=mark.shape))
    return tag("g", *parts, class_=mark.style)


def _arrows(axis: Axis, mark: Mark, y: str) -> list[Markup]:
    """Signs that an interval goes on beyond the axis."""
    found = []
    if mark.low is not None and mark.low < axis.low:
        found.append(tag("text", "◂", x=axis.start - 7, y=y, class_="arrow", text_anchor="middle", dy="0.33em"))
    if mark.high is not None and mark.high > axis.high:
        found.append(tag("text", "▸", x=axis.end + 7, y=y, class_="arrow", text_anchor="middle", dy="0.33em"))
    return found


def bar(share: float, *, width: int = 160, style: str = "m-muted") -> Markup:
    """A horizontal bar of `share` of the width."""
    length = max(1.0, min(1.0, share) * width)
    shape = tag("rect", x=0, y="30%", width=length, height="40%", rx=1.5, class_="bar")
    return tag("svg", tag("g", shape, class_=style), class_="track", width=width, aria_hidden="true")
