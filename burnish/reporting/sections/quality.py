"""All metrics before and after, generalization, classes, and which are taken for which."""

from typing import Any

from burnish.records import Estimate
from burnish.reporting.document import (
    Block,
    Cell,
    Column,
    Figure,
    Fold,
    Row,
    Section,
    Table,
    Text,
    gain_cell,
    score_cell,
)
from burnish.reporting.figures import Bin, Mark, confusion_map, reliability_panel, track, track_axis, track_head
from burnish.reporting.figures.confusion import LARGEST
from burnish.reporting.figures.svg import Axis
from burnish.reporting.format import DASH, count, estimate, label, number, scale_for, significant
from burnish.reporting.view import View

__all__ = ["quality"]

TITLE = "Quality"
MANY = 100  # rows of a per-class table; the worst classes stay
WORST = 15  # confused pairs listed
SIDE_BY_SIDE = 13
ARMS = ("before", "after")
NAMES = {"before": "baseline", "after": "shipped"}


def quality(view: View) -> Section:
    """Metrics, generalization, per-class scores and confusion."""
    if view.skipped("quality"):
        return Section(id="quality", title=TITLE, blocks=(Text(text=view.skipped("quality"), tone="skipped"),))
    split = view.inner("quality", "split") or "validation"
    blocks: list[Block] = [*_metrics(view, str(split)), *_generalization(view), *_classes(view)]
    blocks += [*_fitted(view), *_thresholds(view), *_confusion(view), *_reliability(view)]
    lead = f"Baseline and shipped model, one trained network each, on the {split} split; intervals over its examples."
    return Section(id="quality", title=TITLE, lead=lead, blocks=tuple(blocks))


def _metrics(view: View, split: str) -> list[Block]:
    sides = {f"{split}, {NAMES[arm]}": view.inner("quality", arm, "metrics") or {} for arm in ARMS}
    if split != "test":
        sides |= {f"test, {NAMES[arm]}": view.inner("test", "metrics", arm) or {} for arm in ARMS}
    sides = {name: metrics for name, metrics in sides.items() if metrics}
    names = list(dict.fromkeys(name for metrics in sides.values() for name in metrics))
    names.sort(key=lambda name: name != view.metric)
    rows = {
        name: (
            Cell(text=label(name)),
            *(score_cell(side.get(name), _scale(view, name, sides)) for side in sides.values()),
        )
        for name in names
    }
    levels = [e for side in sides.values() for value in side.values() if (e := estimate(value)) and e.low is not None]
    behind = (
        f"{significant(100 * levels[0].level)} % intervals, n = {count(levels[0].n)} {levels[0].of}." if levels else ""
    )
    columns = (Column(name="Metric"), *(Column(name=name, kind="num") for name in sides))
    strong = (0,) if view.metric in names else ()
    main = tuple(row for name, row in rows.items() if not _minor(view, name))
    minor = tuple(row for name, row in rows.items() if _minor(view, name))
    blocks: list[Block] = [Table(columns=columns, rows=main, caption=behind, strong=strong)] if main else []
    if minor:
        blocks.append(Fold(summary=f"{len(minor)} more averages", blocks=(Table(columns=columns, rows=minor),)))
    return blocks


def _minor(view: View, name: str) -> bool:
    """Averages that say little that the others do not."""
    return name.endswith(("_micro", "_weighted")) and name != view.metric


def _scale(view: View, name: str, sides: dict[str, Any]) -> Any:
    if name == view.metric:
        return view.scale
    reference = next((number(side.get(name)) for side in sides.values() if number(side.get(name)) is not None), None)
    examples = int(number(view.inner("data", "validation")) or 0)
    return scale_for(name, reference=reference, examples=examples, unit=view.scale.unit)


