"""What lies ahead: runs of each stage, and their time."""

from math import ceil

from burnish.pipeline.factors import rebuilding_names
from burnish.pipeline.stages.traits import curve_runs
from burnish.pipeline.work import Work

__all__ = ["runs_of", "seconds_of", "spoken"]


def runs_of(work: Work) -> dict[str, int]:
    """Most runs each stage of the command can take; stages without runs are left out."""
    budget = work.budget
    counts = {
        "tune": 0 if work.recipe.lr and work.recipe.epochs else 5,
        "pilot": budget.pilot,
        "gate": 4 + budget.pilot * len(rebuilding_names(work.recipe.only)),
        "screen": budget.screen,
        "candidates": (budget.candidates + 1) * budget.candidate_splits,
        "confirm": 2 * max(budget.looks),
        "finish": 2,
        "ensemble": max(work.recipe.ensemble - 1, 0),
        "compress": 2,
        "traits": curve_runs(work),
    }
    if work.ahead is not None:
        counts = {name: counts.get(name, 0) if count is None else count for name, count in work.ahead.items()}
    return {name: count for name, count in counts.items() if count}


def seconds_of(work: Work, runs: dict[str, int], seconds_per_run: float) -> float:
    """Seconds for `runs`, each stage rounded up to whole rounds of the workers."""
    return sum(ceil(count / work.workers) for count in runs.values()) * seconds_per_run


def spoken(seconds: float) -> str:
    """A duration as people say it.

    Example:
        >>> spoken(4.24), spoken(50), spoken(3000), spoken(9000)
        ('4.2 s', '50 s', '50 min', '2.5 h')
    """
    for unit, size, limit in (("s", 1, 90), ("min", 60, 90 * 60)):
        if seconds < limit:
            value = seconds / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{seconds / 3600:.1f} h"
