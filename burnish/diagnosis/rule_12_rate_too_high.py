"""R12: steps so large that the training jumps about, diverges, or does better with a smaller rate."""

import math
from dataclasses import replace
from typing import Any

from burnish.diagnosis.rates import best_rate, rate_test, rates_and_scores, test_price
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.short_run import short_run
from burnish.diagnosis.subject import Subject
from burnish.records import Finding, Run

__all__ = ["check", "check_quick", "price"]

RULE = Rule(
    id="R12",
    title="learning rate too high",
    source="tuning playbook, Determining instability; CS231n, ratio of update to weight; limits heuristic",
    remedies=("a lower learning rate", "Schedule", "GradientClip", "BatchNorm", "GroupNorm"),
    chance=0.8,
    symptom_of=("P11",),
)
UPDATE_CHANCE = 0.4  # with Adam some networks bear it
SPIKE_CHANCE = 0.5  # a single jump may have other reasons
price = test_price  # where nobody tuned the rate, a short test at several rates


def check(subject: Subject) -> Finding:
    """What the runs and the tuning say; without a tuning, a few steps at a tenth of the rate against as many at it.

    Those steps are watched too: how large they are against the weights.
    """
    found = check_quick(subject)
    if found.state == "fires" or subject.tuned:
        return found
    test = rate_test(subject)
    if test is None:
        return found
    judged = _judged(subject, test)
    return judged if judged.state == "fires" else _by_updates(subject, judged)


def check_quick(subject: Subject) -> Finding:
    """Runs that diverged or ran away, spikes of the training loss, and whether tuning wanted a smaller rate."""
    if not subject.runs and not subject.tuned:
        return RULE.cannot_tell("no run and no tuning yet.")
    diverged, limits = sum(run.status == "diverged" for run in subject.runs), subject.thresholds
    if diverged:
        said = f"{diverged} of {len(subject.runs)} runs ended with a loss that is not finite."
        share = diverged / len(subject.runs)
        return RULE.fires(
            diverged, 0.0, said, lost=(share, "of the runs, all of whose error is lost"), diverged=diverged
        )
    lower = _wants_lower(subject)
    if lower:
        measured, threshold, said, headroom = lower
        return RULE.fires(measured, threshold, said, lost=(headroom, "gain in the tuning"))
    lost = (subject.left, "of the error, taken as due to the jumps")
    spike = max((_spike(run) for run in subject.runs), default=1.0)
    blown = max((_blown(subject, run) for run in subject.runs), default=0.0)
    if blown > limits.blown:
        said = f"in its last epoch a training had {blown:.2g} times the loss of knowing nothing: its weights ran off."
        return RULE.fires(blown, limits.blown, said, lost=lost)
    if spike > limits.spike:
        said = f"the training loss of an epoch rose to {spike:.1f} times its lowest value before."
        return RULE.fires(spike, limits.spike, said, lost=lost, chance=SPIKE_CHANCE)
    return RULE.clear(spike, limits.spike, f"no run diverged; the largest rise of the training loss is ×{spike:.2f}.")


def _judged(subject: Subject, test: Any) -> Finding:
    """Losses of the short test: at a lower rate they must not be much lower."""
    here, lower = test.loss(1.0), test.loss(0.1)
    limit = subject.thresholds.rate_gain
    saved = 1.0 if not math.isfinite(here) else (here - lower) / max(here, 1e-9)
    rate = test.rate * 0.1
    said = (
        f"a short test ends at a loss of {here:.3g} with the rate in use, {test.rate:.2g}; {lower:.3g} with {rate:.2g}."
    )
    tell = RULE.judge(saved > limit and math.isfinite(lower))
    lost = (subject.left * min(max(saved, 0.0), 1.0), "of the error, as in the short test")
    return tell(saved, limit, said, lost=lost, figure=test.figure())


def _by_updates(subject: Subject, judged: Finding) -> Finding:
    """`judged`, unless the steps of the layer that moves most are too large against its weights."""
    run, limit = short_run(subject), subject.thresholds.update_high
    if run is None or not run.updates:
        return judged
    layer = max(run.updates, key=lambda name: run.updates[name])
    largest, said = run.updates[layer], judged.evidence.removesuffix(".")
    said += f"; a step changes {layer} by {run.updates[layer]:.2g} of its weights."
    if largest <= limit:
        return replace(judged, evidence=said, detail=judged.detail | {"update": largest})
    lost = (subject.left, "of the error, taken as due to steps this large")
    chance = UPDATE_CHANCE
    return RULE.fires(largest, limit, said, lost=lost, chance=chance, figure=judged.figure, update=largest)


def _wants_lower(subject: Subject) -> tuple[float, float, str, float] | None:
    found = best_rate(subject)
    if found is None:
        return None
    best, gain, worthwhile, current = found
    tried = rates_and_scores(subject)
    if current is not None and best < current and gain > worthwhile:
        said = f"{best:.2g} scores {gain:.2g} better than the rate in use, {current:.2g}."
        return gain, worthwhile, said, subject.share(gain)
    if best == tried[0][0] and len(tried) > 2:
        said = f"the smallest of {len(tried)} rates tried, {best:.2g}, was the best: smaller ones may be better still."
        return best, tried[1][0], said, subject.share(_last_step(tried[1][1], tried[0][1]))
    return None


def _last_step(before: float, best: float) -> float:
    """What the last step towards the edge of the search brought: the next may bring as much."""
    return best - before if math.isfinite(before) else 0.0


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
