"""The search for a smaller network: shapes by bisection first, then training what fits, then judging the files."""

import hashlib
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.compression.distill import SMOOTHED
from burnish.compression.frontier import Requirement, parse_requirements
from burnish.compression.prune import prune
from burnish.compression.quantize import quantize
from burnish.compression.search import (
    FORMS,
    GRID,
    SIZES,
    Shape,
    Trial,
    Ways,
    affordable,
    distinct,
    lightest,
    nearest_miss,
    retrainable,
    survivors,
    trials,
)
from burnish.errors import BurnishError, NotApplicable
from burnish.evaluation.cost import cost
from burnish.exporting.latency import latency
from burnish.exporting.onnx import export_onnx
from burnish.model.build import probe_inputs
from burnish.pipeline.deployed import calibration_inputs, example_batch, judged_files, winner_plan
from burnish.pipeline.pruning import evidence, trained_network
from burnish.pipeline.running import spec
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, Run, from_json, to_json

__all__ = ["LADDER", "search"]

Json = dict[str, Any]
LADDER = (Trial(ratio=0.25), Trial(ratio=0.5))  # without a wish: two cuts, each as float and as int8
SCOPES = ("uniform", "global")
SHORT = 4  # the first rung trains a quarter as long
TEACHING = 1.4  # a training step with a teacher costs so many times one without
PROBE_SECONDS = 1.0
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
        require: Limits, such as `latency_ms<=2, bytes<=500_000`; without one the fixed `ladder` is carried out.
        max_drop: Largest loss a step may cost.
        stage: Stage the runs belong to.
        ladder: What to train where nothing is asked of the size; `LADDER` by default.
        seconds: Train no more than fits in about this long.
        ways: How networks are pruned.

    Returns:
        `steps` and `frontier` of all files, what was tried (`shapes`, `trials`), and a `note` where sizes cannot be
        met.
    """
    sizes = [r for r in parse_requirements(require) if r.quantity in SIZES]
    ways = ways or Ways()
    shapes, note = _shapes(work, sizes, ways) if sizes else ([], "")
    planned = trials(shapes, ways.criteria) if sizes else list(LADDER if ladder is None else ladder)
    planned = [ways.applied(trial) for trial in planned]
    kept = affordable(planned, lambda some: _price(work, some), seconds)
    if len(kept) < len(planned):
        note = f"{note}{'; ' if note else ''}{len(planned) - len(kept)} trials were left out to keep the time"
        work.note(note)
    if kept and winner_plan(work).loss.smoothing > 0:
        note = f"{note}{'; ' if note else ''}{SMOOTHED}"
        work.note(SMOOTHED)
    runs, tried = _trained(work, kept, stage)
    known = [run for run in work.runs("compress") if run.id not in {r.id for r in runs}] if sizes else []
    runs = [*known, *runs]
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


# -- shapes ---------------------------------------------------------------------------------------


def _shapes(work: Work, sizes: Sequence[Requirement], ways: Ways) -> tuple[list[Shape], str]:
    """For each form and scope the lightest cut that fits. Stored: measured times differ from sitting to sitting."""
    digest = hashlib.sha256(
        f"{work.stage('finish')['winner']} {sorted(map(str, sizes))}{ways.ratios or ''}".encode()
    ).hexdigest()[:8]
    found = work.ledger.once(f"shapes-{digest}", lambda: _probed(work, sizes, ways.scopes))
    return [from_json(Shape, shape) for shape in found["shapes"]], found["note"]


def _probed(work: Work, sizes: Sequence[Requirement], scopes: Sequence[str]) -> Json:
    probe, fitting = _Probe(work), []
    for scope in scopes:
        for form in FORMS:
            index = lightest(lambda i, s=scope, f=form: probe.fits(s, GRID[i], f, sizes), len(GRID))  # type: ignore[misc]
            if index is not None and (index > 0 or scope == scopes[0]):
                fitting.append(probe.shape(scope, GRID[index], form))
    shapes, note = distinct([shape for shape in fitting if shape is not None]), ""
    if not shapes:
        miss = nearest_miss(probe.all, sizes)
        missed = ", ".join(
            f"{r} (it has {getattr(miss, r.quantity):.4g})" for r in sizes if r.excess_of(getattr(miss, r.quantity))
        )
        note = f"no cut of this network is small enough: the nearest, {miss.ratio:.0%} as {miss.form}, misses {missed}"
    work.note(note or f"{len(probe.all)} shapes measured untrained, {len(shapes)} fit")
    return to_json({"shapes": shapes, "measured": probe.all, "note": note})


class _Probe:
    """Sizes of untrained copies, each measured once."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.network = trained_network(winner_plan(work), work.ledger, work.stage("finish")["winner"])
        self.calibration, self.example = calibration_inputs(work), example_batch(work)
        self.known: dict[tuple[str, float], dict[str, Shape]] = {}

    @property
    def all(self) -> list[Shape]:
        """Every shape measured so far."""
        return [shape for pair in self.known.values() for shape in pair.values()]

    def fits(self, scope: str, ratio: float, form: str, sizes: Sequence[Requirement]) -> bool:
        """Whether the network cut so far meets `sizes` as `form`."""
        shape = self.shape(scope, ratio, form)
        return shape is not None and shape.fits(sizes)

    def shape(self, scope: str, ratio: float, form: str) -> Shape | None:
        """The network with the share `ratio` of its channels removed, as `form`; None where that cannot be made."""
        key = (scope if ratio else SCOPES[0], ratio)
        if key not in self.known:
            self.known[key] = self._measured(*key)
        return self.known[key].get(form)

    def _measured(self, scope: str, ratio: float) -> dict[str, Shape]:
        probe = probe_inputs(self.work.data)
        try:
            options = {"ratios": scope, **evidence(winner_plan(self.work), "l2", scope, self.work.recipe.seed)}
            network = prune(self.network, probe, ratio, **options).model if ratio else self.network
        except NotApplicable:  # nothing to cut at this ratio
            return self.known.get((SCOPES[0], 0.0), {}) if ratio else {}
        with tempfile.TemporaryDirectory() as folder:
            files = {"float": Path(folder) / "float.onnx"}
            export_onnx(network, probe, files["float"])
            try:
                quantize(files["float"], Path(folder) / "int8.onnx", self.calibration, modality=self.work.data.modality)
                files["int8"] = Path(folder) / "int8.onnx"
            except BurnishError:
                pass  # the ladder says why where it matters
            times = latency(files, self.example, batches=(1,), seconds=PROBE_SECONDS)
            spent = cost(network, probe[:1])
            return {
                form: Shape(
                    form=form,
                    scope=scope,
                    ratio=ratio,
                    bytes=path.stat().st_size,
                    latency_ms=times[form][1].p50.high or times[form][1].p50.value,
                    parameters=spent.parameters,
                    operations=spent.operations,
                )
                for form, path in files.items()
            }


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
        epochs=max(1, epochs // SHORT) if short else epochs,
        name=trial.name,
    )


def _spec_of(work: Work, stage: str, index: int, **more: Any) -> Json:
    base, techniques = {**work.base, "rows": 1.0}, work.stage("finish")["techniques"]
    return spec(stage, index, base=base, techniques=techniques, seed=work.recipe.seed, readouts=False, **more)


def _epochs(work: Work, trial: Trial) -> int:
    """Half of the baseline's for fine-tuning, all of them from scratch."""
    whole = work.base["epochs"]
    return whole if trial.kind == "scratch" else max(2, round(whole / 2))


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
