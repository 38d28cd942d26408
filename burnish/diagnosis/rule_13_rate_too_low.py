"""R13: steps so small that the budget ends before the training does."""

from burnish.diagnosis.rates import best_rate, rates_and_scores
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R13",
    title="learning rate too low",
    source="Smith, arXiv:1506.01186; tuning playbook (the best point should not lie on the edge of the search)",
    remedies=("a higher learning rate", "Schedule", "more epochs"),
)


def check(subject: Subject) -> Finding:
    """Whether tuning wanted a larger rate than the one in use, or than any it tried."""
    found = best_rate(subject)
    if found is None:
        return RULE.cannot_tell("the learning rate was not tuned.")
    best, gain, worthwhile, current = found
    tried = rates_and_scores(subject)
    if current is not None and best > current and gain > worthwhile:
        said = f"{best:.2g} scores {gain:.2g} better than the rate in use, {current:.2g}."
        return RULE.fires(gain, worthwhile, said)
    if best == tried[-1][0] and len(tried) > 2:
        said = f"the largest of {len(tried)} rates tried, {best:.2g}, was the best: larger ones may be better still."
        return RULE.fires(best, tried[-2][0], said)
    return RULE.clear(best, None, f"of {len(tried)} rates tried, {best:.2g} was the best.")