def _generalization(view: View) -> list[Block]:
    found = view.inner("quality", "generalization") or {}
    cells = [
        (name, score_cell(found.get(name), view.scale)) for name in ("train", "validation", "test") if found.get(name)
    ]
    if found.get("gap"):
        gap = gain_cell(found.get("gap"), view.scale, unit=True)
        cells.append(("gap", Cell(text=gap.text, detail=gap.detail, title=gap.title)))
    if not cells:
        return []
    columns = (Column(name="Generalization"), *(Column(name=name, kind="num") for name, _ in cells))
    row = (Cell(text=view.scale.label), *(cell for _, cell in cells))
    return [Table(columns=columns, rows=(row,), caption="All measured the same way: no augmentation, evaluation mode.")]


# -- classes --------------------------------------------------------------------------------------


def _classes(view: View) -> list[Block]:
    before, after = (view.inner_rows("quality", arm, "per_class") for arm in ARMS)
    rows = after or before
    if not rows:
        return []
    earlier = {str(row.get("name")): row for row in before} if after else {}
    ordered = sorted(rows, key=lambda row: number(row.get("f1")) or 0.0)
    shown = ordered[:MANY]
    scale = scale_for("f1")
    ends = [estimate(row.get("f1")) for row in (*shown, *(earlier.get(str(r.get("name")), {}) for r in shown))]
    axis = track_axis([v for e in ends if e for v in (e.value, e.low, e.high)])
    columns = (
        Column(name="Class"),
        Column(name="n", kind="num"),
        Column(kind="figure", figure=track_head(axis, factor=100.0)),
        Column(name="F1, baseline", kind="num"),
        Column(name="F1, shipped", kind="num"),
        Column(name="Precision, shipped", kind="num"),
        Column(name="Recall, shipped", kind="num"),
    )
    table = Table(
        columns=columns,
        rows=tuple(_class(row, earlier.get(str(row.get("name")), {}), axis, scale) for row in shown),
        caption=_class_caption(len(ordered), len(shown)),
        legend="Ring: baseline; dot: shipped.",
    )
    return [table] if len(ordered) <= 30 else [Fold(summary=f"All {len(shown)} classes, worst first", blocks=(table,))]


def _class_caption(total: int, shown: int) -> str:
    left = f" {total - shown} better classes are left out here; report.json has all." if total > shown else ""
    return f"F1 in %, worst first, with intervals over the class's examples.{left}"


def _class(row: dict[str, Any], earlier: dict[str, Any], axis: Axis, scale: Any) -> tuple[Cell, ...]:
    now, then = estimate(row.get("f1")), estimate(earlier.get("f1"))
    marks = [*_class_mark(then, "m-before", "ring", 0.68), *_class_mark(now, "m-after", "dot", 0.36)]
    return (
        Cell(text=str(row.get("name"))),
        Cell(text=count(row.get("support")), tone="muted"),
        Cell(figure=track(axis, marks, references=())),
        score_cell(earlier.get("f1"), scale),
        score_cell(row.get("f1"), scale),
        score_cell(row.get("precision"), scale),
        score_cell(row.get("recall"), scale),
    )


def _class_mark(found: Estimate | None, style: str, shape: str, y: float) -> list[Mark]:
    if found is None:
        return []
    return [Mark(value=found.value, low=found.low, high=found.high, style=style, shape=shape, y=y)]


# -- confusion ------------------------------------------------------------------------------------


def _confusion(view: View) -> list[Block]:
    found = {arm: matrix for arm in ARMS if (matrix := view.inner("quality", arm, "confusion"))}
    if not found:
        return []
    size = len(next(iter(found.values())))
    names = [str(name) for name in view.inner("task", "classes") or range(size)]
    names = names if len(names) == size else [str(i) for i in range(size)]
    blocks: list[Block] = []
    if size <= LARGEST:
        shown = found if size <= SIDE_BY_SIDE else dict([list(found.items())[-1]])
        maps = tuple(
            Figure(
                svg=confusion_map(matrix, names, title=f"confusion, {NAMES[arm]}"),
                caption=f"{NAMES[arm]}: rows are the true classes",
            )
            for arm, matrix in shown.items()
        )
        blocks.append(Row(blocks=maps))
    pairs = _worst_pairs(found, names)
    return [*blocks, pairs] if pairs else blocks


