"""Techniques that change the whole network, each in pairs with the pilot: where one pays, the screen starts from it."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from burnish.pipeline.factors import rebuilding
from burnish.pipeline.gains import by_examples, gain_of, tested
from burnish.pipeline.running import spec
from burnish.pipeline.stages.confirm import cost_ratio, examples_error
from burnish.pipeline.stages.pilot import FIRST_SPLIT
from burnish.pipeline.work import Work
from burnish.pipeline.worth import response, worth_of
from burnish.plan import Plan
from burnish.records import Run, to_json

__all__ = ["Rebuilt", "rebuild"]

LEVEL = 0.8  # one-sided; the confirmation on fresh splits decides, this only chooses what it is asked about
FIRST_INDEX = 10  # after the runs of the stability gate


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What became of the techniques that `--only` names and that change the whole network.

    Attributes:
        better: The one that pays, in a list; else empty.
        runs: All runs, technique by technique.
        rows: For the report: technique, mean gain with interval, ratios of time and size.
        not_tried: Those that do not apply, with reasons.
        note: What was decided; empty where nothing was asked.
    """

    better: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    not_tried: list[dict[str, str]] = field(default_factory=list)
    note: str = ""

    @property
    def first_split(self) -> list[Run]:
        """The runs on the pilot's first split."""
        return [run for run in self.runs if run.split == FIRST_SPLIT]


def rebuild(work: Work, plan: Plan) -> Rebuilt:
    """Train what was asked on the splits and seeds of the pilot, whose runs are the other half of each pair."""
    found = rebuilding(plan, work.recipe.only)
    if not found.usable:
        return Rebuilt(not_tried=found.not_tried)
    pilot, techniques = work.runs("pilot"), found.techniques
    specs = [
        spec(
            "gate",
            FIRST_INDEX * (i + 1) + j,
            base=work.base,
            techniques=[text],
            split=before.split,
            seed=work.recipe.seed + before.split,
            traits=True,
            name=text,
        )
        for i, text in enumerate(techniques)
        for j, before in enumerate(pilot)
    ]
    runs = work.runner.run(specs, may_fail=True)
    arms = [list(zip(pilot, runs[i : i + len(pilot)], strict=True)) for i in range(0, len(runs), len(pilot))]
    lows = [_lower(work, pairs) for pairs in arms]
    best = int(np.argmax(lows))
    better = [techniques[best]] if lows[best] > 0 else []
    return Rebuilt(
        better=better,
        runs=runs,
        rows=[_row(work, text, pairs) for text, pairs in zip(techniques, arms, strict=True)],
        not_tried=found.not_tried,
        note=_note(techniques, better),
    )


def _note(techniques: list[str], better: list[str]) -> str:
    if better:
        return f"the screen starts from {better[0]}, which paid on the pilot's splits"
    return f"{' and '.join(techniques)} did not pay on the pilot's splits: the network stays as it is"


def _lower(work: Work, pairs: list[tuple[Run, Run]]) -> float:
    """One-sided lower bound of the mean paired gain less the costs, on the response scale."""
    worth = worth_of(work)
    gains = np.array([worth(b, response(work, b)) - worth(a, response(work, a)) for a, b in pairs])
    if len(gains) < 2 or not np.isfinite(gains).all():
        return -math.inf
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return float(gains.mean()) - float(stats.t.ppf(LEVEL, len(gains) - 1)) * error


def _row(work: Work, text: str, pairs: list[tuple[Run, Run]]) -> dict[str, Any]:
    decision = tested(
        work.data,
        pairs,
        looks=(len(pairs),),
        min_gain=work.stage("pilot")["min_gain"],
        example_se=examples_error(work, pairs) if by_examples(work.data) else None,
    )
    finished = [gain for pair in pairs if math.isfinite(gain := gain_of(work.data.task.primary, pair))]
    return {
        "technique": text,
        "gain": to_json(decision.estimate),
        "pairs": len(finished),
        "time_ratio": cost_ratio(pairs, "train_seconds"),
        "size_ratio": cost_ratio(pairs, "bytes"),
        "operations_ratio": cost_ratio(pairs, "operations"),
    }
