"""What a recipe is worth: its score less what it costs, so that nothing enters that gains nothing.

The costs are those that are the same on every machine and in every repetition: operations and bytes as counted, and
how many techniques there are. Measured seconds differ from run to run, and with them the recipe would.
"""

import math
from collections.abc import Callable

import numpy as np

from burnish.pipeline.work import Work
from burnish.records import Run
from burnish.techniques import CATALOGUE

__all__ = ["OPERATIONS", "SERVING", "SIZE", "TECHNIQUE", "cost_of", "response", "worth_of"]

# What a cost must bring at least, in units of --min-gain, the smallest gain that matters.
OPERATIONS = 0.5  # twice the operations, which is twice the time in training and in use
SIZE = 0.25  # twice the bytes
SERVING = 0.25  # a technique that changes the network that ships: another layer or function to compute
TECHNIQUE = 0.05  # any technique: of equals, the shorter recipe


def worth_of(work: Work) -> Callable[[Run, float], float]:
    """`(run, response) -> response less costs`, both on the response scale; the baseline's costs are nothing."""
    step, pilot = _smallest_gain(work), [run for run in work.runs("pilot") if run.cost]
    baseline = pilot[0] if pilot else None

    def worth(run: Run, response: float) -> float:
        return response - step * cost_of(run, baseline)

    return worth


def response(work: Work, run: Run) -> float:
    """The score of `run` on the response scale; NaN where it has none."""
    if run.status != "done" or not math.isfinite(run.score):
        return math.nan
    return work.data.task.primary.to_scale(run.score, len(work.data.validation_rows))


def cost_of(run: Run, baseline: Run | None) -> float:
    """Costs of a run's recipe against the baseline's, in units of the smallest gain that matters."""
    judged = [CATALOGUE[text.partition("(")[0]] for text in run.techniques]
    judged = [technique for technique in judged if technique.kind != "nuisance"]
    cost = TECHNIQUE * len(judged) + SERVING * sum(technique.alters_serving for technique in judged)
    for name, weight in (("operations", OPERATIONS), ("bytes", SIZE)):
        mine, base = (getattr(r.cost, name, None) if r is not None else None for r in (run, baseline))
        cost += weight * math.log2(mine / base) if mine and base else 0.0
    return cost


def _smallest_gain(work: Work) -> float:
    """The smallest gain that matters at the baseline's level, on the response scale."""
    primary, n = work.data.task.primary, len(work.data.validation_rows)
    scores = work.stage("pilot")["scores"]
    if not scores:
        return 0.0
    level, gain = float(np.mean(scores)), work.stage("pilot")["min_gain"]
    better = level + gain if primary.greater_is_better else level - gain
    if primary.bounded and not 0 <= better <= 1:
        level, better = (level - gain, level) if primary.greater_is_better else (level + gain, level)
    return primary.to_scale(better, n) - primary.to_scale(level, n)
