"""What else changed between the baseline and what ships: robustness, weak segments, speed, memory, stability, and what
more data would bring. Measured on validation rows; nothing here decides anything.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from burnish.errors import UsageError
from burnish.evaluation.learning_curve import SHARES, learning_curve, same_steps
from burnish.evaluation.quality import unit_of
from burnish.evaluation.robustness import Errors, perturbation_errors, robustness, rows_for
from burnish.evaluation.segments import weak_segments
from burnish.exporting.memory import peak_memory
from burnish.exporting.runtime import run as run_onnx
from burnish.exporting.runtime import session
from burnish.pipeline.running import spec
from burnish.pipeline.stages.finish import arm_runs
from burnish.pipeline.work import Work
from burnish.records import Estimate, Run, to_json

__all__ = ["curve_runs", "traits"]

FILES = {"baseline": "baseline.onnx", "shipped": "model.onnx"}
LEAST_ROWS = 64  # training rows; an eighth of them must still be a data set
SEEDS = 2
BATCH = 32  # examples served at once where memory is measured
Array = np.ndarray


def traits(work: Work) -> dict[str, Any]:
    """Measure every trait of baseline and shipped model."""
    outputs = {name: _outputs(work, file) for name, file in FILES.items()}
    errors = {name: _errors(work, function) for name, function in outputs.items()}
    decode, split = work.data.task.decode, work.data.validation
    curve, runs = _learning_curve(work)
    sections = {
        "robustness": _robustness(work, errors),
        "segments": weak_segments(work.data, split, decode(outputs["shipped"](split.inputs))),
        "learning_curve": curve,
        "speed": _speed(work),
        "stability": _stability(work),
    }
    return to_json({"runs": runs, "report": sections})


def curve_runs(work: Work) -> int:
    """How many runs the learning curve takes; none where it is left out."""
    return 0 if _without_curve(work) else SEEDS * (len(SHARES) - 1)


# -- robustness -------------------------------------------------------------------------------------


def _outputs(work: Work, file: str) -> Callable[[Array], Array]:
    opened = session(work.root / file)
    return lambda stored: run_onnx(opened, work.data.preparation.network_input(stored))


def _errors(work: Work, outputs: Callable[[Array], Array]) -> Errors:
    rows = rows_for(work.stage("prepare")["network"]["operations"])  # the same rows for both, and on every machine
    return perturbation_errors(outputs, work.data, rows=rows, seed=work.recipe.seed)


def _robustness(work: Work, errors: dict[str, Errors]) -> dict[str, Any]:
    unit = unit_of("rmse") if work.data.task.kind == "regression" else "fraction"
    return {
        "what": {"classification": "share of mistakes", "multilabel": "share of wrong labels"}.get(
            work.data.task.kind, "RMSE"
        ),
        "modality": work.data.modality,
        "baseline": robustness(errors["baseline"], unit=unit),
        "shipped": robustness(errors["shipped"], errors["baseline"], unit=unit),
    }


# -- more data --------------------------------------------------------------------------------------


def _without_curve(work: Work) -> str:
    """Why there is no learning curve; empty where there is one."""
    if work.asked.name == "quick" or work.asked.seconds is not None:
        return "left out of a short budget; `standard` and `thorough` measure it"
    if work.plan.source.trained:
        return "the network came trained: how many rows it has seen is not known"
    if len(work.data.train_rows) < LEAST_ROWS:
        return f"{len(work.data.train_rows)} training rows are too few to take an eighth of them"
    return ""


def _learning_curve(work: Work) -> tuple[dict[str, Any], list[str]]:
    """What ships, trained on parts of the rows for as many steps, with a forecast for twice the rows; and the runs."""
    reason = _without_curve(work)
    if reason:
        return {"skipped": reason}, []
    techniques, base = work.stage("confirm")["ships"], work.base
    whole = _whole(work, techniques)
    if len(whole) < SEEDS:
        return {"skipped": f"only {len(whole)} runs on all rows finished"}, []
    specs = [
        spec(
            "traits",
            index * SEEDS + place,
            base={**base, "rows": base["rows"] * share},
            repeat=same_steps(1, share),  # as many steps an epoch, and no more epochs to validate after
            techniques=techniques,
            split=run.split,
            seed=run.seed,
            readouts=False,
        )
        for index, share in enumerate(SHARES[:-1])
        for place, run in enumerate(whole)
    ]
    runs = work.runner.run(specs, may_fail=True)
    scores = [[r.score for r in runs[i * SEEDS : (i + 1) * SEEDS]] for i in range(len(SHARES) - 1)]
    scores.append([run.score for run in whole])
    rows = round(len(work.data.train_rows) * base["rows"])
    try:
        curve = learning_curve(work.data.task.primary, [int(rows * share) for share in SHARES], scores)
    except UsageError as error:
        return {"skipped": str(error)}, [run.id for run in runs]
    return to_json(curve), [run.id for run in runs]


def _whole(work: Work, techniques: list[str]) -> list[Run]:
    """Two finished runs on all rows, of different seeds."""
    found: dict[tuple[int, int], Run] = {}
    for run in arm_runs(work, techniques):
        if run.status == "done" and math.isfinite(run.score):
            found.setdefault((run.split, run.seed), run)
    return list(found.values())[:SEEDS]


# -- speed and stability ----------------------------------------------------------------------------


def _speed(work: Work) -> dict[str, Any]:
    """Training and serving; latencies are those of the export."""
    finish, export = work.stage("finish"), work.stage("export")["report"]["export"]
    runs = {name: work.ledger.run(finish[key]) for name, key in (("baseline", "baseline"), ("shipped", "winner"))}
    best = _best(work, runs["baseline"])
    found: dict[str, Any] = {"batch": BATCH, "baseline_best": best}
    for name, key in (("baseline", "baseline_latency_ms"), ("shipped", "latency_ms")):
        latency = export.get(key) or {}
        cost = runs[name].cost
        found[name] = {
            "examples_per_second": cost.examples_per_second if cost else None,
            "train_seconds": cost.train_seconds if cost else None,
            "seconds_to_baseline": _seconds_to(work, runs[name], best),
            "latency_ms": latency,
            "throughput": _throughput(latency),
            "peak_memory": peak_memory(work.root / FILES[name], batch=BATCH),
            "bytes": export.get("baseline_bytes" if name == "baseline" else "bytes"),
            "parameters": cost.parameters if cost else None,
            "operations": cost.operations if cost else None,
        }
    return found


def _best(work: Work, run: Run) -> float | None:
    primary = work.data.task.primary
    scores = [line[primary.name] for line in run.curves if primary.name in line]
    return (max if primary.greater_is_better else min)(scores) if scores else None


def _seconds_to(work: Work, run: Run, best: float | None) -> float | None:
    """Training time up to the first epoch that is as good as the baseline ever is on validation."""
    primary = work.data.task.primary
    if best is None or run.cost is None or run.cost.train_seconds is None or not run.curves:
        return None
    for epoch, line in enumerate(run.curves, 1):
        if primary.name in line and primary.gain(best, line[primary.name]) >= 0:
            return run.cost.train_seconds * epoch / len(run.curves)
    return None


def _throughput(latency: dict[str, Any]) -> float | None:
    """Examples a second at the largest batch that was timed."""
    if not latency:
        return None
    batch = max(latency, key=int)
    return 1000 * int(batch) / latency[batch]["p50"]["value"]


def _stability(work: Work) -> dict[str, Any]:
    """Spread of the primary metric over splits and seeds, of the baseline and of what ships."""
    shipped = work.stage("confirm")["ships"]
    arms = {"baseline": arm_runs(work, []), "shipped": arm_runs(work, shipped)}
    return {name: _spread([run.score for run in runs if run.status == "done"]) for name, runs in arms.items()}


def _spread(scores: list[float]) -> dict[str, Any]:
    scores = [score for score in scores if math.isfinite(score)]
    if len(scores) < 2:
        return {"n": len(scores), "deviation": None, "least": None, "most": None}
    n, deviation = len(scores), float(np.std(scores, ddof=1))
    low, high = (deviation * math.sqrt((n - 1) / stats.chi2.ppf(p, n - 1)) for p in (0.975, 0.025))
    told = Estimate(value=deviation, low=float(low), high=float(high), n=n, of="splits")
    return {"n": n, "deviation": told, "least": min(scores), "most": max(scores)}