def _fitted(view: View) -> list[Block]:
    """The temperature and the threshold between two classes, what they bring, and whether prediction uses them."""
    blocks: list[Block] = []
    for key, name, metric, scale in (
        ("calibration", "temperature", "log loss", scale_for("log_loss")),
        ("threshold", "threshold", view.scale.metric, view.scale),
    ):
        found = view.inner("export", key)
        if not isinstance(found, dict):
            continue
        gain = estimate(found.get("gain"))
        used = f"prediction uses the {name}" if found.get("accepted") else f"prediction does without a {name}"
        said = f"improves {metric} there by {scale.gain(gain)} {scale.interval(gain)}"
        text = f"A {name} of {significant(found.get(name))}, fitted on validation, {said}, cross-fitted; {used}."
        blocks.append(Text(text=text, tone="note"))
    return blocks


def _thresholds(view: View) -> list[Block]:
    """From which probability each label is answered, and what that brings."""
    found = view.inner("export", "thresholds")
    if not isinstance(found, dict):
        return []
    rows = view.inner_rows("quality", "after", "per_class")
    scale = scale_for("f1")
    cells = tuple(
        (
            Cell(text=str(row.get("name"))),
            Cell(text=significant(threshold)),
            score_cell(row.get("f1"), scale),
            Cell(text=scale.score(fitted)),
            Cell(text=significant(row.get("pr_auc"))),
            Cell(text=significant(row.get("roc_auc"))),
        )
        for row, threshold, fitted in zip(rows, found["thresholds"], found["f1"], strict=False)
    )
    names = ("threshold", "F1 at a half", "F1 cross-fitted, validation", "PR AUC", "ROC AUC")
    gain = estimate(found.get("gain"))
    used = "Answers use them" if found.get("accepted") else "Answers use a half"
    said = f"{scale.gain(gain)} {scale.interval(gain)}"
    caption = f"Thresholds fitted on validation, cross-fitted, change macro F1 there by {said}. {used}."
    columns = (Column(name="Label"), *(Column(name=name, kind="num") for name in names))
    return [Table(columns=columns, rows=cells, caption=caption)]


def _reliability(view: View) -> list[Block]:
    """Reliability diagrams of both arms."""
    figures = []
    for arm in ARMS:
        found = view.inner_rows("quality", arm, "reliability")
        rows = [(number(row.get("confidence")), estimate(row.get("rate"))) for row in found]
        bins = [
            Bin(confidence=sure, rate=rate.value, low=rate.low, high=rate.high, n=rate.n)
            for sure, rate in rows
            if sure is not None and rate is not None and rate.low is not None and rate.high is not None
        ]
        if bins:
            drawing = reliability_panel(bins, title=f"reliability, {NAMES[arm]}", style=f"m-{arm}")
            caption = f"{NAMES[arm]}: ten equally large groups by confidence; on the dashed line both agree"
            figures.append(Figure(svg=drawing, caption=caption))
    return [Row(blocks=tuple(figures))] if figures else []


def _worst_pairs(found: dict[str, list[list[int]]], names: list[str]) -> Table | None:
    """The classes most often taken for one another, for Markdown and for tasks too large to draw."""
    matrix = found.get("after") or found["before"]
    wrong = [(row[j], i, j) for i, row in enumerate(matrix) for j in range(len(row)) if i != j and row[j]]
    wrong.sort(key=lambda item: (-item[0], item[1], item[2]))
    if not wrong:
        return None
    columns = (
        Column(name="True"),
        Column(name="Taken for"),
        Column(name="Baseline", kind="num"),
        Column(name="Shipped", kind="num"),
        Column(name="of", kind="num"),
    )

    def times(arm: str, i: int, j: int) -> Cell:
        return Cell(text=count(found[arm][i][j]) if arm in found else DASH)

    rows = tuple(
        (
            Cell(text=names[i]),
            Cell(text=names[j]),
            times("before", i, j),
            times("after", i, j),
            Cell(text=count(sum(matrix[i])), tone="muted"),
        )
        for _, i, j in wrong[: WORST if len(names) > SIDE_BY_SIDE else 5]
    )
    return Table(columns=columns, rows=rows, caption="Most frequent mistakes.")
