"""R10: accuracy and macro F1 tell different stories, so one has to be chosen on purpose."""

import math

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding, Run

__all__ = ["check"]

RULE = Rule(
    id="R10",
    title="metric mismatch",
    source="heuristic: accuracy and macro F1 more than 0.05 apart, or Kendall's tau of runs under both below 0.7",
    remedies=("choose the metric that counts for you with --metric", "move the decision threshold"),
    chance=0.1,
    symptom_of=("R9",),
)
LEAST_RUNS = 8  # whose order says something


def check(subject: Subject) -> Finding:
    """Distance between accuracy and macro F1 over the runs; and with enough runs, whether both rank them alike.

    For the order runs of other plans count too: a screening's.
    """
    if not subject.is_classification:
        return RULE.cannot_tell("only classifications are scored by both accuracy and macro F1.")
    pairs = [_both(run) for run in subject.finished]
    if not pairs or not np.isfinite(pairs).all():
        return RULE.cannot_tell("no run has both scores.")
    accuracy, f1 = np.mean(pairs, axis=0)
    apart = float(abs(accuracy - f1))
    said = f"accuracy {accuracy:.4g}, macro F1 {f1:.4g}; decisions are made on {subject.metric.name}."
    limit = subject.thresholds.metrics_apart
    figure = {"kind": "bars", "labels": ["accuracy", "macro F1"], "values": [float(accuracy), float(f1)]}
    pairs += [pair for pair in map(_both, subject.others) if np.isfinite(pair).all()]
    ranks = _agreement(np.array(pairs))
    lost = (apart, "between the two metrics")
    if ranks is None:
        return RULE.judge(apart > limit)(apart, limit, said, lost=lost, figure=figure)
    tau, noise = ranks
    least = subject.thresholds.rank_agreement
    said = f"{said.removesuffix('.')}; Kendall's tau of {len(pairs)} runs under the two is {tau:.2f}."
    if apart <= limit and tau + subject.thresholds.standard_errors * noise < least:
        return RULE.fires(tau, least, said, lost=lost, figure=figure, tau=tau)
    return RULE.judge(apart > limit)(apart, limit, said, lost=lost, figure=figure, tau=tau)


def _both(run: Run) -> tuple[float, float]:
    return run.scores.get("accuracy", math.nan), run.scores.get("f1_macro", math.nan)


def _agreement(pairs: np.ndarray) -> tuple[float, float] | None:
    """Kendall's tau of the runs under the two metrics, and what it varies by where they have nothing in common."""
    n = len(pairs)
    if n < LEAST_RUNS or (pairs == pairs[0]).all(0).any():
        return None
    from scipy import stats

    return float(stats.kendalltau(*pairs.T).statistic), math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))
