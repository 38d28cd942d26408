"""What lies ahead: runs of each stage, and their time."""

from math import ceil

from burnish.pipeline.work import Work

__all__ = ["minutes_of", "runs_of"]


def runs_of(work: Work) -> dict[str, int]:
    """Most runs each stage of the command can take; stages without runs are left out."""
    budget = work.budget
    counts = {
        "tune": 0 if work.recipe.lr and work.recipe.epochs else 5,
        "pilot": budget.pilot,
        "gate": 3,
        "screen": budget.screen,
        "candidates": (budget.candidates + 1) * budget.candidate_splits,
        "confirm": 2 * max(budget.looks),
        "finish": 2,
        "compress": 2,
    }
    if work.ahead is not None:
        counts = {name: counts.get(name, 0) if count is None else count for name, count in work.ahead.items()}
    return {name: count for name, count in counts.items() if count}


def minutes_of(work: Work, runs: dict[str, int], seconds_per_run: float) -> float:
    """Minutes for `runs`, each stage rounded up to whole rounds of the workers."""
    return sum(ceil(count / work.workers) for count in runs.values()) * seconds_per_run / 60
