"""R4: a validation set that cannot see the gain that is looked for."""

import math

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.diagnosis.thresholds import RESOLUTION_SHARE
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R4",
    title="validation too small for the gain that matters",
    source="arithmetic, sqrt(p(1-p)/n) or its bootstrap; tuning playbook on trial variance",
    remedies=("more validation rows", "more splits per comparison (--budget thorough)", "a larger --min-gain"),
)


def check(subject: Subject) -> Finding:
    """Standard error of one validation score against half of the smallest gain that matters."""
    error, worthwhile, n = subject.standard_error, subject.worthwhile, len(subject.data.validation)
    if error is None or not worthwhile:
        return RULE.cannot_tell("no run has a score yet.")
    threshold = RESOLUTION_SHARE * worthwhile
    said = (
        f"one score on {n} validation rows has a standard error of {error:.2g} {subject.metric.name}; "
        f"the smallest gain that matters is {worthwhile:.2g}"
    )
    if error <= threshold:
        return RULE.clear(error, threshold, said + ".", n=n)
    needed = math.ceil(n * (error / threshold) ** 2)
    evidence = f"{said}. To see it on one split takes about {needed} rows."
    return RULE.fires(error, threshold, evidence, n=n, needed=needed)
