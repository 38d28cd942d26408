"""What a finding measured, drawn: bars, lines, or rows to look at; and where nothing else is known, the threshold."""

import math
from typing import Any

from markupsafe import Markup

from burnish.reporting.figures.curves import Line, line_panel
from burnish.reporting.figures.svg import Axis, tag

__all__ = ["finding_figure", "measure_figure"]

WIDTH, NAMES, ROOM, STEP = 520, 150, 64, 20
MOST_BARS, MOST_CARDS, LETTERS = 24, 24, 24
STYLES = ("c-after", "c-before", "m-muted", "m-bad")
PICTURES = ("data:image/png;base64,", "data:image/jpeg;base64,")


def finding_figure(figure: dict[str, Any], *, title: str) -> Markup:
    """The drawing for the `figure` of a finding; empty where it holds nothing that can be drawn."""
    kind = figure.get("kind")
    if kind == "bars":
        return _bars(figure, title)
    if kind == "lines":
        return _lines(figure)
    if kind == "pairs":
        pairs = [pair for pair in figure.get("pairs") or () if len(pair) == 2][: MOST_CARDS // 2]
        names = [str(name) for name in figure.get("names") or ("", "")]
        return _cards([_pair(pair, names) for pair in pairs])
    if kind == "review":
        return _cards([_card(row) for row in (figure.get("rows") or ())[:MOST_CARDS]])
    return Markup("")


def measure_figure(measured: float, threshold: float, *, title: str) -> Markup:
    """What was measured beside where the rule starts to fire."""
    return _bars({"labels": ["measured", "threshold"], "values": [measured, threshold]}, title)


def _bars(figure: dict[str, Any], title: str) -> Markup:
    pairs = list(zip(figure.get("labels") or (), figure.get("values") or (), strict=False))
    pairs = [(str(n), float(v)) for n, v in pairs if isinstance(v, int | float) and math.isfinite(v)][:MOST_BARS]
    if not pairs:
        return Markup("")
    log = bool(figure.get("log")) and all(v > 0 for _, v in pairs)
    values = [v for _, v in pairs]
    axis = Axis.over(
        values if log else [0.0, *values], start=NAMES, end=WIDTH - ROOM, pad=0.0 if not log else 0.2, log=log
    )
    zero = axis.start if log else axis(0.0)
    parts = [tag("title", title)]
    for i, (name, value) in enumerate(pairs):
        middle, end = 24 + (i + 0.5) * STEP, axis(value)
        parts.append(
            tag("text", _short(name), x=NAMES - 8, y=middle, dy="0.33em", text_anchor="end", class_="tick-text")
        )
        bar = tag(
            "rect", x=min(zero, end), y=middle - 6, width=max(abs(end - zero), 1.0), height=12, rx=2, class_="bar"
        )
        parts.append(tag("g", tag("title", f"{name}: {value:.4g}"), bar, class_="m-after"))
        parts.append(tag("text", f"{value:.3g}", x=max(zero, end) + 6, y=middle, dy="0.33em", class_="tick-text"))
    unit = str(figure.get("unit") or "") + (" (logarithmic)" if log else "")
    parts.append(tag("text", unit, x=NAMES, y=12, class_="name"))
    height = 30 + STEP * len(pairs)
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {height}", class_="panel", role="img", aria_label=title)


def _lines(figure: dict[str, Any]) -> Markup:
    x = [float(v) for v in figure.get("x") or ()]
    if not x or (figure.get("log_x") and min(x) <= 0):
        return Markup("")
    across = [math.log10(v) for v in x] if figure.get("log_x") else x
    lines = []
    for i, (name, values) in enumerate((figure.get("series") or {}).items()):
        known = [(a, float(v)) for a, v in zip(across, values, strict=False) if isinstance(v, int | float)]
        lines.append(Line(name=str(name), points=tuple(known), style=STYLES[i % len(STYLES)]))
    name = str(figure.get("x_name") or "x")
    if figure.get("log_x"):
        name = f"{name}, power of ten"
    return line_panel(lines, y_name=str(figure.get("y_name") or "value"), x_name=name, log=True)


def _cards(cards: list[Markup]) -> Markup:
    return tag("div", *cards, class_="cards-of-rows") if cards else Markup("")


def _pair(pair: list[dict[str, Any]], names: list[str]) -> Markup:
    halves = [tag("div", tag("b", name), _content(row)) for name, row in zip(names, pair, strict=False)]
    return tag("div", *halves, class_="row-pair")


def _card(row: dict[str, Any]) -> Markup:
    return tag("div", _content(row), class_="row-card")


def _content(row: dict[str, Any]) -> Markup:
    """Picture or text of a row, what it is labelled, and where it came from."""
    parts = []
    picture = str(row.get("image") or "")
    if picture.startswith(PICTURES):
        parts.append(tag("img", src=picture, alt="", width=48, height=48))
    if row.get("text"):
        parts.append(tag("span", str(row["text"])[:160], class_="row-text"))
    label = str(row.get("label") or "")
    if row.get("suggested"):
        label += f" → {row['suggested']}? ({float(row.get('probability') or 0):.0%})"
    parts += [tag("span", label)] if label else []
    return tag("div", *parts, tag("small", str(row.get("origin") or "")))


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
