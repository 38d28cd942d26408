"""P10: a metric whose direction contradicts what it measures, so that every choice picks the worst."""

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

Array = np.ndarray
SURE = 0.9  # probability given to the class that is answered
RULE = Rule(
    id="P10",
    title="metric with the wrong direction",
    source="arithmetic: right answers must score better than answers at random",
    remedies=("turn greater_is_better of the metric round", "--metric with a named metric"),
    chance=0.9,
)


def check(subject: Subject) -> Finding:
    """Gain of the primary metric from answers at random to right answers, on the validation targets."""
    task, metric, targets = subject.data.task, subject.metric, subject.data.validation.targets
    shuffled = np.random.default_rng(0).permutation(targets)
    right, wrong = metric(_answers(subject, targets), targets), metric(_answers(subject, shuffled), targets)
    gain = metric.gain(wrong, right)
    word = "greater" if metric.greater_is_better else "smaller"
    said = f"{metric.name} ({word} is better) is {right:.4g} for right answers and {wrong:.4g} for answers at random"
    if not np.isfinite(gain) or gain == 0:
        return RULE.cannot_tell(f"{said}: it does not tell them apart.")
    if gain < 0:
        lost = (1.0, "of the error: every choice takes the worse")
        return RULE.fires(gain, 0.0, f"{said}: its direction is wrong.", lost=lost, kind=task.kind)
    return RULE.clear(gain, 0.0, said + ".")


def _answers(subject: Subject, targets: Array) -> Array:
    """`targets` as predictions: fairly sure probabilities of classes, else the values themselves."""
    if not subject.is_classification:
        return np.asarray(targets, dtype=float)
    classes = subject.data.task.outputs
    answers = np.full((len(targets), classes), (1 - SURE) / max(classes - 1, 1))
    answers[np.arange(len(targets)), targets] = SURE
    return answers
