"""Looking before spending: inspect, diagnose, techniques."""

import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.asked import Asked
from burnish.cli.findings import finding_lines
from burnish.cli.options import Network, takes
from burnish.cli.output import show, table
from burnish.cli.view import watching

__all__ = ["diagnose", "inspect", "techniques"]


@takes("Data", "Training", "Job")
def inspect(asked: Asked, network: Network = None) -> None:
    """List the layers of a network with shapes, parameters and operations."""
    recipe, _ = asked.job(network, **({"data": None} if network else {}))
    from burnish.pipeline.commands.look import inspect_network

    with watching(json=asked.json, quiet=True):
        inspection = inspect_network(recipe)
    show(asked, inspection.to_json() if asked.json else None, str(inspection))


@takes("Data", "Training", "Job", out=True)
def diagnose(
    asked: Asked,
    network: Network = None,
    quick: Annotated[bool, typer.Option("--quick", metavar="", help="Only what needs no training.")] = False,
) -> None:
    """Say what limits a network, with the evidence, and what to try."""
    recipe, out = asked.job(network)
    from burnish.pipeline.commands.look import diagnose as find
    from burnish.pipeline.suggested import suggested

    with watching(json=asked.json, quiet=asked.quiet, kept=out) as observer:
        findings = find(recipe, quick=quick, out=out, observer=observer)
    counts = {state: sum(f.state == state for f in findings) for state in ("fires", "clear", "cannot tell")}
    commands = suggested(recipe, findings, quick=quick, out=out)
    lines = [*finding_lines(findings), *(f"next: {line}" for line in commands)]
    lines += [f"report: {out}/report.html"] if out else []
    show(asked, {"findings": findings, "counts": counts, "next": commands}, lines)


@takes()
def techniques(
    asked: Asked,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One technique.", show_default=False)] = None,
    learned: Annotated[
        list[Path] | None,
        typer.Option("--learned", metavar="DIR", help="P(helps | finding) over the finished jobs in a folder."),
    ] = None,
) -> None:
    """Show the catalogue of techniques, or one of them."""
    if learned:
        from burnish.pipeline.commands.look import learned as pool

        found = pool(learned, technique=name)
        show(asked, found, None if asked.json else table(LEARNED, map(_learned, found["rows"])))
        if not asked.json:
            print(f"from {found['jobs']} finished jobs; P(helps) with its 95 % interval")
        return
    from burnish.techniques import catalogue, describe

    if name is not None:
        found = describe(name)
        show(asked, found, None if asked.json else _card(found))
        return
    entries = catalogue()
    rows = [(entry["default"], entry["class"], entry["summary"]) for entry in entries]
    show(asked, entries, None if asked.json else table(("technique", "class", "what it does"), rows))
    if not asked.json:
        print("\n".join(f"{kind}: {meaning}" for kind, meaning in CLASSES.items()))
        print("`burnish techniques NAME` shows one with its arguments and its source.")


CLASSES = {
    "factor": "can enter the designed experiment, where it is on or off in each run",
    "readout": "measured with and without on every run, at no extra run",
    "gate": "changes the whole network; with --only it is tried in pairs first, and the screen starts from what paid",
    "post": "carried out after each training, whose run is then measured with it",
    "nuisance": "varied beside the others with --vary-lr, so that nothing depends on it",
}


LEARNED = ("finding", "technique", "jobs", "helped", "hurt", "P(helps)")


def _learned(row: dict[str, Any]) -> tuple[Any, ...]:
    share = f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    return row["finding"], row["technique"], row["n"], row["helped"], row["hurt"], share


def _measured(effects: dict[str, Any]) -> list[str]:
    """What was measured, a line for each data set."""
    from burnish.techniques._measured import told

    lines = [f"{effect['data']}: {told(effect)}" for effect in effects["measured"]]
    lines += [f"{data}: does not apply: {reason}" for data, reason in effects["not_applicable"].items()]
    lines += [f"by {effects['elsewhere']}"] if "elsewhere" in effects else []
    return lines or ["not yet"]


def _card(found: dict[str, Any]) -> list[str]:
    """One technique for people."""
    arguments = [f"{item['name']}={item['default']!r}: {item['meaning']}" for item in found["arguments"]]
    rows = {
        "arguments": arguments or ["none"],
        "levels": found["levels"],
        "class": [f"{found['class']}: {CLASSES.get(found['class'], '')}"],
        "changes": [found["changes"]],
        "for": [f"{', '.join(found['tasks'])} on {', '.join(found['modalities'])}"],
        "conflicts": [", ".join(found["conflicts"]) or "none"],
        "helps": [found["helps"]],
        "does not": [found["hurts"]],
        "costs": [found["costs"]],
        "measured": _measured(found["effects"]),
        "source": found["source"].split("; "),
        "function": found["functions"] or ["only as part of a plan"],
        "try it": [f'burnish compare NETWORK --data D --with "{found["default"]}"'],
    }
    lines = [f"{name if i == 0 else '':<10} {line}" for name, lines in rows.items() for i, line in enumerate(lines)]
    return [f"{found['default']}: {found['summary']}", "", *textwrap.wrap(found["why"], 100), "", *lines]
