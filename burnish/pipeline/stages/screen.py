"""The designed experiment: every run tells something about every technique."""

import math
from typing import Any

import numpy as np

from burnish.pipeline.factors import applied, factors
from burnish.pipeline.running import spec
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.stages.gate import spread
from burnish.pipeline.stages.pilot import FIRST_SPLIT
from burnish.pipeline.work import Work
from burnish.records import Run
from burnish.studies.collapse import clip_collapsed
from burnish.studies.design import Design, screen_design, signs

__all__ = ["Screened", "screen", "screened"]


def screen(work: Work) -> dict[str, Any]:
    """Run the design over the techniques that apply; the analysis is repeated from the ledger whenever it is needed."""
    gate = work.stage("gate")
    plan = plan_from_base(work.plan, work.base, gate["start"])
    found = factors(plan, norm=None if gate["start"] else gate["norm"], only=work.recipe.only)
    names = found.usable
    if not names:
        note = "no technique applies to this network and task"
        return {
            "runs": [],
            "factors": [],
            "start": gate["start"],
            "not_tried": found.not_tried,
            "note": note,
            "report": {},
        }
    design = design_of(work, names)
    specs = [
        spec(
            "screen",
            int(i),
            base=work.base,
            techniques=gate["start"] + [n for n, on in zip(names, design.rows[i] > 0, strict=True) if on],
            split=FIRST_SPLIT + int(design.blocks[i]),
            seed=work.recipe.seed + 1000 + int(i),
        )
        for i in design.order
    ]
    by_row = dict(zip(design.order.tolist(), work.runner.run(specs), strict=True))
    runs = [by_row[i] for i in range(len(design.rows))]
    return {
        "runs": [r.id for r in runs],
        "factors": names,
        "start": gate["start"],
        "not_tried": found.not_tried,
        "design": design.name,
        "note": "",
        "report": {},
    }


def design_of(work: Work, names: list[str]) -> Design:
    """The design for `names`: a pure function of the study's seed."""
    plan = plan_from_base(work.plan, work.base, work.stage("gate")["start"])

    def feasible(recipe: tuple[bool, ...]) -> bool:
        return applied(plan, [n for n, on in zip(names, recipe, strict=True) if on]) is not None

    return screen_design(len(names), work.budget.screen, work.recipe.seed, feasible=feasible)


class Screened:
    """The screen's runs as arrays on the response scale, pilot included, collapsed runs clipped."""

    def __init__(self, work: Work) -> None:
        stage = work.stage("screen")
        self.names: list[str] = stage["factors"]
        self.start: list[str] = stage["start"]
        self.runs: list[Run] = work.runs("screen")
        self.design = design_of(work, self.names)
        pilot = work.runs("pilot") if not self.start else []
        primary, n = work.data.task.primary, len(work.data.validation_rows)
        scores = np.array([r.score if r.status == "done" else math.nan for r in self.runs])
        baseline = work.stage("pilot")["scores"]
        center = float(np.mean(baseline)) if baseline else math.nan
        clipped, self.collapsed = clip_collapsed(scores, center, primary, spread(baseline))
        self.z = np.array([primary.to_scale(s, n) if math.isfinite(s) else math.nan for s in clipped])
        self.pilot_z = np.array([primary.to_scale(r.score, n) for r in pilot if r.status == "done"])
        self.pilot_blocks = np.array([r.split - FIRST_SPLIT for r in pilot if r.status == "done"], dtype=int)

    def recipes(self) -> np.ndarray:
        """`(n, k)` of -1 and +1."""
        return signs(self.design.rows)


def screened(work: Work) -> Screened:
    """The finished screen as arrays."""
    return Screened(work)
