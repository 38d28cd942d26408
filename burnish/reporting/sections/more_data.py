"""What more training rows would bring."""

from burnish.reporting.document import Cell, Column, Figure, Row, Section, Stack, Table, Text, score_cell
from burnish.reporting.figures import growth_panel
from burnish.reporting.format import Scale, count, estimate, number, scale_for
from burnish.reporting.view import View

__all__ = ["more_data"]

TITLE = "More data"


def more_data(view: View) -> Section:
    """The learning curve over training rows, its power law and the forecast for twice as many."""
    if view.skipped("learning_curve"):
        text = view.skipped("learning_curve")
        return Section(id="more-data", title=TITLE, blocks=(Text(text=text, tone="skipped"),))
    found = view.mapping("learning_curve")
    scale, sizes, errors = _scale(view), [int(s) for s in found["sizes"]], found["errors"]
    ahead, gain = estimate(found["forecast"]), estimate(found["gain"])
    assert ahead is not None
    a, b, c = (number(found.get(key)) or 0.0 for key in "abc")
    drawing = growth_panel(
        sizes,
        errors,
        lambda rows: a * rows**-b + c,
        forecast=(ahead.value, number(ahead.low) or ahead.value, number(ahead.high) or ahead.value),
        y_name="error" + (" in %" if scale.percent else ""),
        factor=scale.factor,
    )
    columns = tuple(Column(name=name, kind="num") for name in ("training rows", "error", "runs"))
    rows = [
        (Cell(text=count(size)), Cell(text=scale.score(sum(row) / len(row))), Cell(text=str(len(row)), tone="muted"))
        for size, row in zip(sizes, errors, strict=True)
    ]
    last = Cell(text="forecast", tone="muted")
    rows.append((Cell(text=count(2 * sizes[-1])), score_cell(found["forecast"], scale), last))
    said = f"Twice the rows would lower the error by {scale.gain(gain).lstrip('+')} {scale.interval(gain)}."
    if not found.get("monotone", True):
        said += " More rows made it worse in between, by more than the seeds explain: the forecast is doubtful."
    measured = f"; error is 1 − {view.scale.label}." if view.greater_is_better else "."
    lead = f"{said} What ships, trained for as many steps on parts of the rows{measured}"
    caption = f"Power law {a:.3g} · n^−{b:.2f} + {c:.3g}; the interval holds if the law does."
    table = Table(columns=columns, rows=tuple(rows), caption=caption)
    figure = Figure(svg=drawing, caption="Dots: runs; ring: forecast.")
    return Section(id="more-data", title=TITLE, lead=lead, blocks=(Row(blocks=(figure, Stack(blocks=(table,)))),))


def _scale(view: View) -> Scale:
    examples = int(number(view.inner("data", "validation")) or 0)
    return scale_for("accuracy", examples=examples) if view.scale.percent else view.scale
