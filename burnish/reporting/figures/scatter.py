"""Score against cost: what each compressed model buys."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markupsafe import Markup

from burnish.reporting.figures.plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frame, panel
from burnish.reporting.figures.svg import Axis, tag, tick_text

__all__ = ["Point", "scatter"]

WIDE = 6.0
LETTER, LINE = 6.0, 12.0  # size of a label's letter, in pixels of the drawing

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model: `x` cost, `y` score with the ends of its interval; `reference` is what it started from."""

    name: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None
    accepted: bool = True
    reference: bool = False
    title: str = ""


def scatter(
    points: Iterable[Point],
    *,
    x_name: str,
    y_name: str,
    x_text: Callable[[float], str],
    factor: float = 1.0,
    limit: float | None = None,
    greater_is_better: bool = True,
) -> Markup:
    """A panel of `points` with their frontier and the requirement `limit` on the cost."""
    drawn = list(points)
    costs = [p.x for p in drawn] + ([limit] if limit else [])
    use_log = min(costs, default=1.0) > 0 and max(costs, default=1.0) / min(costs, default=1.0) > WIDE
    x = Axis.over(costs, start=LEFT, end=WIDTH - RIGHT, pad=0.08, log=use_log)
    heights = [v for p in drawn for v in (p.y, p.low, p.high) if v is not None]
    y = Axis.over(heights, start=HEIGHT - BOTTOM, end=TOP, pad=0.12)
    grid = frame(
        x,
        y,
        x_name=x_name + (", logarithmic" if use_log else ""),
        y_name=y_name,
        x_text=lambda v, ticks: x_text(v),
        y_text=lambda v, ticks: tick_text(v, ticks, factor=factor),
    )
    parts = [grid, _limit(limit, x, x_text), _frontier(drawn, x, y, sign=1 if greater_is_better else -1)]
    parts += [_point(p, x, y) for p in drawn]
    parts.append(_labels(drawn, x, y))
    return panel(*parts, title=f"{y_name} against {x_name}")


def _limit(limit: float | None, x: Axis, x_text: Callable[[float], str]) -> Markup:
    if limit is None:
        return Markup("")
    at = x(limit)
    return tag(
        "g",
        tag("line", x1=at, x2=at, y1=TOP, y2=HEIGHT - BOTTOM, class_="requirement"),
        tag(
            "text", f"required ≤ {x_text(limit)}", x=at - 5, y=HEIGHT - BOTTOM - 6, text_anchor="end", class_="required"
        ),
    )


def _frontier(points: list[Point], x: Axis, y: Axis, *, sign: int) -> Markup:
    """A line through the accepted points that no other one beats in cost and score."""
    best: list[Point] = []
    for p in sorted((p for p in points if p.accepted), key=lambda p: (p.x, -sign * p.y)):
        if not best or sign * p.y > sign * best[-1].y:
            best.append(p)
    line = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in best)
    return tag("polyline", points=line, class_="frontier") if len(best) > 1 else Markup("")


def _point(p: Point, x: Axis, y: Axis) -> Markup:
    parts = [tag("title", p.title or p.name)]
    if p.low is not None and p.high is not None:
        parts.append(tag("line", x1=x(p.x), x2=x(p.x), y1=y(p.low), y2=y(p.high), class_="span"))
    parts.append(tag("circle", cx=x(p.x), cy=y(p.y), r=4.5, class_="dot" if p.accepted else "ring"))
    return tag("g", *parts, class_="m-before" if p.reference else "m-after" if p.accepted else "m-bad")


def _labels(points: list[Point], x: Axis, y: Axis) -> Markup:
    """Names beside the points, each at the first place that is free; a name without a place is left to its tooltip."""
    taken: list[Box] = [(x(p.x) - 5, y(p.y) - 5, x(p.x) + 5, y(p.y) + 5) for p in points]
    taken += [(x(p.x) - 2, y(p.high), x(p.x) + 2, y(p.low)) for p in points if p.low is not None and p.high is not None]
    parts = []
    for p in sorted(points, key=lambda p: (not p.accepted, p.x)):
        for left, base in _places(p.name, x(p.x), y(p.y)):
            box = (left, base - 9, left + LETTER * len(p.name), base + 3)
            if _inside(box) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                parts += [_leader(p, box, x, y), tag("text", p.name, x=left, y=base, class_="label")]
                break
    return Markup("").join(parts)


def _leader(p: Point, box: Box, x: Axis, y: Axis) -> Markup:
    """A thin line from a label to its point where it stands a line or more away."""
    middle = (box[1] + box[3]) / 2
    if abs(middle - y(p.y)) < LINE:
        return Markup("")
    near = min(max(x(p.x), box[0]), box[2])
    return tag("line", x1=near, x2=x(p.x), y1=middle, y2=y(p.y), class_="leader")


def _places(name: str, x: float, y: float) -> list[tuple[float, float]]:
    width = LETTER * len(name)
    steps = (0.0, -LINE, LINE, -2 * LINE, 2 * LINE)
    beside = [(at, y + 4 + step) for step in steps for at in (x + 9, x - 9 - width)]
    return [*beside, (x - width / 2, y - 10), (x - width / 2, y + 18)]


def _inside(box: Box) -> bool:
    return box[0] >= LEFT and box[2] <= WIDTH and box[1] >= TOP - 8 and box[3] <= HEIGHT - BOTTOM


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
