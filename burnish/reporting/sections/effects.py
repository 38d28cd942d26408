"""What each technique does, at the recommended recipe and at the baseline."""

from typing import Any

from burnish.records import Estimate
from burnish.reporting.document import Block, Bullets, Cell, Column, Fold, Section, Table, Text, code, gain_cell
from burnish.reporting.figures import Mark, track, track_axis, track_head
from burnish.reporting.figures.svg import Axis
from burnish.reporting.format import DASH, duration, estimate, number, probability, ratio, sentence, significant
from burnish.reporting.sections.effect_tables import cross_check, other_metrics, promised
from burnish.reporting.view import View

__all__ = ["effects"]

TITLE = "What each technique does"
TONES = {"helps": "good", "hurts": "bad", "part of a bundle that helps": "accent"}
MARKS = {"helps": "m-good", "hurts": "m-bad", "part of a bundle that helps": "m-after"}


def effects(view: View) -> Section:
    """The forest plot, the stability gate before it and the runs behind it."""
    blocks: list[Block] = []
    if view.skipped("screening"):
        blocks.append(Text(text=view.skipped("screening"), tone="skipped"))
        return Section(id="effects", title=TITLE, blocks=(*blocks, *_rebuilt(view), *_gate(view)))
    rows = view.inner_rows("screening", "effects")
    blocks += _rebuilt(view)
    if rows or not blocks:
        blocks.append(_forest(view, rows) if rows else Text(text="No effects could be estimated.", tone="skipped"))
    note = view.inner("screening", "note")
    if note:
        blocks.append(Text(text=sentence(note), tone="note"))
    blocks += [*_collapsed(view), *other_metrics(view), *cross_check(view), *_not_tried(view)]
    blocks += [*_gate(view), *_design(view)]
    return Section(id="effects", title=TITLE, lead=_lead(view), blocks=tuple(blocks))


def _lead(view: View) -> str:
    runs, design = view.inner("screening", "runs"), view.inner("screening", "design") or "designed"
    sigma = number(view.inner("baseline", "sigma"))
    noise = f" Noise of one run in the pilot: {view.scale.gain(sigma).lstrip('+')}." if sigma is not None else ""
    shorter = _shortened(view)
    return (
        f"From {significant(runs)} screening runs ({design}){shorter}. Positive is better. An effect holds where it is "
        f"named: at the recipe with all else of the recipe on, at the {view.start} with all else off; effects do "
        f"not add up, and only the confirmation below proves a gain.{noise}"
    )


def _shortened(view: View) -> str:
    """That a time limit shortened the screen, and what was not: nothing is believed before it held at full length."""
    found: dict[str, Any] = view.inner("screening", "shortened") or {}
    if not found:
        return ""
    rows, epochs = number(found.get("rows")), number(found.get("epochs"))
    return (
        f", shortened to {100 * (rows or 1):.0f} % of the training rows and {significant(epochs)} epochs to keep to "
        "the time given; recipes were trained again, and confirmed, on all rows at full length"
    )


def _forest(view: View, rows: list[dict[str, Any]]) -> Table:
    known = [e for row in rows for e in (estimate(row.get("at_recipe")), estimate(row.get("at_baseline"))) if e]
    axis = track_axis([v for e in known for v in (e.value, e.low, e.high)], include=(0.0,))
    level = significant(100 * known[0].level) if known else "90"
    columns = (
        Column(name="Technique"),
        Column(name="In", kind="mark", title="in the recommended recipe"),
        Column(kind="figure", figure=track_head(axis, factor=view.scale.factor, signed=True)),
        Column(name="At the recipe", kind="num"),
        Column(name=f"At the {view.start}", kind="num"),
        Column(name="P(helps)", kind="num", title="probability that the effect at the recipe is positive"),
        Column(name="Time", kind="num", title="training time against the baseline"),
        Column(name="Size", kind="num", title="size against the baseline"),
        Column(name="Verdict"),
    )
    caption = f"Effects in {view.unit} with {level} % intervals, n = {known[0].n if known else 0} runs."
    strong = tuple(i for i, row in enumerate(rows) if row.get("in_recipe"))
    return Table(
        columns=columns,
        rows=tuple(_row(view, row, axis) for row in rows),
        caption=caption,
        legend=f"Shaded: in the recommended recipe. Dot: effect at the recipe; ring: at the {view.start}.",
        strong=strong,
    )


def _row(view: View, row: dict[str, Any], axis: Axis) -> tuple[Cell, ...]:
    word = str(row.get("word") or "")
    flags = ", ".join(str(f) for f in row.get("flags") or ())
    at_recipe, at_baseline = (gain_cell(row.get(key), view.scale) for key in ("at_recipe", "at_baseline"))
    return (
        code(str(row.get("technique") or "")),
        Cell(text="●" if row.get("in_recipe") else ""),
        Cell(figure=track(axis, _marks(view, row, word))),
        at_recipe,
        at_baseline,
        Cell(text=probability(row.get("p_helps"))),
        _cost(view, row, "time_ratio", "train_seconds"),
        _cost(view, row, "size_ratio", "bytes"),
        Cell(text=word, detail=flags, tone=TONES.get(word, "muted")),
    )


