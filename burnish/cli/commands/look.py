"""Looking before spending: inspect, diagnose, techniques."""

from typing import Annotated, Any

import typer

from burnish.cli.asked import Asked
from burnish.cli.options import Network, takes
from burnish.cli.output import show, table
from burnish.cli.view import watching

__all__ = ["diagnose", "inspect", "techniques"]


@takes("Data", "Training", "Job")
def inspect(asked: Asked, network: Network = None) -> None:
    """List the layers of a network with shapes, parameters and operations."""
    recipe, _ = asked.job(network, **({"data": None} if network else {}))
    from burnish.pipeline.commands import inspect_network

    with watching(json=asked.json, quiet=True):
        inspection = inspect_network(recipe)
    show(asked, inspection.to_json() if asked.json else None, str(inspection))


@takes("Data", "Training", "Job", out=True)
def diagnose(
    asked: Asked,
    network: Network = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only what needs no training.")] = False,
) -> None:
    """Say what limits a network, with the evidence, and what to try."""
    recipe, out = asked.job(network)
    from burnish.pipeline.commands import diagnose as find

    with watching(json=asked.json, quiet=asked.quiet, kept=out) as observer:
        findings = find(recipe, quick=quick, out=out, observer=observer)
    counts = {state: sum(f.state == state for f in findings) for state in ("fires", "clear", "cannot tell")}
    last = ", ".join(f"{count} {state}" for state, count in counts.items())
    show(asked, {"findings": findings, "counts": counts}, [*map(str, findings), f"{len(findings)} rules: {last}"])


@takes()
def techniques(
    asked: Asked, name: Annotated[str | None, typer.Argument(help="One technique.", show_default=False)] = None
) -> None:
    """Show the catalogue of techniques, or one of them."""
    from burnish.techniques import catalogue, describe

    if name is not None:
        found = describe(name)
        show(asked, found, [f"{key}: {_words(value)}" for key, value in found.items()])
        return
    entries = catalogue()
    rows = None if asked.json else table(("technique", "class", "what it does"), _rows(entries))
    show(asked, entries, rows)


def _rows(entries: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(entry["default"], entry["class"], entry["summary"]) for entry in entries]


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
