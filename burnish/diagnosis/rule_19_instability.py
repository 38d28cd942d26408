"""R19: runs differ by more than the finite validation set explains."""

import math
from typing import Any

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R19",
    title="seed instability",
    source="Jordan, arXiv:2304.01910; Bouthillier et al., arXiv:2103.03098; factor heuristic",
    remedies=("EMA", "Schedule", "GradientClip", "BatchNorm", "GroupNorm", "larger batches", "an ensemble"),
    chance=0.3,
    symptom_of=("R8", "R12", "R16"),
)
LEAST_RUNS = 3


def check(subject: Subject) -> Finding:
    """Standard deviation of the pilot's scores against the standard error of one score.

    A few runs misjudge their own spread, so it also has to be more than chance gives in one case of forty.
    """
    runs = subject.finished
    if len(runs) < LEAST_RUNS:
        return RULE.cannot_tell(f"{len(runs)} finished runs; it takes {LEAST_RUNS}.")
    expected = subject.standard_error
    if not expected:
        return RULE.cannot_tell("what the finite validation set explains is not known.")
    from scipy import stats

    spread = float(np.std([run.score for run in runs], ddof=1))
    freedom = len(runs) - 1
    threshold = max(subject.thresholds.spread_factor, math.sqrt(float(stats.chi2.ppf(0.975, freedom)) / freedom))
    ratio = spread / expected
    said = (
        f"{subject.metric.name} of {len(runs)} runs has a standard deviation of {spread:.2g}; "
        f"{len(subject.data.validation)} validation rows explain {expected:.2g}"
    )
    detail: dict[str, Any] = {"spread": spread, "expected": expected}
    labels = [f"run {i}" for i in range(1, len(runs) + 1)]
    detail["figure"] = {"kind": "bars", "labels": labels, "values": [run.score for run in runs]}
    tell = RULE.judge(ratio > threshold)
    headroom = subject.share(math.sqrt(max(spread**2 - expected**2, 0.0)))
    return tell(ratio, threshold, said + ".", lost=(headroom, "of the score, by which runs differ"), **detail)
