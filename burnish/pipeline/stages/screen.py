"""The designed experiment: every run tells something about every technique."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from burnish.metrics import Metric
from burnish.pipeline.factors import clashes, factors, feasible_by, settles_norm, techniques_of
from burnish.pipeline.forecast import forecast, spoken_forecast
from burnish.pipeline.running import spec
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.stages.gate import spread
from burnish.pipeline.stages.pilot import FIRST_SPLIT
from burnish.pipeline.work import Work
from burnish.records import Run, from_json
from burnish.studies.analysis import Posterior, fit
from burnish.studies.collapse import clip_collapsed
from burnish.studies.design import Design, Feasible, screen_design
from burnish.studies.levels import Factor

__all__ = ["Screened", "screen", "screened"]


def screen(work: Work) -> dict[str, Any]:
    """Run the design over the techniques that apply; the analysis is repeated from the ledger whenever it is needed."""
    gate, recipe = work.stage("gate"), work.recipe
    plan = plan_from_base(work.plan, work.base, gate["start"])
    found = factors(
        plan,
        norm=gate["norm"],
        only=recipe.only,
        mixed=recipe.levels == "mixed",
        rates=recipe.vary_lr,
        fixed_norm=settles_norm(gate["start"]),
    )
    shared = {"start": gate["start"], "not_tried": found.not_tried, "report": {}}
    if not found.usable:
        note = "nothing is left to screen" if gate["start"] else "no technique applies to this network and task"
        return {"runs": [], "factors": [], "clashes": [], "note": note, **shared}
    bad = clashes(plan, found.usable)
    design = designed(work, found.usable, feasible_by(bad))
    expected = forecast(found.usable, design, pilot=work.budget.pilot)
    work.observer({"event": "plan", "lines": spoken_forecast(work, expected)})
    specs = [
        spec(
            "screen",
            int(i),
            base=work.screening,
            traits=True,
            techniques=gate["start"] + techniques_of(found.usable, design.recipes()[i]),
            split=FIRST_SPLIT + int(design.blocks[i]),
            seed=recipe.seed + 1000 + int(i),
        )
        for i in design.order
    ]
    by_row = dict(zip(design.order.tolist(), work.runner.run(specs), strict=True))
    return {
        "runs": [by_row[i].id for i in range(len(design.rows))],
        "factors": [asdict(factor) for factor in found.usable],
        "clashes": bad,
        "design": expected,
        "note": "",
        **shared,
    }


def designed(work: Work, found: list[Factor], feasible: Feasible) -> Design:
    """The design for the factors `found`: a pure function of the study's seed."""
    levels = [1 + len(factor.levels) for factor in found]
    return screen_design(len(found), work.budget.screen, work.recipe.seed, levels=levels, feasible=feasible)


class Screened:
    """The screen's runs as arrays, on the response scale of whatever was measured.

    Further runs of the network that the screen starts from stand beside them, the pilot's or, of another network, the
    gate's; unless the screen was shortened to keep to a time.
    """

    def __init__(self, work: Work) -> None:
        stage = work.stage("screen")
        self.factors = [from_json(Factor, factor) for factor in stage["factors"]]
        self.start: list[str] = stage["start"]
        self.runs: list[Run] = work.runs("screen")
        self.feasible = feasible_by(stage["clashes"])
        self.design = designed(work, self.factors, self.feasible)
        self.primary, self.examples = work.data.task.primary, len(work.data.validation_rows)
        self.shortened = work.screening != work.base
        unchanged = [run for run in work.runs("gate" if self.start else "pilot") if list(run.techniques) == self.start]
        self.pilot = [run for run in unchanged if run.status == "done" and not self.shortened]
        self.pilot_blocks = np.array([run.split - FIRST_SPLIT for run in self.pilot], dtype=int)
        baseline = work.stage("pilot")["scores"]
        worst = -math.inf if self.primary.greater_is_better else math.inf
        scores = [worst if run.status == "diverged" else _score(run, self.primary.name) for run in self.runs]
        center = float(np.mean(baseline)) if baseline else math.nan
        if self.shortened:  # the pilot was not: what is usual shows in the screen itself
            center = float(np.nanmedian([s if math.isfinite(s) else math.nan for s in scores] or [math.nan]))
        clipped, self.collapsed = clip_collapsed(scores, center, self.primary, spread(baseline))
        self.z = self._scaled(clipped, self.primary)
        self.pilot_z = self._scaled([run.score for run in self.pilot], self.primary)

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of levels of each factor, off included."""
        return tuple(1 + len(factor.levels) for factor in self.factors)

    @property
    def techniques(self) -> list[str]:
        """Notations of all levels, nuisances apart."""
        return [text for factor in self.factors if not factor.nuisance for text in factor.levels]

    @property
    def failed(self) -> np.ndarray:
        """`(n,)` runs that ended without a result."""
        return ~np.isfinite(self.z)

    def responses(self, measure: Callable[[Run], float], metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """What `measure` finds in the finished runs of screen and pilot, on the scale of `metric`; else NaN."""
        screen, pilot = (
            self._scaled([measure(run) if run.status == "done" else math.nan for run in runs], metric)
            for runs in (self.runs, self.pilot)
        )
        return screen, pilot

    def fitted(self, z: np.ndarray, pilot_z: np.ndarray, **grid: Any) -> Posterior:
        """The model of the responses `z`.

        Raises:
            UsageError: fewer than 3 runs have one.
        """
        return fit(
            self.design.rows,
            z,
            self.design.blocks,
            levels=self.levels,
            pilot_z=pilot_z,
            pilot_blocks=self.pilot_blocks,
            **grid,
        )

    def _scaled(self, values: Any, metric: Metric) -> np.ndarray:
        return np.array([metric.to_scale(v, self.examples) if math.isfinite(v) else math.nan for v in values])


def screened(work: Work) -> Screened:
    """The finished screen as arrays."""
    return Screened(work)


def _score(run: Run, name: str) -> float:
    return run.scores.get(name, math.nan) if run.status == "done" else math.nan
