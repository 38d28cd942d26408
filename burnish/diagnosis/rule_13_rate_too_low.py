"""R13: steps so small that the budget ends before the training does."""

import math

import numpy as np

from burnish.diagnosis.rates import RateTest, best_rate, rate_test, rates_and_scores, test_price
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.short_run import short_run
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check", "check_quick", "price"]

RULE = Rule(
    id="R13",
    title="learning rate too low",
    source="Smith, arXiv:1506.01186; tuning playbook (the best point should not lie on the edge of the search)",
    remedies=("a higher learning rate", "Schedule", "more epochs"),
    chance=0.8,
    symptom_of=("P8", "P9", "P11"),
)
price = test_price  # where nobody tuned the rate, a short test at several rates


def check(subject: Subject) -> Finding:
    """What the tuning says; without one, a few steps at larger rates against the whole training at the rate in use."""
    if subject.tuned:
        return check_quick(subject)
    test = rate_test(subject)
    return check_quick(subject) if test is None else _judged(subject, test)


def check_quick(subject: Subject) -> Finding:
    """Whether tuning wanted a larger rate than the one in use, or than any it tried."""
    found = best_rate(subject)
    if found is None:
        return RULE.cannot_tell("the learning rate was not tuned.")
    best, gain, worthwhile, current = found
    tried = rates_and_scores(subject)
    if current is not None and best > current and gain > worthwhile:
        said = f"{best:.2g} scores {gain:.2g} better than the rate in use, {current:.2g}."
        return RULE.fires(gain, worthwhile, said, lost=(subject.share(gain), "gain in the tuning"))
    if best == tried[-1][0] and len(tried) > 2:
        said = f"the largest of {len(tried)} rates tried, {best:.2g}, was the best: larger ones may be better still."
        step = tried[-1][1] - tried[-2][1]
        headroom = subject.share(step) if math.isfinite(step) else 0.0
        return RULE.fires(best, tried[-2][0], said, lost=(headroom, "gain of the last step up in the tuning"))
    return RULE.clear(best, None, f"of {len(tried)} rates tried, {best:.2g} was the best.")


def _judged(subject: Subject, test: RateTest) -> Finding:
    """Fires where a rate far above brings more in a few steps than the one in use does in the whole training.

    Early in a training a larger rate nearly always looks better, so the same number of steps proves nothing.
    """
    limits, best = subject.thresholds, int(np.argmin(test.losses))
    factor, lowest = test.factors[best], test.losses[best]
    ends = [run.curves[-1].get("train_loss", math.nan) for run in subject.finished if run.curves]
    reached = float(np.mean(ends)) if ends else math.nan
    if not math.isfinite(reached) or not math.isfinite(lowest):
        return RULE.cannot_tell("no training with a curve to compare the short test with.")
    saved = (reached - lowest) / max(reached, 1e-9)
    said = (
        f"of rates from {test.rate * test.factors[0]:.2g} to {test.rate * test.factors[-1]:.2g}, "
        f"{test.rate * factor:.2g} ends a short test lowest, at a loss of {lowest:.3g}; a whole training at "
        f"{test.rate:.2g} ends at {reached:.3g}."
    )
    run, small = short_run(subject), False
    if run is not None and run.updates:
        largest = max(run.updates.values())
        said = f"{said.removesuffix('.')}; a step changes no layer by more than {largest:.2g} of its weights."
        small = largest < limits.update_low and factor > 1
    tell = RULE.judge((factor > limits.rate_apart or small) and saved > limits.rate_gain)
    lost = (subject.left * min(max(saved, 0.0), 1.0), "of the error, as far as the loss falls")
    return tell(factor, limits.rate_apart, said, lost=lost, figure=test.figure())
