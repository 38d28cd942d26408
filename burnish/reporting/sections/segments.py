"""Slices of the examples where what ships does worst."""

from typing import Any

from markupsafe import Markup

from burnish.records import Estimate
from burnish.reporting.document import Cell, Column, Section, Table, Text, score_cell
from burnish.reporting.figures import Mark, track, track_axis, track_head
from burnish.reporting.figures.svg import Axis
from burnish.reporting.format import count, estimate, probability, scale_for
from burnish.reporting.view import View

__all__ = ["segments"]

TITLE = "Weak segments"


def segments(view: View) -> Section:
    """The worst slices, those that are more than chance first."""
    if view.skipped("segments"):
        return Section(id="segments", title=TITLE, blocks=(Text(text=view.skipped("segments"), tone="skipped"),))
    found, rows = view.mapping("segments"), view.inner_rows("segments", "worst")
    weak = sum(bool(row.get("weak")) for row in rows)
    verb = "is" if weak == 1 else "are"
    said = f"Of {found['looked_at']} slices {weak} {verb} worse than the rest by more than chance explains"
    lead = f"{said} (false discovery rate {100 * found['rate']:.0f} %). The shipped model on validation."
    if not rows:
        blocks = (Text(text="No slice has enough examples.", tone="note"),)
        return Section(id="segments", title=TITLE, lead=lead, blocks=blocks)
    errors = [estimate(row.get("error")) for row in rows]
    unit = next((e.unit for e in errors if e), "fraction")
    scale = scale_for("accuracy") if unit == "fraction" else scale_for("rmse", reference=found.get("overall"))
    ends = [v for e in errors if e for v in (e.value, e.low, e.high)]
    axis = track_axis([v for v in ends if v is not None], include=[found.get("overall") or 0.0])
    columns = (
        Column(name="Slice"),
        Column(name="n", kind="num"),
        Column(kind="figure", figure=track_head(axis, factor=scale.factor)),
        Column(name="error", kind="num"),
        Column(name="the rest", kind="num"),
        Column(name="q", kind="num", title="false discovery rate at which the slice would just count as weak"),
    )
    table = Table(
        columns=columns,
        rows=tuple(
            (
                Cell(text=str(row.get("name")), title=str(row.get("kind")), tone="" if row.get("weak") else "muted"),
                Cell(text=count(row.get("n")), tone="muted"),
                Cell(figure=_track(axis, e, row.get("weak"), found.get("overall"))),
                score_cell(row.get("error"), scale, tone="bad" if row.get("weak") else ""),
                Cell(text=scale.bare(row.get("rest")), tone="muted"),
                Cell(text=probability(row.get("q_value")), tone="muted"),
            )
            for row, e in zip(rows, errors, strict=True)
        ),
        caption=f"Error{' in %' if scale.percent else ''}, 95 % intervals over the slice's examples; worst first.",
        legend="Dashed: all examples.",
    )
    return Section(id="segments", title=TITLE, lead=lead, blocks=(table,))


def _track(axis: Axis, e: Estimate | None, weak: Any, overall: Any) -> Markup:
    marks = [] if e is None else [Mark(value=e.value, low=e.low, high=e.high, style="m-bad" if weak else "m-muted")]
    return track(axis, marks, references=[] if overall is None else [(overall, "reference")])
