"""The main job and what leads up to it: run, init, study."""

from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.asked import Asked, default_out
from burnish.cli.options import Network, takes
from burnish.cli.output import show
from burnish.cli.view import watching
from burnish.errors import UsageError

__all__ = ["init", "run", "study"]


@takes("Data", "Training", "Job", out=True)
def run(asked: Asked, network: Network = None) -> None:
    """Do the whole job: measure, diagnose, experiment, confirm, compress, export, report.

    NETWORK may also be a recipe.yaml. The same command in the same --out goes on where it stopped.
    """
    recipe, out = asked.job(network)
    out = out or default_out(recipe)
    from burnish.pipeline.main_job import run as run_job

    with watching(json=asked.json, quiet=asked.quiet, kept=out) as observer:
        report = run_job(recipe, out=out, observer=observer)
    show(asked, report, None if asked.json else _summary(report))
    if not asked.json:
        named = {"model": out / "model.onnx", "report": out / "report.html"}
        print("\n".join(f"{name}: {path}" for name, path in named.items() if name == "report" or path.exists()))


@takes("Data", "Training", "Job", out=True)
def study(
    asked: Asked,
    network: Network = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Print what would be run, and its price.")
    ] = False,
) -> None:
    """Find out which techniques pay, in a designed experiment, without compressing or exporting."""
    recipe, out = asked.job(network)
    from burnish.pipeline.commands.job import study as run_study

    with watching(json=asked.json, quiet=asked.quiet, kept=out) as observer:
        result = run_study(recipe, out=out, dry_run=dry_run, observer=observer)
    show(asked, result, None if asked.json or dry_run else _summary(result))


@takes()
def init(
    asked: Asked,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to look into.")] = Path(),
    force: Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing recipe.yaml.")] = False,
) -> None:
    """Write a commented recipe.yaml from what is in the folder."""
    from burnish.ledger import write_text
    from burnish.pipeline.commands.job import init as write_recipe

    file = folder / "recipe.yaml"
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r}; name the one that holds your network and data")
    if file.exists() and not force:
        raise UsageError(f"{file} is already there; edit it, or replace it with --force")
    text = write_recipe(folder)
    write_text(file, text)
    show(asked, {"path": str(file), "text": text}, f"{file} written; edit it, then: burnish run {file}")


def _summary(report: dict[str, Any]) -> Any:
    from burnish.reporting import terminal_summary

    return terminal_summary(report)
