"""R12: steps so large that the training jumps about, diverges, or does better with a smaller rate."""

import math

from burnish.diagnosis.rates import best_rate, rates_and_scores
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.diagnosis.thresholds import BLOWN, SPIKE
from burnish.records import Finding, Run

__all__ = ["check"]

RULE = Rule(
    id="R12",
    title="learning rate too high",
    source="tuning playbook, Determining instability; spike of 2 heuristic",
    remedies=("a lower learning rate", "Schedule", "GradientClip", "BatchNorm", "GroupNorm"),
)


def check(subject: Subject) -> Finding:
    """Runs that diverged or ran away, spikes of the training loss, and whether tuning wanted a smaller rate."""
    if not subject.runs and not subject.tuned:
        return RULE.cannot_tell("no run and no tuning yet.")
    diverged = sum(run.status == "diverged" for run in subject.runs)
    if diverged:
        said = f"{diverged} of {len(subject.runs)} runs ended with a loss that is not finite."
        return RULE.fires(diverged, 0.0, said, diverged=diverged)
    lower = _wants_lower(subject)
    if lower:
        return RULE.fires(*lower)
    spike = max((_spike(run) for run in subject.runs), default=1.0)
    if spike > SPIKE:
        said = f"the training loss of an epoch rose to {spike:.1f} times its lowest value before."
        return RULE.fires(spike, SPIKE, said)
    blown = max((_blown(subject, run) for run in subject.runs), default=0.0)
    if blown > BLOWN:
        said = f"in its last epoch a training had {blown:.2g} times the loss of knowing nothing: its weights ran off."
        return RULE.fires(blown, BLOWN, said)
    return RULE.clear(spike, SPIKE, f"no run diverged; the largest rise of the training loss is ×{spike:.2f}.")


def _wants_lower(subject: Subject) -> tuple[float, float, str] | None:
    found = best_rate(subject)
    if found is None:
        return None
    best, gain, worthwhile, current = found
    tried = rates_and_scores(subject)
    if current is not None and best < current and gain > worthwhile:
        return gain, worthwhile, f"{best:.2g} scores {gain:.2g} better than the rate in use, {current:.2g}."
    if best == tried[0][0] and len(tried) > 2:
        said = f"the smallest of {len(tried)} rates tried, {best:.2g}, was the best: smaller ones may be better still."
        return best, tried[1][0], said
    return None


def _blown(subject: Subject, run: Run) -> float:
    """Training loss of the last epoch against that of equal probabilities, or of the mean; 0 where it is unknown."""
    if subject.plan is not None and subject.plan.loss is not None and subject.plan.loss.function is not None:
        return 0.0
    nothing = math.log(subject.data.task.outputs) if subject.is_classification else 1.0
    loss = run.curves[-1].get("train_loss", 0.0) if run.curves else 0.0
    return loss / max(nothing, 1e-3)


def _spike(run: Run) -> float:
    """The largest training loss of an epoch against the lowest before it."""
    worst, lowest = 1.0, math.inf
    for line in run.curves:
        loss = line.get("train_loss", math.nan)
        if math.isfinite(lowest) and lowest > 1e-3:  # relative rises of almost nothing mean nothing
            worst = max(worst, loss / lowest)
        lowest = min(lowest, loss) if loss > 0 else lowest
    return worst
