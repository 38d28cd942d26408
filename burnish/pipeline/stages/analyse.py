"""What each technique does, by the screen's runs, now that it is known which recipe was confirmed."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from burnish.evaluation.robustness import PERTURBED
from burnish.metrics import METRICS, Metric
from burnish.pipeline.stages.screen import Screened, screened
from burnish.pipeline.work import Work
from burnish.records import Effect, Run, to_json
from burnish.studies.collapse import collapse_partners
from burnish.studies.confirmation import CONFIRMED
from burnish.studies.contrasts import contrasts
from burnish.studies.effects import effects
from burnish.studies.levels import Recipe

__all__ = ["analyse"]

OTHERS = ("accuracy", "f1_macro", "log_loss", "ece", "rmse", "mae", "r2")
KNOWN = METRICS | PERTURBED
COSTS = {"train_seconds": "training time", "bytes": "size"}
# Costs are all but free of noise: their effects are large against it.
COST_GRID = {"main": (1.0, 100.0, 1e4, 1e6), "pairs_to_main": (0.001, 0.02, 0.16)}
FEWEST = 3  # responses an analysis needs


def analyse(work: Work) -> dict[str, Any]:
    """Effects at the recipe and at the baseline on every metric, beside the ordinary contrasts and the costs."""
    stage = work.stage("screen")
    if not stage["factors"]:
        section = {"runs": 0, "factors": [], "effects": [], "not_tried": stage["not_tried"], "note": stage["note"]}
        return {"report": {"screening": section}}
    data = screened(work)
    shared = _shared(work, data)
    if np.isfinite(data.z).sum() + len(data.pilot_z) < FEWEST:
        return {"report": {"screening": shared | {"effects": [], "note": "too few runs finished for an analysis"}}}
    recipe = _recipe(data, work.stage("candidates")["winner"])
    flags = _flags(data)
    primary, sigma = _analysed(
        data,
        data.primary,
        data.z,
        data.pilot_z,
        recipe,
        confirmed=work.stage("confirm")["verdict"] == CONFIRMED,
        flags=flags,
    )
    costs = {name: _cost(data, name, recipe) for name in COSTS}
    others = [_other(data, metric, recipe) for metric in _other_metrics(data)]
    section = shared | {
        "effects": [_with_costs(effect, costs) for effect in primary],
        "metrics": {part["metric"]: part for part in (*others, *costs.values()) if part},
        "sigma": sigma,
        "note": _note(data),
    }
    return {"report": {"screening": to_json(section)}}


def _analysed(
    data: Screened,
    metric: Metric,
    z: np.ndarray,
    pilot_z: np.ndarray,
    recipe: Recipe,
    *,
    confirmed: bool = False,
    flags: dict[str, str] | None = None,
    unit: str | None = None,
    grid: dict[str, Any] | None = None,
) -> tuple[list[Effect], float]:
    """Effects on one metric, and the noise of one run on its response scale."""
    posterior = data.fitted(z, pilot_z, **(grid or {}))
    judged = [j for j, factor in enumerate(data.factors) if not factor.nuisance]
    averages = contrasts(data.design.rows, z, levels=data.levels, pilot_z=pilot_z, tested=judged)
    found = effects(
        posterior,
        data.factors,
        recipe,
        metric=metric,
        runs=int(np.isfinite(z).sum() + np.isfinite(pilot_z).sum()),
        confirmed=confirmed,
        unit=unit or ("fraction" if metric.bounded else "target unit"),
        contrasts=None if data.collapsed.any() and unit is None else averages,
        flags=flags,
    )
    return found, posterior.sigma


def _other(data: Screened, metric: Metric, recipe: Recipe) -> dict[str, Any] | None:
    """Effects on a metric that was not decided on; runs that collapsed say nothing about it and are left out."""
    z, pilot_z = data.responses(lambda run: run.scores.get(metric.name, math.nan), metric)
    z[data.collapsed] = np.nan
    return _section(data, metric, z, pilot_z, recipe)


def _cost(data: Screened, name: str, recipe: Recipe) -> dict[str, Any] | None:
    """Factors by which the techniques multiply a cost."""
    metric = Metric(name=name, function=_no_function, greater_is_better=False, bounded=False)

    def measured(run: Run) -> float:
        value = getattr(run.cost, name, None) if run.cost else None
        return value if value and value > 0 else math.nan

    z, pilot_z = data.responses(measured, metric)
    return _section(data, metric, z, pilot_z, recipe, unit="ratio", grid=COST_GRID)


def _section(
    data: Screened, metric: Metric, z: np.ndarray, pilot_z: np.ndarray, recipe: Recipe, **how: Any
) -> dict[str, Any] | None:
    n = int(np.isfinite(z).sum() + np.isfinite(pilot_z).sum())
    if n < FEWEST or not np.isfinite(z).any():
        return None
    found, sigma = _analysed(data, metric, z, pilot_z, recipe, **how)
    return {
        "metric": metric.name,
        "greater_is_better": metric.greater_is_better,
        "n": n,
        "level": _level(data, metric),
        "sigma": sigma,
        "effects": found,
    }


def _level(data: Screened, metric: Metric) -> float | None:
    """The baseline's mean in the pilot, or that of a shortened screen, for a sense of scale."""
    values = [run.scores[metric.name] for run in data.pilot or data.runs if metric.name in run.scores]
    return float(np.mean(values)) if values else None


