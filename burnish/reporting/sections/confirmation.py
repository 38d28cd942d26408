"""The proof: baseline against recipe on fresh splits, pair by pair, and what each look saw."""

from typing import Any

from burnish.reporting.document import (
    Block,
    Cell,
    Column,
    Facts,
    Row,
    Section,
    Stack,
    Table,
    Text,
    gain_cell,
    score_cell,
)
from burnish.reporting.figures import Mark, track, track_axis, track_head
from burnish.reporting.figures.svg import Axis
from burnish.reporting.format import DASH, estimate, label, number, p_text, ratio, scale_for, sentence, significant
from burnish.reporting.view import View

__all__ = ["confirmation"]

TITLE = "Confirmation"
LEAD = (
    "Fresh splits and seeds that no earlier stage has seen; both arms of a pair share split and seed. "
    "This is the only place a headline may come from."
)


def confirmation(view: View) -> Section:
    """Pairs, looks, costs and the other metrics."""
    if view.skipped("confirmation"):
        return Section(
            id="confirmation", title=TITLE, blocks=(Text(text=view.skipped("confirmation"), tone="skipped"),)
        )
    columns = (tuple(_pairs(view)), (*_looks(view), *_secondary(view)))
    sides = tuple(Stack(blocks=part) for part in columns if part)
    blocks: list[Block] = [_arms(view), *([Row(blocks=sides)] if sides else [])]
    note = view.inner("confirmation", "note")
    if note:
        blocks.append(Text(text=sentence(note), tone="note"))
    lead = LEAD if view.inner_rows("confirmation", "arms") else ""
    return Section(id="confirmation", title=TITLE, lead=lead, blocks=tuple(blocks))


def _arms(view: View) -> Facts:
    items = [
        (
            str(arm.get("name") or ""),
            Cell(
                text=", ".join(map(str, arm.get("plan") or ())) or "no technique",
                tone="code wide" if arm.get("plan") else "code",
            ),
        )
        for arm in view.inner_rows("confirmation", "arms")
    ]
    gain = estimate(view.inner("confirmation", "difference"))
    if gain:
        detail = f"{view.scale.interval(gain)} n = {gain.n}, {significant(100 * gain.level)} % interval".strip()
        items.append(("Gain", Cell(text=view.scale.gain(gain), detail=detail)))
    verdict = str(view.inner("confirmation", "verdict") or DASH)
    items.append(("Verdict", Cell(text=verdict, detail=p_text(view.inner("confirmation", "p_value")))))
    for name, key in (("Training time", "time_ratio"), ("Size", "size_ratio")):
        if number(view.inner("confirmation", key)) is not None:
            items.append((name, Cell(text=ratio(view.inner("confirmation", key)), detail="of the baseline's")))
    return Facts(items=tuple(items))


def _pairs(view: View) -> list[Block]:
    arms = view.inner_rows("confirmation", "arms")
    if len(arms) < 2:
        return []
    before, after = ([number(s) for s in arm.get("scores") or ()] for arm in (arms[0], arms[-1]))
    splits = view.inner("confirmation", "splits") or list(range(1, len(before) + 1))
    axis = track_axis([*before, *after])
    columns = (
        Column(name="Split", kind="num"),
        Column(name=str(arms[0].get("name") or "before"), kind="num"),
        Column(name=str(arms[-1].get("name") or "after"), kind="num"),
        Column(kind="figure", figure=track_head(axis, factor=view.scale.factor)),
        Column(name="Gain", kind="num"),
    )
    rows = [_pair(view, str(split), b, a, axis) for split, b, a in zip(splits, before, after, strict=False)]
    both = [(b, a) for b, a in zip(before, after, strict=False) if b is not None and a is not None]
    strong: tuple[int, ...] = ()
    if both:
        means = [sum(column) / len(both) for column in zip(*both, strict=True)]
        rows.append(_pair(view, "mean", means[0], means[1], axis))
        strong = (len(rows) - 1,)
    unit = "%" if view.scale.percent else view.scale.unit
    name = f"{view.scale.label} in {unit}" if unit else view.scale.label
    caption = f"{name} on validation, {len(both)} pairs."
    return [
        Table(
            columns=columns,
            rows=tuple(rows),
            caption=caption,
            legend=f"Ring: {columns[1].name}; dot: {columns[2].name}.",
            strong=strong,
        )
    ]


