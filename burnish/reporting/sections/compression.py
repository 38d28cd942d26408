"""The compression ladder: what each step costs, whether its bound allows it, and how it was searched for."""

from typing import Any

from burnish.reporting.document import Block, Bullets, Cell, Column, Fold, Section, Table, Text, gain_cell
from burnish.reporting.figures import Mark, track, track_axis, track_head
from burnish.reporting.figures.svg import Axis
from burnish.reporting.format import DASH, bytes_text, estimate, milliseconds, number, ratio, sentence, short_count
from burnish.reporting.view import View

__all__ = ["compression"]

TITLE = "Compression ladder"
MOST_LEFT = 40  # layers whose reason is shown
LEGEND = "Dotted: the largest drop that is allowed."


def compression(view: View) -> Section:
    """Every step with its paired difference, costs and reason."""
    if view.skipped("compression"):
        return Section(id="compression", title=TITLE, blocks=(Text(text=view.skipped("compression"), tone="skipped"),))
    steps = view.rows("compression")
    drop = _allowed(view, steps)
    found = [estimate(step.get("metric")) for step in steps]
    ends = [v for e in found if e for v in (e.value, e.low, e.high)]
    axis = track_axis(ends, include=(0.0, *((-drop,) if drop else ())))
    table = Table(
        columns=_columns(view, axis),
        rows=tuple(_row(view, step, axis, drop) for step in steps),
        strong=tuple(i for i, step in enumerate(steps) if step.get("accepted")),
        caption=_caption(view, found),
        legend=LEGEND if drop else "",
    )
    return Section(
        id="compression",
        title=TITLE,
        lead=_lead(view, drop),
        blocks=(*_asked(view), table, *_failed(view), *_trials(view), *_layers(view)),
    )


def _columns(view: View, axis: Axis) -> tuple[Column, ...]:
    return (
        Column(name="Step and reason"),
        Column(name="Accepted", kind="mark"),
        Column(kind="figure", figure=track_head(axis, factor=view.scale.factor, signed=True)),
        Column(name="Difference", kind="num", title="paired, on the same examples; positive is better"),
        Column(name="Lower bound", kind="num", title="one-sided 95 % bound; must be above minus the largest drop"),
        Column(name=view.scale.label, kind="num"),
        Column(name="p50 latency", kind="num", title="batch 1"),
        Column(name="Size", kind="num", title="of the file; parameters below it"),
    )


def _allowed(view: View, steps: list[dict[str, Any]]) -> float | None:
    """The largest drop in the metric's own unit: what the steps were judged by, else the recipe's number."""
    judged = (step.get("detail") or {} for step in steps)
    found = next((v for detail in judged if (v := number(detail.get("allowed_drop"))) is not None), None)
    return found if found is not None else number(view.report.get("max_drop"))


def _asked(view: View) -> list[Block]:
    """What was asked for and whether it was reached; what the chosen network costs on the test set."""
    met, message = view.inner("requirement", "met"), str(view.inner("requirement", "message") or "")
    found: list[Block] = [Text(text=f"Not met: {message}", tone="note")] if met is False else []
    note = str(view.inner("requirement", "note") or "")
    if note:
        found.append(Text(text=sentence(note)))
    if met:
        found.append(Text(text=f"Met: {view.inner('requirement', 'text')}."))
    if note := view.inner("search", "note"):
        found.append(Text(text=f"{str(note)[:1].upper()}{str(note)[1:]}.", tone="note"))
    gain = estimate(view.inner("compressed", "test", "difference"))
    if gain is not None:
        before, after = (estimate(view.inner("compressed", "test", side)) for side in ("before", "after"))
        found.append(
            Text(
                text=f"Chosen: {view.inner('compressed', 'step')}. On the test set, opening "
                f"{view.inner('compressed', 'test', 'openings')}: {view.scale.score(before)} before, "
                f"{view.scale.score(after)} after, difference {view.scale.gain(gain.value)} "
                f"{view.scale.interval(gain)}, n = {gain.n:,}."
            )
        )
    return found


