"""How baseline and winner learned."""

from typing import Any

from burnish.reporting.document import Block, Figure, Row, Section, Text
from burnish.reporting.figures import Line, line_panel
from burnish.reporting.format import number
from burnish.reporting.view import View

__all__ = ["curves"]

TITLE = "Learning curves"
LEGEND = "The axis of the score leaves out the first epochs."
ARMS = (("baseline", "baseline", "before"), ("winner", "winner", "after"))


def curves(view: View) -> Section:
    """Loss and primary metric by epoch."""
    if view.skipped("curves"):
        return Section(id="curves", title=TITLE, blocks=(Text(text=view.skipped("curves"), tone="skipped"),))
    arms = _arms(view)
    loss = [
        Line(name=f"{arm}{what}", points=points(view.inner_rows("curves", arm_key), key), style=f"c-{style}{dash}")
        for arm, arm_key, style in arms
        for key, what, dash in (("train_loss", ", training", " dashed"), ("loss", "", ""))
    ]
    score = [
        Line(name=arm, points=points(view.inner_rows("curves", arm_key), view.metric), style=f"c-{style}")
        for arm, arm_key, style in arms
    ]
    panels = tuple(
        Figure(svg=line_panel(lines, y_name=name, factor=factor, log=lines is loss, settled=lines is score))
        for lines, name, factor in (
            (score, f"{view.scale.label} on validation" + (" in %" if view.scale.percent else ""), view.scale.factor),
            (loss, "loss on validation, dashed on training", 1.0),
        )
        if any(line.points for line in lines)
    )
    lead = (
        "One run each, measured at the end of every epoch. Training losses are those that were minimized: label "
        "smoothing or mixing raises them without harm."
    )
    blocks: tuple[Block, ...] = (Row(blocks=panels),) if panels else (Text(text="No curves recorded.", tone="skipped"),)
    return Section(
        id="curves", title=TITLE, lead=lead if panels else "", legend=LEGEND if panels else "", blocks=blocks
    )


def _arms(view: View) -> tuple[tuple[str, str, str], ...]:
    """Name, key and style of each arm; one where the baseline itself ships."""
    if view.inner("curves", "baseline") == view.inner("curves", "winner"):
        return (("baseline, which ships", "baseline", "before"),)
    return ARMS


def points(rows: list[dict[str, Any]], key: str) -> tuple[tuple[float, float], ...]:
    """`(epoch, value)` where both are known."""
    pairs = ((number(row.get("epoch")), number(row.get(key))) for row in rows)
    return tuple((epoch, value) for epoch, value in pairs if epoch is not None and value is not None)
