"""Training by hand: train, compare."""

import itertools
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.asked import Asked
from burnish.cli.options import Network, takes
from burnish.cli.output import percent, show, table
from burnish.cli.view import watching
from burnish.errors import UsageError

__all__ = ["compare", "train"]


@takes("Data", "Training", "Job", out=True)
def train(
    asked: Asked,
    network: Network = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=1, help="Trainings, each with its own seed and split.")
    ] = 3,
    same_split: Annotated[
        bool, typer.Option("--same-split", metavar="", help="One split for all seeds, as `burnish ensemble` needs.")
    ] = False,
) -> None:
    """Train a network, with techniques or without, and print scores with intervals."""
    recipe, out = asked.job(network)
    from burnish.pipeline.commands.runs import train as train_plans
    from burnish.pipeline.stages.pilot import score_estimate, usable

    with watching(json=asked.json, quiet=asked.quiet, kept=out) as observer:
        runs = train_plans(recipe, seeds=seeds, same_split=same_split, out=out, observer=observer)
    plans = [
        {"techniques": list(key), "score": score_estimate(usable(list(group)))}
        for key, group in itertools.groupby(runs, key=lambda run: run.techniques)
    ]
    if asked.json:
        show(asked, {"runs": runs, "plans": plans}, None)
        return
    show(asked, None, table(("techniques", "seed", "status", "metric", "score", "seconds"), map(_row, runs)))
    metric = runs[0].primary if runs else "score"
    show(asked, None, [f"{_names(plan['techniques'])}: {metric} {plan['score'] or 'no score'}" for plan in plans])


@takes("Data", "Training", "Comparison", "Job", out=True)
def compare(
    asked: Asked,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN RUN | NETWORK", help="Two run directories, or one network.", show_default=False),
    ] = None,
) -> None:
    """Compare two runs, or a network with and without the techniques given by --with, in pairs.

    With --against the other side has techniques too.
    """
    given = what or []
    if len(given) == 2:
        from burnish.pipeline.commands.runs import compare_runs

        comparison = compare_runs(Path(given[0]), Path(given[1]))
        show(asked, comparison, _lines(comparison))
        return
    if len(given) > 2:
        raise UsageError(f"compare takes two run directories or one network, got {len(given)}: {' '.join(given)}")
    recipe, out = asked.job(given[0] if given else None)
    if not recipe.techniques:
        raise UsageError('nothing to compare: name two run directories, or a technique: --with "Dropout(rate=0.2)"')
    from burnish.pipeline.commands.runs import compare_technique

    with watching(json=asked.json, quiet=asked.quiet, kept=out) as observer:
        comparison = compare_technique(recipe, out=out, observer=observer)
    show(asked, comparison, _lines(comparison))


def _lines(comparison: Any) -> list[str]:
    """What was compared, how it ended and why."""
    names = f"{comparison.before}  against  {comparison.after}, {len(comparison.pairs)} pairs"
    return [names, str(comparison), *([comparison.note] if comparison.note else [])]


def _row(run: Any) -> tuple[Any, ...]:
    seconds = run.cost.train_seconds if run.cost else None
    took = None if seconds is None else f"{seconds:.1f}"
    return _names(run.techniques), run.seed, run.error or run.status, run.primary, percent(run.score), took


def _names(techniques: Any) -> str:
    return ", ".join(techniques) or "no technique"
