"""What each technique does, by the screen's runs, now that it is known which recipe was confirmed."""

import math
from typing import Any

import numpy as np

from burnish.pipeline.stages.screen import Screened, screened
from burnish.pipeline.work import Work
from burnish.records import to_json
from burnish.studies.analysis import fit
from burnish.studies.collapse import collapse_partners
from burnish.studies.confirmation import CONFIRMED
from burnish.studies.contrasts import contrasts, ratio_effects
from burnish.studies.effects import effects

__all__ = ["analyse"]


def analyse(work: Work) -> dict[str, Any]:
    """Effects at the recipe and at the baseline, beside the ordinary contrasts and the costs."""
    stage = work.stage("screen")
    if not stage["factors"]:
        section = {"runs": 0, "factors": [], "effects": [], "not_tried": stage["not_tried"], "note": stage["note"]}
        return {"report": {"screening": section}}
    data = screened(work)
    usable = int(np.isfinite(data.z).sum())
    shared = _shared(work, data)
    if usable + len(data.pilot_z) < 3:
        return {"report": {"screening": shared | {"effects": [], "note": "too few runs finished for an analysis"}}}
    posterior = fit(data.recipes(), data.z, data.design.blocks, pilot_z=data.pilot_z, pilot_blocks=data.pilot_blocks)
    chosen = work.stage("candidates")["winner"]
    primary = work.data.task.primary
    found = effects(
        posterior,
        data.names,
        tuple(name in chosen for name in data.names),
        metric=primary,
        runs=usable + len(data.pilot_z),
        confirmed=work.stage("confirm")["verdict"] == CONFIRMED,
        unit="fraction" if primary.bounded else "target unit",
        contrasts=None if data.collapsed.any() else contrasts(data.recipes(), data.z, pilot_z=data.pilot_z),
        time_ratios=ratio_effects(data.recipes(), _costs(data, "train_seconds")),
        size_ratios=ratio_effects(data.recipes(), _costs(data, "bytes")),
        flags={
            j: f"collapses when on (p = {p:.2g})" for j, p in collapse_partners(data.recipes(), data.collapsed).items()
        },
    )
    section = shared | {"effects": found, "sigma": posterior.sigma, "note": _note(data)}
    return {"report": {"screening": to_json(section)}}


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
        "sigma": None,
        "metric": work.data.task.primary.name,
        "factors": data.names,
        "design": stage["design"],
        "start": stage["start"],
        "collapsed": [row for row, bad in zip(rows, data.collapsed, strict=True) if bad],
        "failed": [row for row in rows if row["score"] is None],
        "not_tried": stage["not_tried"],
        "rows": rows,
    }


def _costs(data: Screened, name: str) -> list[float]:
    return [getattr(run.cost, name) or math.nan if run.cost else math.nan for run in data.runs]


def _note(data: Screened) -> str:
    if data.collapsed.any():
        return (
            f"{int(data.collapsed.sum())} of {len(data.runs)} runs collapsed and were clipped; averages over the "
            "design mean nothing then and are not shown"
        )
    return ""