def _trials(view: View) -> list[Block]:
    """Every network that was trained for the search."""
    rows = view.inner_rows("search", "trials")
    if not rows:
        return []
    columns = (
        Column(name="Trained"),
        Column(name="Epochs", kind="num"),
        Column(name=view.scale.label, kind="num", title="float, on validation"),
        Column(name="Then"),
    )
    cells = tuple(
        (
            Cell(text=str(row.get("name"))),
            Cell(text=str(row.get("epochs"))),
            Cell(text=view.scale.score(row.get("score"))),
            Cell(
                text=str(row.get("then") or "judged as a file") if row.get("status") == "done" else str(row["status"])
            ),
        )
        for row in rows
    )
    shapes = len(view.inner_rows("search", "shapes"))
    lead = f"{shapes} shapes fit by size, measured untrained; of those trained briefly the better half went on."
    taught = "Trained with the uncompressed network as teacher, or by the labels alone where the name says so."
    table = Table(columns=columns, rows=cells, caption=f"{lead} {taught}" if shapes else taught)
    return [Fold(summary="Trainings of the search", blocks=(table,))]


def _layers(view: View) -> list[Block]:
    """Channels and precision layer by layer."""
    rows = view.rows("layers")
    if not rows:
        return []
    columns = (
        Column(name="Layer"),
        Column(name="Operator"),
        Column(name="Channels before", kind="num"),
        Column(name="after", kind="num"),
        Column(name="Weights"),
    )
    cells = tuple(
        (
            Cell(text=str(row.get("layer")), tone="code"),
            Cell(text=str(row.get("operator"))),
            Cell(text=str(row.get("before"))),
            Cell(text=DASH if row.get("after") is None else str(row["after"])),
            Cell(text=str(row.get("precision") or DASH)),
        )
        for row in rows
    )
    table = Table(columns=columns, rows=cells)
    return [Fold(summary="Layers of the chosen network", blocks=(table, *_left_whole(view)))]


def _left_whole(view: View) -> list[Block]:
    """Why the cut did not touch the layers it left."""
    items = [f"{row.get('layer')}: {row.get('reason')}" for row in view.rows("left_whole")]
    more = [f"and {len(items) - MOST_LEFT} more"] if len(items) > MOST_LEFT else []
    return [Bullets(items=(*items[:MOST_LEFT], *more), title="Not cut, and why")] if items else []


def _failed(view: View) -> list[Block]:
    """Steps that could not be carried out."""
    rows = view.report.get("not_compressed")
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    items = tuple(f"{row.get('step', '')}: {row.get('reason', '')}" for row in found)
    return [Bullets(items=items, title="Not possible")] if items else []


def _lead(view: View, drop: float | None) -> str:
    parts = []
    if drop is not None:
        allowed = view.scale.gain(drop).lstrip("+")
        parts.append(f"A step is accepted only if its lower bound stays above −{allowed}.")
    smallest = number(view.report.get("smallest_resolvable_drop"))
    if smallest is not None:
        parts.append(f"The smallest drop these data resolve is {view.scale.gain(smallest).lstrip('+')}.")
        if drop is not None and smallest > drop:
            parts.append("That is more than the drop allowed: a rejection may mean too few examples, not a loss.")
    return " ".join(parts)


def _caption(view: View, found: list[Any]) -> str:
    known = next((e for e in found if e and e.n), None)
    return f"Intervals over n = {known.n:,} {known.of}." if known else ""


def _row(view: View, step: dict[str, Any], axis: Axis, drop: float | None) -> tuple[Cell, ...]:
    gain, accepted = estimate(step.get("metric")), bool(step.get("accepted"))
    style = "m-after" if accepted else "m-bad"
    marks = [Mark(value=gain.value, low=gain.low, high=gain.high, style=style)] if gain else []
    references = ((0.0, "zero"), *(((-drop, "least"),) if drop else ()))
    return (
        Cell(
            text=str(step.get("step") or ""),
            detail=sentence(step.get("reason")),
            title=str(step.get("file") or ""),
            tone="stack",
        ),
        Cell(text="yes" if accepted else "no", tone="good" if accepted else "muted"),
        Cell(figure=track(axis, marks, references=references)),
        gain_cell(gain, view.scale),
        Cell(text=view.scale.bare_gain(step.get("lower_bound"))),
        Cell(text=view.scale.score(step.get("score"))),
        _latency(step),
        Cell(text=bytes_text(step.get("bytes")), detail=_parameters(step)),
    )


def _parameters(step: dict[str, Any]) -> str:
    return "" if number(step.get("parameters")) is None else f"{short_count(step.get('parameters'))} parameters"


def _latency(step: dict[str, Any]) -> Cell:
    found = estimate(step.get("latency_ms"))
    change = number(step.get("latency_ratio"))
    title = ""
    if found and found.low is not None:
        title = f"{milliseconds(found.low)} to {milliseconds(found.high)}, n = {found.n}"
    return Cell(text=milliseconds(found), detail=ratio(change) if change is not None else "", title=title)
