"""R4: a validation set that cannot see the gain that is looked for."""

import math

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R4",
    title="validation too small for the gain that matters",
    source="arithmetic, sqrt(p(1-p)/n) or its bootstrap; tuning playbook on trial variance",
    remedies=("more validation rows", "more splits per comparison (--budget thorough)", "a larger --min-gain"),
    chance=0.1,
)


def check(subject: Subject) -> Finding:
    """Standard error of one validation score against half of the smallest gain that matters."""
    error, worthwhile, n = subject.standard_error, subject.worthwhile, len(subject.data.validation)
    if error is None or not worthwhile:
        return RULE.cannot_tell("no run has a score yet.")
    threshold = subject.thresholds.resolution_share * worthwhile
    said = (
        f"one score on {n} validation rows has a standard error of {error:.2g} {subject.metric.name}; "
        f"the smallest gain that matters is {worthwhile:.2g}"
    )
    figure = {"kind": "bars", "labels": ["standard error", "gain that matters"], "values": [error, worthwhile]}
    figure |= {"unit": subject.metric.name}
    if error <= threshold:
        return RULE.clear(error, threshold, said + ".", figure=figure, n=n)
    needed = math.ceil(n * (error / threshold) ** 2)
    evidence = f"{said}. To see it on one split takes about {needed} rows."
    return RULE.fires(
        error,
        threshold,
        evidence,
        lost=(subject.share(error), "of the error, which the score is uncertain by"),
        figure=figure,
        n=n,
        needed=needed,
    )
