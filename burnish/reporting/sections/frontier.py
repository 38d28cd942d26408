"""Accuracy against latency and size."""

import re
from collections.abc import Callable
from typing import Any

from burnish.reporting.document import Figure, Row, Section, Text
from burnish.reporting.figures import Point, scatter
from burnish.reporting.format import bytes_text, estimate, milliseconds, number, significant
from burnish.reporting.view import View

__all__ = ["frontier", "requirements"]

LIMIT = re.compile(r"(\w+)\s*<=?\s*([\d_.]+(?:e[+-]?\d+)?)")

LEGEND = (
    "Dot: accepted; ring: rejected; gray: the baseline; the line joins the accepted that no other one beats. "
    "Bars: interval of the paired difference to the step's reference."
)
REFERENCES = ("baseline", "original", "untouched")


def frontier(view: View) -> Section:
    """What each compressed model buys, with the requirement where one was given."""
    title = f"{view.scale.label[:1].upper()}{view.scale.label[1:]} against latency and size"
    if view.skipped("frontier"):
        return Section(id="frontier", title=title, blocks=(Text(text=view.skipped("frontier"), tone="skipped"),))
    panels = tuple(
        figure
        for figure in (
            _panel(view, "latency_ms", "p50 latency in ms, batch 1", lambda v: significant(v)),
            _panel(view, "bytes", "size of the file", bytes_text),
        )
        if figure
    )
    if not panels:
        return Section(id="frontier", title=title, blocks=(Text(text="No costs were measured.", tone="skipped"),))
    return Section(
        id="frontier", title=title, lead="Measured on the exported files.", legend=LEGEND, blocks=(Row(blocks=panels),)
    )


def requirements(view: View) -> dict[str, float]:
    """Upper limits asked for, such as `{"latency_ms": 2.0}`, of the search or of the recipe."""
    text = view.inner("requirement", "text") or view.inner("recipe", "require")
    if isinstance(text, dict):
        return {str(name): v for name, value in text.items() if (v := number(value)) is not None}
    text = ", ".join(map(str, text)) if isinstance(text, list) else str(text or "")
    return {name: float(value.replace("_", "")) for name, value in LIMIT.findall(text)}


def _panel(view: View, cost: str, name: str, x_text: Callable[[float], str]) -> Figure | None:
    points = [point for row in view.rows("frontier") if (point := _point(view, row, cost))]
    if not points:
        return None
    unit = " in %" if view.scale.percent else f" in {view.scale.unit}" if view.scale.unit else ""
    svg = scatter(
        points,
        x_name=name,
        y_name=view.scale.label + unit,
        x_text=x_text,
        factor=view.scale.factor,
        limit=requirements(view).get(cost),
        greater_is_better=view.greater_is_better,
    )
    return Figure(svg=svg)


def _point(view: View, row: dict[str, Any], cost: str) -> Point | None:
    x, y = number(row.get(cost)), number(row.get("score"))
    if x is None or y is None:
        return None
    name = str(row.get("step") or "")
    step = next((s for s in view.rows("compression") if s.get("step") == name), {})
    low, high = _ends(y, estimate(step.get("metric")), view.greater_is_better)
    facts = (view.scale.score(y), milliseconds(row.get("latency_ms")), bytes_text(row.get("bytes")))
    return Point(
        name=name,
        x=x,
        y=y,
        low=low,
        high=high,
        accepted=bool(row.get("accepted")),
        reference=name.lower() in REFERENCES,
        title=f"{name}: {', '.join(facts)}",
    )


def _ends(score: float, gain: Any, greater_is_better: bool) -> tuple[float | None, float | None]:
    """The interval of a paired gain, moved to where the score stands."""
    if gain is None or gain.low is None or gain.high is None:
        return None, None
    below, above = gain.value - gain.low, gain.high - gain.value
    return (score - below, score + above) if greater_is_better else (score - above, score + below)
