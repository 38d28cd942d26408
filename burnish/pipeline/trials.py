"""Trials of the search as training runs: what is asked of a worker, what it costs, and what is told of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.compression.search import Trial
from burnish.pipeline.running import spec
from burnish.pipeline.work import Work
from burnish.records import Run

__all__ = ["price", "row", "search_spec", "trial_spec"]

Json = dict[str, Any]
SHORT = 8  # the first rung trains an eighth as long
TEACHING = 1.4  # a training step with a teacher costs so many times one without


def row(name: str, run: Run, then: str) -> Json:
    """A line of the table of trials."""
    return {"name": name, "epochs": run.epochs, "score": run.score, "status": run.status, "then": then}


def trial_spec(work: Work, trial: Trial, stage: str, *, short: bool = False) -> Json:
    """The run of `trial`; `short` for the first rung of a race."""
    epochs = _epochs(work, trial)
    return search_spec(
        work,
        stage,
        round(100 * trial.ratio),
        kind=trial.kind,
        parent=work.stage("finish")["winner"],
        ratio=trial.ratio,
        scope=trial.scope,
        criterion=trial.criterion,
        schedule=trial.schedule,
        teacher=trial.teacher,
        epochs=max(1, epochs // SHORT) if short else epochs,
        name=trial.name,
    )


def search_spec(work: Work, stage: str, index: int, **more: Any) -> Json:
    """A run of the search with the winner's recipe and `more`."""
    base, techniques = {**work.base, "rows": 1.0}, work.stage("finish")["techniques"]
    return spec(stage, index, base=base, techniques=techniques, seed=work.recipe.seed, readouts=False, **more)


def price(work: Work, planned: Sequence[Trial], known: Mapping[float, float] | None = None) -> float:
    """Seconds to train `planned`, an upper bound: no cut is slower than the winner, or than a lighter cut.

    Args:
        work: A job whose winner is trained.
        planned: What would be trained.
        known: Seconds for an epoch of cuts that were trained, by their ratio.
    """
    run = work.ledger.run(work.stage("finish")["winner"])
    paces = {0.0: ((run.cost.train_seconds if run.cost else None) or 0.0) / max(run.epochs, 1)} | dict(known or {})

    def seconds(trial: Trial, epochs: int) -> float:
        return TEACHING * epochs * min(pace for ratio, pace in paces.items() if ratio <= trial.ratio)

    racing = [trial for trial in planned if trial.kind == "prune"]
    total = sum(seconds(trial, _epochs(work, trial)) for trial in planned)
    if len(racing) > 2:
        each = [seconds(trial, _epochs(work, trial)) for trial in racing]
        total += sum(each) / SHORT - (len(racing) - max(2, (len(racing) + 1) // 2)) * max(each)
    return total / min(max(work.workers, 1), max(len(planned), 1))


def _epochs(work: Work, trial: Trial) -> int:
    """The baseline's, or more of a light network.

    Half as long is too short: a cut of a quarter of the digits' network then costs 0.3 points, at full length nothing.
    """
    return work.base["epochs"] * trial.times