def _pair(view: View, split: str, before: float | None, after: float | None, axis: Axis) -> tuple[Cell, ...]:
    scale = view.scale
    if before is None or after is None:
        return (
            Cell(text=split),
            Cell(text=scale.bare(before)),
            Cell(text=scale.bare(after)),
            Cell(),
            Cell(text=DASH),
        )
    gain = after - before if view.greater_is_better else before - after
    style = "m-good" if gain > 0 else "m-bad" if gain < 0 else "m-muted"
    marks = (
        Mark(value=before, low=min(before, after), high=max(before, after), style=style, shape="none", thick=True),
        Mark(value=before, style="m-before", shape="ring", title=scale.score(before)),
        Mark(value=after, style=style, title=scale.score(after)),
    )
    return (
        Cell(text=split),
        Cell(text=scale.bare(before)),
        Cell(text=scale.bare(after)),
        Cell(figure=track(axis, marks, references=())),
        Cell(text=scale.bare_gain(gain), tone="bad" if gain < 0 else ""),
    )


def _looks(view: View) -> list[Block]:
    looks = view.inner_rows("confirmation", "looks")
    found = [estimate(look.get("estimate")) for look in looks]
    ends = [v for e in found if e for v in (e.value, e.low, e.high)]
    if not ends:
        return []
    least = view.min_gain
    axis = track_axis(ends, include=(0.0, *((least,) if least else ())))
    references = ((0.0, "zero"), *(((least, "least"),) if least else ()))
    columns = (
        Column(name="Look after", kind="num"),
        Column(name="Gain so far", kind="num"),
        Column(kind="figure", figure=track_head(axis, factor=view.scale.factor, signed=True)),
        Column(name="p", kind="num"),
    )
    rows = tuple(
        (
            Cell(text=f"{look.get('n', DASH)} pairs"),
            gain_cell(e, view.scale),
            Cell(figure=track(axis, (Mark(value=e.value, low=e.low, high=e.high),), references=references)),
            Cell(text=p_text(look.get("p")).removeprefix("p = ").removeprefix("p ")),
        )
        for look, e in zip(looks, found, strict=True)
        if e
    )
    caption = "Looks fixed in advance; each spends its share of the error, so stopping early does not inflate it."
    legend = f"Dotted: the smallest gain that matters, {view.scale.gain(least).lstrip('+')}." if least else ""
    return [Table(columns=columns, rows=rows, caption=caption, legend=legend)]


def _secondary(view: View) -> list[Block]:
    metrics: dict[str, Any] = view.inner("confirmation", "secondary") or {}
    rows = tuple(_metric(view, name, entry) for name, entry in metrics.items() if isinstance(entry, dict))
    columns = (
        Column(name="Other metric"),
        Column(name="Before", kind="num"),
        Column(name="After", kind="num"),
        Column(name="Gain", kind="num"),
    )
    return [Table(columns=columns, rows=rows, caption="Same pairs; not decided on.")] if rows else []


def _metric(view: View, name: str, entry: dict[str, Any]) -> tuple[Cell, ...]:
    examples = int(number(view.inner("data", "validation")) or 0)
    scale = scale_for(name, reference=number(entry.get("before")), examples=examples, unit=view.scale.unit)
    return (
        Cell(text=label(name)),
        score_cell(entry.get("before"), scale),
        score_cell(entry.get("after"), scale),
        gain_cell(entry.get("gain"), scale, unit=True),
    )
