"""Re-run the most promising recipes and the baseline on the same fresh splits, and keep the best."""

import math
from typing import Any

import numpy as np

from burnish.pipeline.factors import techniques_of
from burnish.pipeline.running import spec
from burnish.pipeline.stages.screen import screened
from burnish.pipeline.work import Work
from burnish.pipeline.worth import response, worth_of
from burnish.records import Run, from_json
from burnish.studies.candidates import Candidate, candidates, sound, winner
from burnish.studies.levels import Factor, Recipe

__all__ = ["rerun"]

FIRST_SPLIT = 101


def rerun(work: Work) -> dict[str, Any]:
    """Choose recipes from the screen, train them on fresh splits, and name the best or the baseline."""
    proposals = _proposals(work)
    start = work.stage("screen")["start"]
    found = [from_json(Factor, factor) for factor in work.stage("screen")["factors"]]
    recipes: list[tuple[str, list[str]]] = [("baseline", [])]
    if start:
        recipes.append(("start of the screen", start))
    recipes += [(c.why, start + techniques_of(found, c.recipe)) for c in proposals]
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
    worth = worth_of(work)
    responses = [[worth(run, response(work, run)) for run in row] for row in table]
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
    """Recipes that the model of the sound runs' worth recommends: their scores less their costs."""
    if not work.stage("screen")["factors"]:
        return []
    data, worth = screened(work), worth_of(work)
    z = np.array([worth(run, value) for run, value in zip(data.runs, data.z, strict=True)])
    heard = sound(z, data.collapsed)
    if np.isfinite(heard).sum() + len(data.pilot_z) < 3:
        return []
    judged = [j for j, factor in enumerate(data.factors) if not factor.nuisance]

    def possible(recipe: Recipe) -> bool:
        return any(recipe[j] for j in judged) and data.feasible(recipe)

    posterior = data.fitted(heard, data.pilot_z)
    return candidates(posterior, data.design.rows, z, possible, count=work.budget.candidates)


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
