"""What a study would do: its runs, their price, and what they could show, before anything is trained."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.pipeline.factors import Factors, clashes, factors, feasible_by, norms, rebuilding, settles_norm
from burnish.pipeline.forecast import forecast, run_table, spoken_forecast
from burnish.pipeline.main_job import STUDY
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.stages.pilot import FIRST_SPLIT, smallest_detectable_gain
from burnish.pipeline.stages.prepare import prepare
from burnish.pipeline.stages.screen import designed
from burnish.pipeline.work import Work, opened

if TYPE_CHECKING:
    from burnish.pipeline.work import Observer
    from burnish.plan import Plan

__all__ = ["dry_run"]


def dry_run(recipe: Recipe, root: Path, observer: "Observer", *, plan: "Plan | None" = None) -> dict[str, Any]:
    """Print the study's runs, price, aliases and power; return the report so far with the design as `forecast`."""
    from burnish.reporting import build_report

    with opened(recipe, root, observer, plan=plan, ahead=dict.fromkeys(STUDY)) as work:
        known = work.ledger.stage("prepare")
        if known is None:
            work.ledger.once("prepare", lambda: prepare(work))
        else:
            observer({"event": "plan", "lines": known["plan"]})
        found = _expected(work)
        rebuilt = rebuilding(work.plan, recipe.only)
        observer({"event": "plan", "lines": _rebuilt(work, rebuilt)})
        found.not_tried += rebuilt.not_tried
        if not found.usable:
            nothing = "nothing is left to screen" if rebuilt.usable else "no technique applies to this network and task"
            observer({"event": "plan", "lines": [nothing, *(_left_out(reason) for reason in found.not_tried)]})
            return build_report(work.ledger) | {"forecast": None, "not_tried": found.not_tried}
        bad = clashes(_plan(work), [replace(f, name=f.levels[0]) for f in found.usable])
        design = designed(work, found.usable, feasible_by(bad))
        expected = forecast(found.usable, design, pilot=work.budget.pilot)
        lines = [*spoken_forecast(work, expected), _confirmation(work), "the screen, in the order of its runs:"]
        lines += [*run_table(expected, FIRST_SPLIT), *(_left_out(reason) for reason in found.not_tried)]
        observer({"event": "plan", "lines": lines})
        return build_report(work.ledger) | {"forecast": expected, "not_tried": found.not_tried}


def _rebuilt(work: Work, rebuilt: Factors) -> list[str]:
    return [
        f"{text}: {work.budget.pilot} runs before the screen, in pairs with the pilot; where it pays, all that follows "
        "starts from it"
        for text in rebuilt.techniques
    ]


def _plan(work: Work) -> "Plan":
    gate = work.ledger.stage("gate")
    return plan_from_base(work.plan, work.base, gate["start"]) if gate else work.plan


def _expected(work: Work) -> Factors:
    """The factors as they will be; where the gate has not chosen the normalization yet, the factor says so."""
    recipe, gate = work.recipe, work.ledger.stage("gate")
    choices = norms(_plan(work), recipe.only).techniques if gate is None else []
    found = factors(
        _plan(work),
        norm=gate["norm"] if gate else next(iter(choices), None),
        only=recipe.only,
        mixed=recipe.levels == "mixed",
        rates=recipe.vary_lr,
        fixed_norm=bool(gate and settles_norm(gate["start"])),
    )
    if len(choices) > 1 and recipe.levels != "mixed":
        named = f"{' or '.join(choices)}, as the gate decides"
        found.usable = [replace(f, name=named) if f.levels == (choices[0],) else f for f in found.usable]
    return found


def _confirmation(work: Work) -> str:
    """The smallest gain that the confirmation finds, in units of the noise of one run, or in the metric's own."""
    pilot = work.ledger.stage("pilot")
    scores = pilot["scores"] if pilot else []
    known = len(scores) > 1
    least = smallest_detectable_gain(work, scores if known else [0.0, math.sqrt(2)]) or 0.0  # the latter vary by 1
    gain = f"{least:.2g}" if known else f"{least:.1f} times the noise of one run"
    text = f"confirmation: with 80 % power up to {max(work.budget.looks)} pairs find a recipe that gains {gain}"
    n = len(work.data.validation_rows)
    if known or not work.data.task.primary.bounded:
        return text
    return f"{text}; {n} validation examples alone make a score of 90 % vary by {100 * math.sqrt(0.09 / n):.1f} points"


def _left_out(reason: dict[str, str]) -> str:
    return f"not tried: {reason['technique']}: {reason['reason']}"
