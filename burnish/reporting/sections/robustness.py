"""Errors on inputs as they might arrive: by perturbation and severity, of baseline and shipped model."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Figure, Row, Section, Stack, Table, Text, score_cell
from burnish.reporting.figures import Line, line_panel
from burnish.reporting.format import Scale, estimate, number, ratio, scale_for
from burnish.reporting.view import View

__all__ = ["robustness"]

TITLE = "Robustness"
KINDS = {
    "image": "Corruptions and strengths of CIFAR-10-C for small images, of ImageNet-C for large ones.",
    "text": "Slips of the keyboard in, and loss of, 5, 10, 20, 30 and 50 % of the words.",
    "table": "Noise of 0.05 to 0.8 deviations; 5 to 50 % of the cells missing, or of a category never seen.",
    "series": "Noise of 0.05 to 0.8 deviations; a stretch of 5 to 50 % of each series lost.",
}


def robustness(view: View) -> Section:
    """The table of errors, their mean by severity, and the relative error."""
    if view.skipped("robustness"):
        return Section(id="robustness", title=TITLE, blocks=(Text(text=view.skipped("robustness"), tone="skipped"),))
    found = view.mapping("robustness")
    scale = _scale(view, found)
    blocks: list[Block] = [
        Row(blocks=(Stack(blocks=(_summary(found, scale),)), _figure(found, scale))),
        _table(found, scale),
    ]
    lead = (
        f"{str(found.get('what', 'error')).capitalize()} on {found['shipped']['n']} validation examples, perturbed the "
        f"same way for both. {KINDS.get(str(found.get('modality')), '')}"
    )
    return Section(id="robustness", title=TITLE, lead=lead.strip(), blocks=tuple(blocks))


def _scale(view: View, found: dict[str, Any]) -> Scale:
    if found.get("what") == "RMSE":
        return scale_for("rmse", reference=number(found["shipped"]["mean"]), unit=view.scale.unit)
    return scale_for("accuracy")  # a share, in percent


def _summary(found: dict[str, Any], scale: Scale) -> Table:
    columns = (Column(name="Error"), Column(name="baseline", kind="num"), Column(name="shipped", kind="num"))
    rows = [
        (Cell(text=name), *(score_cell(found[arm].get(key), scale) for arm in ("baseline", "shipped")))
        for name, key in (("clean", "clean"), ("all perturbations, all severities", "mean"))
    ]
    relative = estimate(found["shipped"].get("relative"))
    if relative is not None:
        detail = "" if relative.low is None else f"[{ratio(relative.low)}, {ratio(relative.high)}]"
        tone = "good" if relative.high is not None and relative.high < 1 else ""
        tone = "bad" if relative.low is not None and relative.low > 1 else tone
        cells = (Cell(text="relative to the baseline"), Cell(text="×1"))
        rows.append((*cells, Cell(text=ratio(relative.value), detail=detail, tone=tone)))
    caption = "95 % intervals over the examples. Relative: in pairs, mean over perturbations; under 1 is more robust."
    return Table(columns=columns, rows=tuple(rows), caption=caption)


def _figure(found: dict[str, Any], scale: Scale) -> Figure:
    lines = [
        Line(name=arm, points=tuple(_by_severity(found[arm])), style=f"c-{style}")
        for arm, style in (("baseline", "before"), ("shipped", "after"))
    ]
    name = "mean error" + (" in %" if scale.percent else "")
    drawing = line_panel(lines, y_name=name, x_name="severity, 0 is clean", factor=scale.factor)
    return Figure(svg=drawing, caption="Mean over the perturbations.")


def _by_severity(part: dict[str, Any]) -> list[tuple[float, float]]:
    rows, points = part["perturbations"], [(0.0, number(part["clean"]) or 0.0)]
    for place, severity in enumerate(part["severities"]):
        values = [number(row["errors"][place]) or 0.0 for row in rows]
        points.append((float(severity), sum(values) / len(values)))
    return points


def _table(found: dict[str, Any], scale: Scale) -> Table:
    severities = found["shipped"]["severities"]
    columns = (
        Column(name="Perturbation"),
        *(Column(name=str(s), kind="num", title="severity, shipped model") for s in severities),
        Column(name="mean, baseline", kind="num"),
        Column(name="mean, shipped", kind="num"),
        Column(name="relative", kind="num"),
    )
    before = {row["name"]: row for row in found["baseline"]["perturbations"]}
    rows = tuple(
        (
            Cell(text=row["name"]),
            *(Cell(text=scale.bare(e), tone="muted") for e in row["errors"]),
            score_cell(before.get(row["name"], {}).get("mean"), scale),
            score_cell(row["mean"], scale),
            _relative(row.get("relative")),
        )
        for row in found["shipped"]["perturbations"]
    )
    return Table(columns=columns, rows=rows, caption="1 to 5: severity, error of the shipped model.")


def _relative(value: Any) -> Cell:
    found = estimate(value)
    if found is None:
        return Cell()
    tone = "good" if found.high is not None and found.high < 1 else ""
    tone = "bad" if found.low is not None and found.low > 1 else tone
    return Cell(text=ratio(found.value), tone=tone)