def _other_metrics(data: Screened) -> list[Metric]:
    """What else the runs were scored on, robustness last."""
    names = {name for run in data.runs for name in run.scores} - {data.primary.name}
    return [KNOWN[name] for name in (*OTHERS, *PERTURBED) if name in names]


def _no_function(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Of what is measured elsewhere, and of predictions alone unknown."""
    return math.nan


def _recipe(data: Screened, chosen: list[str]) -> Recipe:
    """The level of each factor that stands in the recipe `chosen`."""
    return tuple(next((i for i, text in enumerate(factor.levels, 1) if text in chosen), 0) for factor in data.factors)


def _with_costs(effect: Effect, costs: dict[str, dict[str, Any] | None]) -> Effect:
    """The effect with what the technique costs at the recipe."""

    def value(name: str) -> float | None:
        section = costs[name]
        rows: list[Effect] = section["effects"] if section else []
        at = next((row.at_recipe for row in rows if row.technique == effect.technique), None)
        return at.value if at else None

    return replace(effect, time_ratio=value("train_seconds"), size_ratio=value("bytes"))


def _flags(data: Screened) -> dict[str, str]:
    """What Fisher's test says about techniques in runs that collapsed or failed."""
    bad = data.collapsed | data.failed
    return {
        data.factors[p.factor].levels[p.level - 1]: (
            f"{p.bad} of {p.runs} runs with it collapsed or failed, {int(bad.sum())} of {len(bad)} in all "
            f"(Fisher's exact p = {p.p_value:.2g})"
        )
        for p in collapse_partners(data.design.rows, bad)
    }


def _shared(work: Work, data: Screened) -> dict[str, Any]:
    stage = work.stage("screen")
    rows = [
        {
            "techniques": list(run.techniques),
            "score": run.score if run.status == "done" else None,
            "status": run.status,
            "seconds": run.cost.train_seconds if run.cost else None,
            "split": run.split,
        }
        for run in data.runs
    ]
    return {
        "runs": len(data.runs),
        "pilot": len(data.pilot),
        "sigma": None,
        "metric": data.primary.name,
        "factors": data.techniques,
        "nuisance": [text for factor in data.factors if factor.nuisance for text in factor.levels],
        "design": stage["design"]["name"],
        "forecast": stage["design"],
        "start": stage["start"],
        "cuts": work.stage("tune")["cuts"],
        "shortened": {"rows": work.screening["rows"], "epochs": work.screening["epochs"]} if data.shortened else None,
        "collapsed": [row for row, bad in zip(rows, data.collapsed, strict=True) if bad],
        "failed": [row for row in rows if row["score"] is None],
        "not_tried": stage["not_tried"],
        "rows": rows,
    }


def _note(data: Screened) -> str:
    lost = [
        f"{int(count.sum())} of {len(data.runs)} runs {what}"
        for count, what in (
            (
                data.collapsed,
                "collapsed and were clipped; averages over the design mean nothing then and are not shown",
            ),
            (data.failed, "failed and are left out"),
        )
        if count.any()
    ]
    return "; ".join(lost)
