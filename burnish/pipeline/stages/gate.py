"""What the screen starts from: the network as it is, one rebuilt as asked, or what keeps a collapsing one stable.

Stability comes first: one full run each of what can make or break a network, on the pilot's first split.
"""

import math
from typing import Any

import numpy as np

from burnish.errors import BurnishError
from burnish.pipeline.factors import GATE, Factors, norms
from burnish.pipeline.running import check_finished, spec
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.stages.pilot import FIRST_SPLIT
from burnish.pipeline.stages.rebuild import rebuild
from burnish.pipeline.work import Work
from burnish.records import Run
from burnish.studies.collapse import clip_collapsed

__all__ = ["gate", "spread"]


def gate(work: Work) -> dict[str, Any]:
    """Choose the normalization for the screen; if the baseline collapses, start from the best stable level."""
    plan = plan_from_base(work.plan, work.base, [])
    tried = norms(plan, work.recipe.only)
    if not work.recipe.only:
        for text in GATE:
            tried.try_on(plan, [text])
    seed = work.recipe.seed + FIRST_SPLIT
    runs = work.runner.run(
        [
            spec("gate", i, base=work.base, techniques=[text], split=FIRST_SPLIT, seed=seed, name=text)
            for i, text in enumerate(tried.techniques)
        ]
    )
    pilot_runs = work.runs("pilot")
    _check_pilot(work, pilot_runs, runs)
    baseline = pilot_runs[0]
    rows = [_row(work, "as is", baseline)] + [_row(work, t, r) for t, r in zip(tried.techniques, runs, strict=True)]
    norm = _best([r for r in runs if r.techniques and "Norm" in r.techniques[0]], work)
    rebuilt = rebuild(work, plan)
    if _collapsed(work, baseline):
        start = _stable_start(work, [*runs, *rebuilt.first_split])
        note = f"the baseline collapses; the screen starts from {', '.join(start)}" if start else ""
    else:
        start, note = rebuilt.better, rebuilt.note
    if note:
        work.note(note)
    return {
        "runs": [r.id for r in (*runs, *rebuilt.runs)],
        "norm": norm,
        "start": start,
        "report": {
            "gate": {
                "runs": rows,
                "rebuilt": rebuilt.rows,
                "chosen": norm,
                "note": note or _norm_note(norm, tried, mixed=work.recipe.levels == "mixed"),
                "not_applicable": [*tried.not_tried, *rebuilt.not_tried],
            }
        },
    }


def _check_pilot(work: Work, pilot: list[Run], tried: list[Run]) -> None:
    """Without one finished baseline there is nothing to measure a gain against.

    Raises:
        BurnishError: every run of the pilot diverged; the message names what would train.
    """
    try:
        check_finished(pilot, given_rate=work.recipe.lr is not None)
    except BurnishError as problem:
        stable = [run.techniques[0] for run in tried if run.status == "done" and run.techniques]
        also = f"; with {' or '.join(stable)} in the network it stays finite" if stable else ""
        raise BurnishError(f"{problem}{also}") from None


def _row(work: Work, text: str, run: Run) -> dict[str, Any]:
    collapsed = _collapsed(work, run)
    return {
        "technique": text,
        "score": run.score,
        "collapsed": collapsed,
        "word": "collapses" if collapsed else "stable",
    }


def _collapsed(work: Work, run: Run) -> bool:
    if run.status != "done" or not math.isfinite(run.score):
        return True
    scores = work.stage("pilot")["scores"]
    _, collapsed = clip_collapsed([run.score], float(np.mean(scores)), work.data.task.primary, spread(scores))
    return bool(collapsed[0])


def spread(scores: list[float]) -> float:
    """Standard deviation of the pilot's scores; NaN for fewer than two."""
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else math.nan


def _best(runs: list[Run], work: Work) -> str | None:
    sign = 1 if work.data.task.primary.greater_is_better else -1
    usable = [r for r in runs if r.status == "done" and math.isfinite(r.score)]
    best = max(usable, key=lambda r: sign * r.score, default=None)
    return best.techniques[0] if best else None


def _stable_start(work: Work, runs: list[Run]) -> list[str]:
    stable = [r for r in runs if not _collapsed(work, r)]
    best = _best(stable, work)
    return [best] if best else []


def _norm_note(norm: str | None, tried: Factors, *, mixed: bool) -> str:
    if norm and mixed:
        return "normalization enters the screen with all its levels"
    reasons = [f"{n['technique']}: {n['reason']}" for n in tried.not_tried]
    return f"{norm} enters the screen as the normalization" if norm else "; ".join(reasons)
