"""A short summary for the terminal."""

from typing import TYPE_CHECKING, Any

from burnish.reporting.format import bytes_text, estimate, label, milliseconds, number, ratio
from burnish.reporting.sections.effect_tables import COSTS, scale_of
from burnish.reporting.shipping import baseline_bytes, latency, shipped
from burnish.reporting.view import View

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

__all__ = ["terminal_summary"]

COLORS = {"good": "green", "warn": "yellow", "calm": "cyan"}
MOST = 8  # techniques listed
MOST_PROVEN = 3  # techniques listed for each other metric
LONGEST = 40  # letters of a technique; the report has them whole


def terminal_summary(report: dict[str, Any]) -> "Group":
    """What to print at the end of a job: verdict, before and after, what ships, techniques, next commands.

    Example:
        >>> from rich.console import Console
        >>> Console().print(terminal_summary({}))  # doctest: +ELLIPSIS
        No verdict yet  The job has not reached its verdict...
    """
    from rich.console import Group

    view = View(report)
    parts: list[Any] = [_head(view)]
    for table in (_scores(view), _rebuilt(view), _effects(view)):
        if table.row_count:
            parts += ["", table]
    parts += _elsewhere(view)
    parts += _closing(view)
    return Group(*parts)


def _head(view: View) -> "Text":
    from rich.text import Text

    from burnish.reporting.sections.verdict import hero

    found = hero(view)
    text = Text(found.word, style=f"bold {COLORS.get(found.tone, '')}".strip())
    text.append(f"  {found.headline or found.meaning}", style="not bold default")
    return text


def _grid(*headers: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    for i, header in enumerate(headers):
        text = i == 0 or header == ""
        table.add_column(header, justify="left" if text else "right", no_wrap=not text)
    return table


def _scores(view: View) -> "Table":
    from rich.text import Text

    table, scale = _grid("", "baseline", "after", "difference"), view.scale
    arms = view.inner_rows("confirmation", "arms")
    if len(arms) > 1:
        before, after = (_mean(arm) for arm in (arms[0], arms[-1]))
        gain = _gain(view, view.inner("confirmation", "difference"))
        table.add_row(f"{scale.label} of the recipe, fresh splits", scale.score(before), scale.score(after), gain)
    elif estimate(view.inner("baseline", "score")):
        table.add_row(f"{scale.label}, pilot", _with_interval(view, view.inner("baseline", "score")), "", "")
    test = view.mapping("test")
    if test:
        cells = [_with_interval(view, test.get(key)) for key in ("before", "after")]
        table.add_row(Text(f"{scale.label} of what ships, test"), *cells, _gain(view, test.get("difference")))
    _cost_rows(view, table)
    return table


def _cost_rows(view: View, table: "Table") -> None:
    export = view.mapping("export")
    before = baseline_bytes(view)
    after = number(export.get("bytes"))
    if after:
        table.add_row("size", bytes_text(before), bytes_text(after), ratio(after / before) if before else "")
    earlier = latency(export, "baseline_latency_ms")
    for batch, now in latency(export, "latency_ms").items():
        then = earlier.get(batch)
        change = ratio(now / then) if then else ""
        table.add_row(f"p50 latency, batch {batch}", milliseconds(then), milliseconds(now), change)


def _rebuilt(view: View) -> "Table":
    """Whole networks, in pairs with the baseline on the pilot's splits."""
    from rich.text import Text

    start = view.inner("screening", "start") or ()
    table = _grid(f"whole network, gain in {view.unit}", "in pairs", "time", "size", "")
    for row in view.inner_rows("gate", "rebuilt"):
        text = str(row.get("technique"))
        costs = [ratio(row.get(key)) for key in ("time_ratio", "size_ratio")]
        chosen = "the screen starts from it" if text in start else "did not pay"
        table.add_row(Text(_shorten(text)), _bare_gain(view, row.get("gain")), *costs, Text(chosen))
    return table


def _effects(view: View) -> "Table":
    from rich.text import Text

    rows = view.inner_rows("screening", "effects")
    table = _grid(f"technique, effect in {view.unit}", "at the recipe", f"at the {view.start}", "")
    for row in sorted(rows, key=lambda r: not r.get("in_recipe"))[:MOST]:
        name = ("● " if row.get("in_recipe") else "  ") + str(row.get("technique"))
        cells = [_bare_gain(view, row.get(key)) for key in ("at_recipe", "at_baseline")]
        table.add_row(Text(_shorten(name)), *cells, Text(str(row.get("word") or "")))
    if len(rows) > MOST:
        table.add_row(f"  and {len(rows) - MOST} more in the report", "", "", "")
    return table


def _elsewhere(view: View) -> list[Any]:
    """What is proven on the other metrics and costs of the same runs, at the recipe; the report has all of it."""
    from rich.text import Text

    lines = []
    for part in (view.inner("screening", "metrics") or {}).values():
        metric = str(part.get("metric"))
        proven = [row for row in part.get("effects") or () if row.get("word") in ("helps", "hurts")]
        for row in sorted(proven, key=lambda r: not r.get("in_recipe"))[:MOST_PROVEN]:
            found = estimate(row.get("at_recipe"))
            if found is None or (metric in COSTS and 0.995 < found.value < 1.005):
                continue
            scale = scale_of(view, part)
            gain = f"{scale.gain(found)} {scale.interval(found)}" if metric not in COSTS else ratio(found.value)
            name = COSTS.get(metric) or label(metric)
            lines.append(Text(f"{name}: {_shorten(str(row['technique']))} {row['word']}, {gain} (n = {found.n})"))
    return ["", *lines] if lines else []


def _shorten(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _closing(view: View) -> list[Any]:
    from rich.text import Text

    lines: list[Any] = []
    text = str(view.inner("verdict", "text") or "")
    if text:
        lines += ["", Text(text)]
    if view.mapping("export"):
        lines += ["", Text(f"ships: {' + '.join(part for _, parts in shipped(view) for part in parts)}")]
    reasons = {str(row.get("command")): str(row.get("why") or "") for row in view.inner_rows("verdict", "actions")}
    for line in view.inner("verdict", "next") or ():
        lines.append(Text(f"next:  {_harmless(line)}", style="dim"))
        if reasons.get(line):
            lines.append(Text(f"       # {reasons[line]}", style="dim"))
    return lines


def _mean(arm: dict[str, Any]) -> float | None:
    scores = [s for s in map(number, arm.get("scores") or ()) if s is not None]
    return sum(scores) / len(scores) if scores else None


def _with_interval(view: View, value: Any) -> str:
    return f"{view.scale.score(value)} {view.scale.interval(value)}".strip()


def _bare_gain(view: View, value: Any) -> str:
    return f"{view.scale.bare_gain(value)} {view.scale.interval(value)}".strip()


def _gain(view: View, value: Any) -> str:
    return f"{view.scale.gain(value)} {view.scale.interval(value)}".strip()


def _harmless(text: str) -> str:
    """`text` without what would steer the terminal: names from data may hold anything."""
    return "".join(character for character in text if character.isprintable())
