"""Re-run the most promising recipes and the baseline on the same fresh splits, and keep the best."""

import math
from typing import Any

import numpy as np

from burnish.pipeline.factors import applied
from burnish.pipeline.running import spec
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.stages.screen import screened
from burnish.pipeline.work import Work
from burnish.records import Run
from burnish.studies.analysis import fit
from burnish.studies.candidates import Candidate, candidates, winner

__all__ = ["rerun"]

FIRST_SPLIT = 101


def rerun(work: Work) -> dict[str, Any]:
    """Choose recipes from the screen, train them on fresh splits, and name the best or the baseline."""
    proposals = _proposals(work)
    start = work.stage("screen")["start"]
    names = work.stage("screen")["factors"]
    recipes: list[tuple[str, list[str]]] = [("baseline", [])]
    if start:
        recipes.append(("stable start", start))
    recipes += [(c.why, start + [n for n, on in zip(names, c.recipe, strict=True) if on]) for c in proposals]
    if len(recipes) == 1:
        return {"runs": [], "winner": [], "beaten": False, "report": {"candidates": []}}
    splits = range(FIRST_SPLIT, FIRST_SPLIT + work.budget.candidate_splits)
    specs = [
        spec(
            "candidates",
            10 * i + j,
            base=work.base,
            techniques=techniques,
            split=s,
            seed=work.recipe.seed + s,
            name=name,
        )
        for i, (name, techniques) in enumerate(recipes)
        for j, s in enumerate(splits)
    ]
    runs = work.runner.run(specs)
    table = [runs[i : i + len(splits)] for i in range(0, len(runs), len(splits))]
    responses = [[_response(work, run) for run in row] for row in table]
    best = winner(responses[1:], responses[0])
    chosen = [] if best is None else recipes[1 + best][1]
    rows = _rows(work, recipes, table, list(splits))
    work.note(f"best on fresh splits: {', '.join(chosen) or 'the baseline'}")
    return {
        "runs": [r.id for r in runs],
        "winner": chosen,
        "beaten": best is not None,
        "report": {"candidates": rows},
    }


def _proposals(work: Work) -> list[Candidate]:
    stage = work.stage("screen")
    if not stage["factors"]:
        return []
    data = screened(work)
    if np.isfinite(data.z).sum() + len(data.pilot_z) < 3:
        return []
    posterior = fit(data.recipes(), data.z, data.design.blocks, pilot_z=data.pilot_z, pilot_blocks=data.pilot_blocks)
    plan = plan_from_base(work.plan, work.base, stage["start"])

    def feasible(recipe: tuple[bool, ...]) -> bool:
        return applied(plan, [n for n, on in zip(data.names, recipe, strict=True) if on]) is not None

    # Pairs decide: trying all 2^k recipes would build as many networks.
    pairs_ok = _pairs(feasible, len(data.names))
    return candidates(
        posterior,
        data.recipes(),
        data.z,
        lambda recipe: all(not (recipe[i] and recipe[j]) for i, j in pairs_ok),
        count=work.budget.candidates,
    )


def _pairs(feasible: Any, k: int) -> list[tuple[int, int]]:
    """Pairs of techniques that cannot stand together."""

    def only(*on: int) -> tuple[bool, ...]:
        return tuple(i in on for i in range(k))

    return [(i, j) for i in range(k) for j in range(i + 1, k) if not feasible(only(i, j))]


def _response(work: Work, run: Run) -> float:
    if run.status != "done" or not math.isfinite(run.score):
        return math.nan
    return work.data.task.primary.to_scale(run.score, len(work.data.validation_rows))


def _rows(
    work: Work, recipes: list[tuple[str, list[str]]], table: list[list[Run]], splits: list[int]
) -> list[dict[str, Any]]:
    sign = 1 if work.data.task.primary.greater_is_better else -1
    rows: list[dict[str, Any]] = []
    for (name, techniques), runs in zip(recipes, table, strict=True):
        scores = [r.score if r.status == "done" else math.nan for r in runs]
        finite = [s for s in scores if math.isfinite(s)]
        mean = float(np.mean(finite)) if finite else math.nan
        rows.append({"name": name, "techniques": techniques, "scores": scores, "mean": mean, "splits": splits})
    order = sorted(rows, key=lambda r: -sign * r["mean"] if math.isfinite(r["mean"]) else math.inf)
    for rank, row in enumerate(order, 1):
        row["rank"] = rank
    return rows
