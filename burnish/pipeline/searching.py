"""The search for a smaller network: shapes by bisection first, then training what fits, then judging the files."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from burnish.compression.frontier import Requirement, parse_requirements
from burnish.compression.search import (
    DEPTHS,
    SIZES,
    Trial,
    Ways,
    affordable,
    deepest,
    long_ways,
    retrainable,
    survivors,
    trials,
)
from burnish.pipeline.deployed import costs_little, judged_files
from burnish.pipeline.running import spec
from burnish.pipeline.shapes import fitting_shapes
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, Run, from_json, to_json

__all__ = ["LADDER", "search"]

Json = dict[str, Any]
LADDER = (Trial(ratio=0.25), Trial(ratio=0.5))  # of the main job without a wish: two cuts, each as float and as int8
SHORT = 8  # the first rung trains an eighth as long
LONG = 2  # as many times the original's epochs
TEACHING = 1.4  # a training step with a teacher costs so many times one without
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
        kept = affordable(planned, lambda some: _price(work, some), seconds)
        cut_short = (
            f"{len(planned) - len(kept)} trials were left out to keep the time" if len(kept) < len(planned) else ""
        )
        runs, tried = _trained(work, kept, stage)
    else:
        runs, tried, cut_short = _deepest(work, max_drop, stage, ways, seconds)
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
        tried += [{**_row(r.detail["name"], r, ""), "then": "judged as a file"} for r in retrained]
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
        rung = work.runner.run([_spec(work, trial, stage, short=True) for trial in racing], may_fail=True)
        gain = work.data.task.primary.gain
        scores = [gain(0.0, run.score) if math.isfinite(run.score) else None for run in rung]
        ahead = survivors(list(zip(racing, scores, strict=True)))
        tried = [_row(t.name, r, "went on" if t in ahead else "given up") for t, r in zip(racing, rung, strict=True)]
        kept = [*ahead, *(trial for trial in planned if trial not in racing)]
    runs = work.runner.run([_spec(work, trial, stage) for trial in kept], may_fail=True)
    return runs, tried + [_row(trial.name, run, "") for trial, run in zip(kept, runs, strict=True)]


def _deepest(
    work: Work, max_drop: float, stage: str, ways: Ways, seconds: float | None
) -> tuple[list[Run], list[Json], str]:
    """Runs along a bisection for the deepest cut that costs little, and what became of each.

    Each cut is taught by the winner, and by the labels alone: ResNet-9 on CIFAR-10 after 12 epochs had more to learn
    than it could teach. What is refused then gets twice the epochs, of which a light network does several in the time
    of one of the original's, with every choice of channels; a choice that recovers goes on to the next depth.
    """
    runs: list[Run] = []
    tried: list[Json] = []
    spent, cut_short = 0.0, ""

    def accepted(planned: Sequence[Trial]) -> list[Trial]:
        nonlocal spent, cut_short
        spent += _price(work, planned)
        if seconds is not None and spent > seconds and runs:
            cut_short = cut_short or f"{' and '.join(trial.name for trial in planned)} were left out to keep the time"
            return []
        done = work.runner.run([_spec(work, trial, stage) for trial in planned], may_fail=True)
        fine = [_costs_little(work, run, max_drop) for run in done]
        words = ["costs little enough" if ok else "costs too much" for ok in fine]
        tried.extend(_row(t.name, r, word) for t, r, word in zip(planned, done, words, strict=True))
        runs.extend(done)
        return [trial for trial, ok in zip(planned, fine, strict=True) if ok]

    def both(ratio: float) -> list[Trial]:
        return [ways.applied(Trial(ratio=ratio)), ways.applied(Trial(ratio=ratio, teacher=False))]

    found = deepest(lambda index: bool(accepted(both(DEPTHS[index]))), len(DEPTHS))
    refused = DEPTHS[(0 if found is None else found + 1) :]
    going = long_ways(ways, refused[0], teacher=_better_taught(work, tried, both(refused[0]))) if refused else []
    for ratio in refused:
        going = accepted([replace(way, ratio=ratio) for way in going])
        if not going:
            break
    if found is not None:
        accepted([Trial(kind="scratch", ratio=DEPTHS[found])])
    return runs, tried, cut_short


def _better_taught(work: Work, tried: Sequence[Json], pair: Sequence[Trial]) -> bool:
    """Whether the winner taught a cut at least as well as the labels did."""
    gain = work.data.task.primary.gain
    scores = {row["name"]: gain(0.0, row["score"]) for row in tried if math.isfinite(row["score"])}
    by_winner, by_labels = (scores.get(trial.name, -math.inf) for trial in pair)
    return by_winner >= by_labels


def _costs_little(work: Work, run: Run, max_drop: float) -> bool:
    """Whether the trained network of `run`, before it is a file, is within `max_drop` of the winner on validation."""
    if run.status != "done":
        return False
    ids = (work.stage("finish")["winner"], run.id)
    before, after = (work.data.task.decode(work.ledger.arrays(run_id)["outputs"]) for run_id in ids)
    return costs_little(work, before, after, max_drop)


def _retrained(work: Work, judged: Json, requirements: Sequence[Requirement], stage: str) -> list[Run]:
    """The most promising int8 forms that calibration alone did not save, trained with their roundings."""
    steps = [from_json(CompressionStep, step) for step in judged["steps"]]
    names = retrainable(steps, requirements)[:RETRAININGS]
    specs = [
        _spec_of(
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


def _row(name: str, run: Run, then: str) -> Json:
    return {"name": name, "epochs": run.epochs, "score": run.score, "status": run.status, "then": then}


def _spec(work: Work, trial: Trial, stage: str, *, short: bool = False) -> Json:
    epochs = _epochs(work, trial)
    return _spec_of(
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


def _spec_of(work: Work, stage: str, index: int, **more: Any) -> Json:
    base, techniques = {**work.base, "rows": 1.0}, work.stage("finish")["techniques"]
    return spec(stage, index, base=base, techniques=techniques, seed=work.recipe.seed, readouts=False, **more)


def _epochs(work: Work, trial: Trial) -> int:
    """The baseline's, or more of a light network.

    Half as long is too short: a cut of a quarter of the digits' network then costs 0.3 points, at full length nothing.
    """
    return work.base["epochs"] * (LONG if trial.long else 1)


def _price(work: Work, planned: Sequence[Trial]) -> float:
    """Seconds to train `planned`, by the winner's speed: an upper bound, since they are smaller."""
    run = work.ledger.run(work.stage("finish")["winner"])
    per_epoch = TEACHING * ((run.cost.train_seconds if run.cost else None) or 0.0) / max(run.epochs, 1)
    racing = [_epochs(work, trial) for trial in planned if trial.kind == "prune"]
    epochs = float(sum(_epochs(work, trial) for trial in planned))
    if len(racing) > 2:
        given_up = len(racing) - max(2, (len(racing) + 1) // 2)
        epochs += sum(racing) / SHORT - given_up * max(racing)
    total = per_epoch * epochs
    return total / min(max(work.workers, 1), max(len(planned), 1))
