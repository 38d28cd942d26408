"""R2: a network that a simple model matches has not learned from what makes it a network."""

from burnish.data.data import Data
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.quality import aligned
from burnish.evaluation.simple import AVERAGE, LINEAR, simple_predictions, some
from burnish.records import Finding

__all__ = ["check", "simple_scores"]

BASELINE_ROWS = 2000
RULE = Rule(
    id="R2",
    title="no better than a simple baseline",
    source="deepchecks, Simple Model Comparison (gain of 0.1); Karpathy 2019",
    remedies=("check labels, loss and learning rate", "more epochs", "BatchNorm", "Schedule", "a pretrained network"),
    chance=0.4,
    quick=False,
    symptom_of=("P4", "P5", "P7", "P8", "P9", "P11", "P12", "R5", "R6", "R8", "R12", "R13", "R14", "R15", "R16"),
)
BY_THE_DATA = ("R9", "R11", "R23")  # what simple models suffer from as much: no fault of a network
UNLEARNABLE_CHANCE = 0.7  # that nothing at all can be learned has few causes
UNLEARNABLE = ("check that labels belong to their inputs", "better inputs", "more data")


def check(subject: Subject) -> Finding:
    """Share of the way from the better simple model to a perfect score that the network has gone."""
    if subject.score is None:
        return RULE.cannot_tell("no run has a score yet.")
    scores, metric = simple_scores(subject.data), subject.metric
    name = max(scores, key=lambda n: metric.gain(0, scores[n]))
    perfect = 1.0 if metric.greater_is_better else 0.0
    left, gone = metric.gain(scores[name], perfect), metric.gain(scores[name], subject.score)
    said = (
        f"{metric.name} {subject.score:.4g}; the better simple model, {name}, has {scores[name]:.4g} "
        f"(trained on at most {BASELINE_ROWS} rows)"
    )
    limit, noise = subject.thresholds.closed_share, subject.thresholds.standard_errors * (subject.standard_error or 0.0)
    if left <= noise or left <= 0:
        return RULE.cannot_tell(f"{said}, which leaves too little to be gained.")
    closed = gone / left
    judged = f"{closed:.0%} of the way from there to perfect is gone" if closed > 0 else "the network is no better"
    figure = {"kind": "bars", "labels": ["the network", *scores], "values": [subject.score, *scores.values()]}
    figure |= {"unit": metric.name}
    if closed >= limit:
        return RULE.clear(closed, limit, f"{said}; {judged}.", figure=figure, baselines=scores)
    nothing = max(metric.gain(scores[AVERAGE], found) for found in (scores[name], subject.score)) <= noise
    if nothing:
        judged += "; neither it nor any simple model learns anything: do the labels belong to their inputs?"
    return RULE.fires(
        closed,
        limit,
        f"{said}; {judged}.",
        lost=(
            subject.left * (1.0 if nothing else min(1.0, limit - closed + limit)),
            "of the error, as nothing is learned" if nothing else "of the error, which a simple model leaves",
        ),
        chance=UNLEARNABLE_CHANCE if nothing else None,
        remedies=UNLEARNABLE if nothing else None,
        symptom_of=BY_THE_DATA if nothing else None,
        figure=figure,
        baselines=scores,
    )


def simple_scores(data: Data) -> dict[str, float]:
    """Validation score of always giving the average answer, and of a linear model on the raw inputs.

    Both see at most `BASELINE_ROWS` training rows, and are asked for as many validation rows.
    """
    part = data.validation.take(some(len(data.validation), BASELINE_ROWS, seed=1))
    found = simple_predictions(data, part.inputs, rows=BASELINE_ROWS, names=(AVERAGE, LINEAR))
    return {name: data.task.primary(*aligned(predicted, part.targets)) for name, predicted in found.items()}
