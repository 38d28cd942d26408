"""The baseline: how it was set, and the network's layers."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Facts, Fold, Section, Table, Text, code
from burnish.reporting.format import DASH, bytes_text, count, duration, estimate, number, short_count, significant
from burnish.reporting.view import View

__all__ = ["network"]

TITLE = "The baseline and its network"
MANY = 400


def network(view: View) -> Section:
    """Recipe, tuning, size and layers of the baseline."""
    if view.skipped("baseline"):
        return Section(id="network", title=TITLE, blocks=(Text(text=view.skipped("baseline"), tone="skipped"),))
    blocks: list[Block] = [Facts(items=_facts(view)), *_tuned(view), *_layers(view)]
    lead = "Every gain is against this recipe, trained as long and on the same splits."
    return Section(id="network", title=TITLE, lead=lead, blocks=tuple(blocks))


def network_cell(view: View) -> Cell:
    """Name of the network and, where it says more, where it comes from."""
    name, source = view.network, str(view.inner("baseline", "source") or "")
    return Cell(text=name or DASH, detail="" if source == name else source)


def _facts(view: View) -> tuple[tuple[str, Cell], ...]:
    baseline, scale = view.mapping("baseline"), view.scale
    score = estimate(baseline.get("score"))
    behind = f"n = {score.n} {score.of}" if score and score.n else ""
    items = [
        ("Network", network_cell(view)),
        ("Start", Cell(text="trained weights" if baseline.get("trained") else "fresh weights for every seed")),
        (f"{scale.label}, pilot", Cell(text=scale.score(score), detail=f"{scale.interval(score)} {behind}".strip())),
        ("Untouched network", Cell(text=scale.score(baseline.get("untouched")))),
        ("Noise of one run (sigma)", Cell(text=scale.gain(baseline.get("sigma")).lstrip("+"))),
        ("Parameters", Cell(text=count(baseline.get("parameters")))),
        ("Operations per example", Cell(text=short_count(baseline.get("operations")))),
        ("Size", Cell(text=bytes_text(baseline.get("bytes")))),
        ("Training time of a run", Cell(text=duration(baseline.get("train_seconds")))),
        ("Most memory in training", Cell(text=bytes_text(baseline.get("peak_memory")))),
    ]
    recipe = baseline.get("recipe")
    for name, value in recipe.items() if isinstance(recipe, dict) else ():
        if value not in (None, "", [], {}, "None"):
            items.append((name.replace("_", " "), Cell(text=_plain(value), tone="code")))
    return tuple((name, cell) for name, cell in items if cell.text not in (DASH, ""))


def _plain(value: Any) -> str:
    plain = number(value)
    return significant(plain) if plain is not None else str(value)


def _tuned(view: View) -> list[Block]:
    rows = view.inner_rows("baseline", "tuned")
    columns = (
        Column(name="Learning rate", kind="num"),
        Column(name=view.scale.label, kind="num"),
        Column(name="Best epoch", kind="num"),
    )
    best = max(rows, key=lambda r: _worth(view, r.get("score")), default=None)
    cells = tuple(
        (
            Cell(text=_rate(r.get("lr"))),
            Cell(text=view.scale.score(r.get("score"))),
            Cell(text=count(r.get("best_epoch"))),
        )
        for r in rows
    )
    strong = tuple(i for i, row in enumerate(rows) if row is best)
    table = Table(columns=columns, rows=cells, strong=strong)
    return [Fold(summary=f"Learning rates tried: {len(rows)}", blocks=(table,))] if rows else []


def _rate(value: Any) -> str:
    plain = number(value)
    return DASH if plain is None else f"{plain:.3g}"


def _worth(view: View, value: Any) -> float:
    plain = number(value)
    if plain is None:
        return float("-inf")
    return plain if view.greater_is_better else -plain


def _layers(view: View) -> list[Block]:
    rows = view.inner_rows("baseline", "layers")
    batch = len({str((row.get("output_shape") or [None])[0]) for row in rows}) == 1 < len(rows)
    columns = (
        Column(name="Layer"),
        Column(name="Type"),
        Column(name="Output", kind="num"),
        Column(name="Parameters", kind="num"),
        Column(name="Operations", kind="num"),
    )
    cells = tuple(
        (
            code(str(row.get("path") or "")),
            Cell(text=str(row.get("type") or "")),
            Cell(text=_shape(row.get("output_shape"), batch=batch)),
            Cell(text=count(row.get("parameters"))),
            Cell(text=short_count(row.get("operations"))),
        )
        for row in rows[:MANY]
    )
    left = f"The first {MANY} of {len(rows)}; report.json has all." if len(rows) > MANY else ""
    table = Table(columns=columns, rows=cells, caption=left)
    return [Fold(summary=f"{len(rows)} layers", blocks=(table,))] if rows else []


def _shape(value: Any, *, batch: bool) -> str:
    """A shape; the size of the batch it was measured with is of no interest."""
    if not isinstance(value, list):
        return str(value or DASH)
    return " × ".join(["n", *map(str, value[1:])] if batch else map(str, value))
