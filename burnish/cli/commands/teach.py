"""A smaller network taught by a finished one: distill."""

from typing import Annotated

import typer

from burnish.cli.asked import Asked
from burnish.cli.options import RunDirectory, takes
from burnish.cli.output import show
from burnish.cli.view import watching
from burnish.errors import UsageError

__all__ = ["distill"]


@takes()
def distill(
    asked: Asked,
    run: RunDirectory,
    student: Annotated[
        str | None,
        typer.Option("--student", metavar="NETWORK", help="The smaller network; the run's own, narrowed, without."),
    ] = None,
    narrow: Annotated[
        float, typer.Option("--narrow", metavar="X", help="Share of the channels a narrowed network loses.")
    ] = 0.5,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", min=3, help="Trainings with and without teacher.")] = 3,
    members: Annotated[
        int, typer.Option("--members", metavar="N", min=1, help="Teachers; several are trained and averaged.")
    ] = 1,
    temperature: Annotated[float, typer.Option("--temperature", metavar="X", help="Softens the distributions.")] = 4.0,
    weight: Annotated[float, typer.Option("--weight", metavar="X", help="Share of the teacher in the loss.")] = 0.9,
) -> None:
    """Train a smaller network with a run's network as teacher, and without, in pairs; writes student.onnx."""
    if not 0 < narrow < 1 or not 0 <= weight <= 1 or temperature <= 0:
        raise UsageError(
            f"got --narrow {narrow} --weight {weight} --temperature {temperature}; --narrow must be between 0 and 1, "
            "--weight from 0 to 1, --temperature above 0"
        )
    from burnish.pipeline.teaching import distill_run

    with watching(json=asked.json, quiet=asked.quiet, kept=run) as observer:
        result = distill_run(
            run,
            student=student,
            narrow=narrow,
            seeds=seeds,
            members=members,
            temperature=temperature,
            weight=weight,
            observer=observer,
        )
    text = result.pop("text")
    show(asked, result, None if asked.json else text)
    if not asked.json:
        sizes, ratio = result["bytes"], result["latency_ratio"]["value"]
        size = f"{sizes['student']:,} bytes instead of {sizes['teacher']:,}"
        print(f"student of seed {result['seed']}: {result['path']}, {size}, p50 latency ×{ratio:.2f}")
