"""Several trained networks as one: ensemble."""

from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.asked import Asked
from burnish.cli.options import takes
from burnish.cli.output import percent, show
from burnish.cli.view import watching
from burnish.errors import UsageError

__all__ = ["ensemble"]


@takes(out=True)
def ensemble(
    asked: Asked,
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Directories of `burnish train` and `burnish run`.")
    ],
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="auto, average, vote, weights, greedy, stack or soup.")
    ] = "auto",
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="X,X", help="Of the members, for --method average.")
    ] = None,
    distill: Annotated[
        bool, typer.Option("--distill", metavar="", help="Also teach one network; writes student.onnx.")
    ] = False,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Combine the networks of runs into one model; it ships only where it beats its best member."""
    from burnish.pipeline.ensembles import ensemble as combine

    with watching(json=asked.json, quiet=asked.quiet, kept=asked.out) as observer:
        found = combine(
            list(runs),
            method=method,
            weights=_numbers(weights),
            distill=distill,
            out=asked.out,
            device=device,
            observer=observer,
        )
    if asked.json:
        show(asked, found.to_json(), None)
        return
    show(asked, None, [str(found), _on_test(found.report["test"]), f"written to {found.root / 'model.onnx'}"])
    if found.distilled:
        print(found.distilled["text"])
        print(f"student: {found.distilled['path']}, {found.distilled['bytes']:,} bytes")


def _numbers(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UsageError(f"--weights takes numbers separated by commas, such as 2,1,1; got {text!r}") from None


def _on_test(test: dict[str, Any]) -> str:
    """What ships against the best member on the test set."""
    if "skipped" in test:
        return f"test: {test['skipped']}"
    before, after = percent(test["before"]["value"]), percent(test["after"]["value"])
    return (
        f"test, opening {test['openings']}: {test['metric']} of the best member {before}, of what ships {after}, "
        f"gain {test['difference']['value']:+.4g}, n={test['n']}"
    )
