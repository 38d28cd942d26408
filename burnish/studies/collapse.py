"""Runs that collapse to chance without failing: found, clipped and named, so that they do not ruin every average."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from burnish.metrics import Metric
from burnish.studies.levels import levels_of

__all__ = ["Partner", "clip_collapsed", "collapse_partners", "worst_tolerated"]

Array = np.ndarray

TIMES_WORSE = 3.0
SIGMAS_WORSE = 6.0
SMALLEST_ERROR = 0.01  # of bounded metrics, so that a perfect baseline does not make every error a collapse


def worst_tolerated(baseline: float, metric: Metric, sigma: float) -> float:
    """The score beyond which a run counts as collapsed.

    Its error is the larger of 3 × the baseline's and the baseline's plus 6 sigma. The error of a score whose best
    value is 1 is what it lacks to 1.

    Args:
        baseline: The baseline's mean score.
        metric: Gives the direction.
        sigma: Standard deviation of the baseline's score between splits and seeds, in units of the score.
    """
    error = 1 - baseline if metric.greater_is_better else baseline
    error = max(error, SMALLEST_ERROR) if metric.bounded else max(error, 0.0)
    limit = max(TIMES_WORSE * error, error + SIGMAS_WORSE * (sigma if np.isfinite(sigma) else 0.0))
    return 1 - limit if metric.greater_is_better else limit


def clip_collapsed(
    scores: Array | Sequence[float], baseline: float, metric: Metric, sigma: float
) -> tuple[Array, Array]:
    """Scores with collapsed ones set to the worst tolerated, and which they were: `(n,)` floats and booleans.

    NaN (failed) stays NaN and is no collapse.

    Example:
        >>> from burnish.metrics import metric
        >>> scores, collapsed = clip_collapsed([0.95, 0.1], 0.9, metric("accuracy"), 0.01)
        >>> scores.round(3).tolist(), collapsed.tolist()
        ([0.95, 0.7], [False, True])
    """
    scores, limit = np.asarray(scores, float), worst_tolerated(baseline, metric, sigma)
    collapsed = scores < limit if metric.greater_is_better else scores > limit
    return np.where(collapsed, limit, scores), collapsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A level that was on more often in bad runs than chance would have it.

    Attributes:
        factor: Its place in the design.
        level: Which of its levels.
        bad: Bad runs with it.
        runs: All runs with it.
        p_value: One-sided, of Fisher's exact test.
    """

    factor: int
    level: int
    bad: int
    runs: int
    p_value: float


def collapse_partners(rows: Array, bad: Array, *, alpha: float = 0.05) -> list[Partner]:
    """Levels that were on more often in bad runs (collapsed or failed), by Fisher's exact test.

    Args:
        rows: `(n, k)` levels; off may be 0, False or -1.
        bad: `(n,)` booleans.
        alpha: Largest one-sided p-value that is listed.
    """
    from scipy import stats

    levels, bad = levels_of(rows), np.asarray(bad, bool)
    found = []
    for j in range(levels.shape[1]):
        for level in range(1, int(levels[:, j].max(initial=0)) + 1):
            on = levels[:, j] == level
            table = [[int((side & wrong).sum()) for wrong in (bad, ~bad)] for side in (on, ~on)]
            p_value = float(stats.fisher_exact(table, alternative="greater")[1])
            if p_value <= alpha:
                found.append(Partner(factor=j, level=level, bad=table[0][0], runs=int(on.sum()), p_value=p_value))
    return found
