"""The search for a smaller network: shapes by bisection first, then training what fits, then judging the files."""

import math
from collections.abc import Sequence
from typing import Any

from burnish.compression.frontier import Requirement, parse_requirements
from burnish.compression.search import (
    SIZES,
    Trial,
    Ways,
    affordable,
    retrainable,
    survivors,
    trials,
)
from burnish.pipeline.deployed import judged_files
from burnish.pipeline.descent import Descent
from burnish.pipeline.shapes import fitting_shapes
from burnish.pipeline.trials import price, row, search_spec, trial_spec
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, Run, from_json, to_json

__all__ = ["LADDER", "search"]

Json = dict[str, Any]
LADDER = (Trial(ratio=0.25), Trial(ratio=0.5))  # of the main job without a wish: two cuts, each as float and as int8
RETRAININGS = 2  # at most so many int8 forms are trained with their roundings


def search(
    work: Work,
    require: str | None,
    max_drop: float,
    *,
    stage: str,
    ladder: Sequence[Trial] | None = None,
    seconds: float | None = None,
    ways: Ways | None = None,
) -> Json:
    """Find, train and judge compressed networks for the limits `require`.

    Args:
        work: A job whose winner is trained.
        require: Limits, such as `latency_ms<=2, bytes<=500_000`.
        max_drop: Largest loss a step may cost.
        stage: Stage the runs belong to.
        ladder: What to train where nothing is asked of the size; without it the deepest cut that costs no more than
            `max_drop` is searched for.
        seconds: Train no more than fits in about this long.
        ways: How networks are pruned.

    Returns:
        `steps` and `frontier` of all files, what was tried (`shapes`, `trials`), and a `note` where sizes cannot be
        met or the time did not suffice.
    """
    sizes = [r for r in parse_requirements(require) if r.quantity in SIZES]
    ways = ways or Ways()
    shapes, note = fitting_shapes(work, sizes, ways) if sizes else ([], "")
    if sizes or ladder is not None:
        planned = trials(shapes, ways.criteria) if sizes else list(ladder or ())
        planned = [ways.applied(trial) for trial in planned]
        kept = affordable(planned, lambda some: price(work, some), seconds)
        cut_short = (
            f"{len(planned) - len(kept)} trials were left out to keep the time" if len(kept) < len(planned) else ""
        )
        runs, tried = _trained(work, kept, stage)
    else:
        descent = Descent(work, max_drop, stage=stage, ways=ways, seconds=seconds)
        descent.go()
        runs, tried, cut_short = descent.runs, descent.tried, descent.cut_short
    if cut_short:
        note = f"{note}{'; ' if note else ''}{cut_short}"
        work.note(cut_short)
    if stage != "compress":
        names = {run.detail["name"] for run in runs}
        runs = [*(run for run in work.runs("compress") if run.detail["name"] not in names), *runs]
    judged = _judged(work, runs, max_drop)
    retrained = _retrained(work, judged, parse_requirements(require), stage)
    if retrained:
        runs += retrained
        tried += [{**row(r.detail["name"], r, ""), "then": "judged as a file"} for r in retrained]
        judged = _judged(work, runs, max_drop)
    return judged | {"shapes": to_json(shapes), "trials": tried, "note": note}


def _judged(work: Work, runs: Sequence[Run], max_drop: float) -> Json:
    skipped = [{"step": r.detail["name"], "reason": r.error or r.status} for r in runs if r.status != "done"]
    return judged_files(work, [r for r in runs if r.status == "done"], max_drop, skipped)


# -- training -------------------------------------------------------------------------------------


def _trained(work: Work, planned: Sequence[Trial], stage: str) -> tuple[list[Run], list[Json]]:
    """The runs of the trials that got their full length, and what became of every trial."""
    kept, tried = list(planned), []
    racing = [trial for trial in planned if trial.kind == "prune"]  # a short training tells nothing from scratch
    if len(racing) > 2:
        rung = work.runner.run([trial_spec(work, trial, stage, short=True) for trial in racing], may_fail=True)
        gain = work.data.task.primary.gain
        scores = [gain(0.0, run.score) if math.isfinite(run.score) else None for run in rung]
        ahead = survivors(list(zip(racing, scores, strict=True)))
        tried = [row(t.name, r, "went on" if t in ahead else "given up") for t, r in zip(racing, rung, strict=True)]
        kept = [*ahead, *(trial for trial in planned if trial not in racing)]
    runs = work.runner.run([trial_spec(work, trial, stage) for trial in kept], may_fail=True)
    return runs, tried + [row(trial.name, run, "") for trial, run in zip(kept, runs, strict=True)]


def _retrained(work: Work, judged: Json, requirements: Sequence[Requirement], stage: str) -> list[Run]:
    """The most promising int8 forms that calibration alone did not save, trained with their roundings."""
    steps = [from_json(CompressionStep, step) for step in judged["steps"]]
    names = retrainable(steps, requirements)[:RETRAININGS]
    specs = [
        search_spec(
            work,
            stage,
            index,
            kind="retrain",
            parent=judged["files"][name]["run"],
            epochs=max(2, round(work.base["epochs"] / 2)),
            name=f"{'' if name == 'float' else f'{name} '}retrained int8",
        )
        for index, name in enumerate(names)
    ]
    return work.runner.run(specs, may_fail=True)