def _cost(view: View, row: dict[str, Any], key: str, metric: str) -> Cell:
    """A cost's factor; quiet where its interval holds 1, for then the runs do not show that it changes anything."""
    rows = view.inner_rows("screening", "metrics", metric, "effects")
    found = next((estimate(r.get("at_recipe")) for r in rows if r.get("technique") == row.get("technique")), None)
    if found is None or found.low is None or found.high is None:
        return Cell(text=ratio(row.get(key)))
    title = f"[{ratio(found.low)}, {ratio(found.high)}], n = {found.n}"
    return Cell(text=ratio(row.get(key)), title=title, tone="muted" if found.low <= 1 <= found.high else "")


def _marks(view: View, row: dict[str, Any], word: str) -> list[Mark]:
    pairs = (
        (estimate(row.get("at_recipe")), MARKS.get(word, "m-muted"), "dot", 0.36, "at the recipe"),
        (estimate(row.get("at_baseline")), "m-before", "ring", 0.68, f"at the {view.start}"),
    )
    return [
        Mark(value=e.value, low=e.low, high=e.high, style=style, shape=shape, y=y, title=_title(view, e, where))
        for e, style, shape, y, where in pairs
        if e
    ]


def _title(view: View, found: Estimate, where: str) -> str:
    return f"{where}: {view.scale.gain(found)} {view.scale.interval(found)}"


def _collapsed(view: View) -> list[Block]:
    rows = view.inner_rows("screening", "collapsed")
    items = tuple(
        f"{row.get('run') or 'A run'} collapsed to {view.scale.score(row.get('score'))} with "
        f"{', '.join(row.get('techniques') or ()) or 'no technique'}"
        for row in rows
    )
    return [Bullets(items=items, title="Collapsed runs")] if items else []


def _not_tried(view: View) -> list[Block]:
    rows = [*view.inner_rows("screening", "not_tried"), *view.inner_rows("gate", "not_applicable")]
    items = tuple(dict.fromkeys(f"{row.get('technique', '')}: {row.get('reason', '')}" for row in rows))
    return [Fold(summary=f"Not tried: {len(items)}", blocks=(Bullets(items=items),))] if items else []


def _gate(view: View) -> list[Block]:
    reason = view.skipped("gate")
    if reason:
        return [Text(text=f"Stability gate: {reason}", tone="skipped")]
    rows = tuple(
        (
            code(str(row.get("technique") or "as is")),
            Cell(text=view.scale.score(row.get("score"))),
            Cell(text="collapsed" if row.get("collapsed") else "", tone="bad"),
            Cell(text=str(row.get("word") or "")),
        )
        for row in view.inner_rows("gate", "runs")
    )
    columns = (Column(name="One run with"), Column(name=view.scale.label, kind="num"), Column(), Column())
    chosen, note = view.inner("gate", "chosen"), str(view.inner("gate", "note") or "")
    note = note or (f"Chosen: {chosen}." if chosen else "")
    blocks: tuple[Block, ...] = (Table(columns=columns, rows=rows),) if rows else ()
    blocks = (*blocks, Text(text=sentence(note), tone="note")) if note else blocks
    return [Fold(summary=f"Stability gate: {len(rows)} runs", blocks=blocks)] if blocks else []


def _rebuilt(view: View) -> list[Block]:
    """Networks changed as a whole, each in pairs with the baseline; the screen started from one that paid."""
    start = view.inner("screening", "start") or ()
    rows = tuple(
        (
            code(str(row.get("technique") or "")),
            gain_cell(row.get("gain"), view.scale),
            Cell(text=significant(row.get("pairs"))),
            *(Cell(text=ratio(row.get(key))) for key in ("time_ratio", "size_ratio", "operations_ratio")),
            Cell(text="start of the screen" if row.get("technique") in start else "", tone="accent"),
        )
        for row in view.inner_rows("gate", "rebuilt")
    )
    columns = (
        Column(name="Whole network"),
        Column(name=f"Gain in {view.unit}", kind="num"),
        *(Column(name=name, kind="num") for name in ("Pairs", "Time", "Size", "Operations")),
        Column(),
    )
    caption = (
        "In pairs with the baseline on the pilot's splits. The screen starts from the best one where the lower bound "
        "of its gain less its costs (one-sided 80 %) is above zero; the confirmation decides."
    )
    return [Table(columns=columns, rows=rows, caption=caption)] if rows else []


def _design(view: View) -> list[Block]:
    rows = view.inner_rows("screening", "rows")
    factors = [str(f) for f in view.inner("screening", "factors") or ()]
    if not rows or not factors:
        return []
    columns = (
        Column(name="Run", kind="num"),
        *(Column(name=f, kind="mark") for f in factors),
        Column(name="Split", kind="num"),
        Column(name=view.scale.label, kind="num"),
        Column(name="Time", kind="num"),
    )
    table = Table(columns=columns, rows=tuple(_design_row(view, i, row, factors) for i, row in enumerate(rows)))
    return [Fold(summary=f"The {len(rows)} screening runs: which had what", blocks=(table, *promised(view)))]


def _design_row(view: View, index: int, row: dict[str, Any], factors: list[str]) -> tuple[Cell, ...]:
    on = {str(t) for t in row.get("techniques") or ()}
    split = row.get("split")
    return (
        Cell(text=str(index + 1)),
        *(Cell(text="●" if f in on else "·", tone="" if f in on else "muted") for f in factors),
        Cell(text=DASH if split is None else str(split)),
        Cell(text=view.scale.score(row.get("score"))),
        Cell(text=duration(row.get("seconds"))),
    )
