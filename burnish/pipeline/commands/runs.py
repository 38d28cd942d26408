"""Training with techniques, and comparing what was trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.errors import BurnishError, UsageError
from burnish.ledger import Ledger
from burnish.pipeline.commands.places import Observer, folder, silent
from burnish.pipeline.recipe import Recipe
from burnish.records import Comparison, Run

if TYPE_CHECKING:
    from burnish.pipeline.work import Work

__all__ = ["compare_runs", "compare_technique", "train"]


def train(
    recipe: Recipe,
    *,
    seeds: int = 3,
    same_split: bool = False,
    out: Path | None = None,
    observer: Observer | None = None,
) -> list[Run]:
    """Train the recipe's network with its techniques, once per seed, each on its own split or all on the same."""
    from burnish.pipeline.running import check_finished, spec
    from burnish.pipeline.stages.preflight import preflight
    from burnish.pipeline.stages.prepare import prepare
    from burnish.pipeline.stages.tune import tune
    from burnish.pipeline.work import opened
    from burnish.reporting import write_report

    if seeds < 1:
        raise UsageError(f"--seeds must be at least 1, got {seeds}")
    ahead = {"tune": None, "train": seeds}
    with folder(out) as root, opened(recipe, root, observer or silent, ahead=ahead) as work:
        for name, stage in (("prepare", prepare), ("preflight", preflight), ("tune", tune)):
            work.ledger.once(name, lambda stage=stage: stage(work))  # type: ignore[misc]
        techniques = _notations(recipe.techniques)
        _tell(work, techniques)
        specs = [
            spec("train", i, base=work.base, techniques=techniques, split=split, seed=recipe.seed + i, keep=True)
            for i, split in enumerate([0] * seeds if same_split else range(seeds))
        ]
        runs = work.runner.run(specs)
        write_report(root)
        check_finished(runs, given_rate=recipe.lr is not None)
        return runs


def compare_runs(before: Path, after: Path) -> Comparison:
    """The paired difference between two directories of `burnish train`, or of `burnish run`.

    Raises:
        UsageError: there are no runs that can be paired.
    """
    from burnish.pipeline import api

    first, second = (_trained(Path(p)) for p in (before, after))
    section = Ledger(before).stage("prepare")
    if not first or not second or section is None:
        raise UsageError(
            f"{before if not first else after} holds no runs that can be paired: neither finished ones of `burnish "
            "train` nor a confirmation of `burnish run`; name two directories made by `burnish train --out`"
        )
    data = section["report"]["data"]
    names = tuple(f"{p}: {', '.join(r[0].techniques) or 'baseline'}" for p, r in ((before, first), (after, second)))
    return api.compare_runs(
        first, second, names=(names[0], names[1]), n_train=data["train"], n_validation=data["validation"]
    )


def _trained(root: Path) -> tuple[Run, ...]:
    """Runs of `train`; of a whole job, the arm that it recommends."""
    ledger = Ledger(root)
    ledger.recipe()  # refuses what is no run directory
    runs = tuple(ledger.runs("train"))
    return runs or tuple(run for run in ledger.runs("confirm") if run.detail.get("name") == "recipe")


def compare_technique(recipe: Recipe, *, out: Path | None = None, observer: Observer | None = None) -> Comparison:
    """The recipe's baseline with its techniques against it without, or with those of `against`.

    A sequential, paired confirmation: the same test that decides what the job ships.

    Raises:
        UsageError: no technique is given, or both sides are the same.
    """
    from burnish.pipeline.running import check_finished
    from burnish.pipeline.stages.confirm import confirmed_pairs, cost_ratio
    from burnish.pipeline.stages.pilot import pilot, score_estimate
    from burnish.pipeline.stages.preflight import preflight
    from burnish.pipeline.stages.prepare import prepare
    from burnish.pipeline.stages.tune import tune
    from burnish.pipeline.work import opened
    from burnish.studies.budget import Budget

    techniques, others = _notations(recipe.techniques), _notations(recipe.against)
    if not techniques:
        raise UsageError("compare needs two run directories, or --with and a technique; see `burnish techniques`")
    if techniques == others:
        raise UsageError(f"both sides are {', '.join(techniques)}: name other techniques after --against")
    ahead = {"tune": None, "pilot": None, "compare": 2 * max(Budget.parse(recipe.budget).looks)}
    with folder(out) as root, opened(recipe, root, observer or silent, ahead=ahead) as work:
        for name, stage in (("prepare", prepare), ("preflight", preflight), ("tune", tune), ("pilot", pilot)):
            work.ledger.once(name, lambda stage=stage: stage(work))  # type: ignore[misc]
        _tell(work, techniques)
        pairs, _, decision = confirmed_pairs(work, others, techniques, looks=work.budget.looks, stage="compare")
        bounded = work.data.task.primary.bounded
        done = [p for p in pairs if p[0].status == p[1].status == "done"]
        means = [score_estimate([p[i].score for p in done], bounded=bounded) for i in (0, 1)]
        for arm in zip(*pairs, strict=True):
            check_finished(list(arm), given_rate=recipe.lr is not None)
        if decision.estimate is None or means[0] is None or means[1] is None:
            raise BurnishError(f"only {len(done)} of {len(pairs)} pairs of runs finished; it takes 2 to compare")
        return Comparison(
            before=", ".join(others) or "baseline",
            after=", ".join(techniques),
            metric=work.data.task.primary.name,
            before_score=means[0],
            after_score=means[1],
            difference=decision.estimate,
            verdict=decision.verdict,
            p_value=decision.p_value,
            time_ratio=cost_ratio(pairs, "train_seconds"),
            size_ratio=cost_ratio(pairs, "bytes"),
            pairs=tuple((pair[0].score, pair[1].score) for pair in done),
            note=decision.note,
        )


def _notations(texts: tuple[str, ...]) -> list[str]:
    from burnish.techniques import parse

    return [repr(parse(text)) for text in texts]


def _tell(work: "Work", techniques: Sequence[str]) -> None:
    """What techniques have to say before a training, such as which weights were taken over."""
    from burnish.techniques import parse

    plan = work.plan
    for technique in map(parse, techniques):
        for line in getattr(technique, "told", lambda plan: [])(plan):
            work.note(line)
        plan = plan.then(technique)
