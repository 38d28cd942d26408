"""From a run to a product: compress, export, predict, bench."""

import csv
import io
import typing
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.asked import Asked
from burnish.cli.options import RunDirectory, takes
from burnish.cli.output import percent, show, table
from burnish.cli.view import watching
from burnish.errors import UsageError
from burnish.pipeline.recipe import Recipe
from burnish.records import Estimate

__all__ = ["bench", "compress", "export", "predict"]


@takes()
def compress(
    asked: Asked,
    run: RunDirectory,
    require: Annotated[
        str | None,
        typer.Option(
            "--require", metavar="LIMITS", help='Size and latency wanted, such as "latency_ms<=2, bytes<=500_000".'
        ),
    ] = None,
    max_drop: Annotated[
        float, typer.Option("--max-drop", metavar="X", help="Largest loss a step may cost, as a fraction.")
    ] = Recipe().max_drop,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="Time the trainings may take, such as 10m.")
    ] = None,
    criterion: Annotated[
        str | None,
        typer.Option("--criterion", metavar="NAME", help="Which channels go: l2, l1, taylor, bn_scale or random."),
    ] = None,
    ratios: Annotated[
        str | None,
        typer.Option("--ratios", metavar="NAME", help="How many of each layer: uniform, global or sensitivity."),
    ] = None,
    schedule: Annotated[
        str, typer.Option("--schedule", metavar="NAME", help="When they go: one-shot, iterative or gradual.")
    ] = "one-shot",
    sparsity: Annotated[
        float | None,
        typer.Option("--sparsity", metavar="X", help="Set this share of single weights to zero; smaller when zipped."),
    ] = None,
) -> None:
    """Prune, quantize and distill the network of a run; exit 3 when the requirement cannot be met."""
    from burnish.errors import RequirementNotMet
    from burnish.pipeline.commands.ship import compress as shrink

    try:
        with watching(json=asked.json, quiet=asked.quiet, kept=run) as observer:
            result = shrink(
                run,
                require=require,
                max_drop=max_drop,
                budget=budget,
                criterion=criterion,
                ratios=ratios,
                schedule=schedule,
                sparsity=sparsity,
                observer=observer,
            )
    except RequirementNotMet as miss:
        if miss.result and not asked.json:  # the frontier is of use all the same
            show(asked, miss.result, table(STEP_HEAD, map(_step, typing.cast(Any, miss.result["steps"]))))
        raise
    show(asked, result, None if asked.json else table(STEP_HEAD, map(_step, result["steps"])))
    if not asked.json:
        print(f"chosen: {result['chosen']}, written to {result['path']}")
        print(_on_test(result["test"]))
        if "sparsity" in result:
            print(result["sparsity"]["text"])


@takes()
def export(
    asked: Asked,
    run: RunDirectory,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="ONNX file to write; NAME.onnx here without.", show_default=False),
    ] = None,
) -> None:
    """Write the network of a run as ONNX, after checking that it computes the same."""
    from burnish.pipeline.commands.ship import export as write_model

    with watching(json=asked.json, quiet=True):
        result = write_model(run, path or Path(f"{run.resolve().name}.onnx"))
    show(asked, result, None if asked.json else _exported(result))


@takes()
def predict(
    asked: Asked,
    run: RunDirectory,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="Images or folders of them, CSV, Parquet, text or NPZ files."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write a .csv or .json file instead.")
    ] = None,
) -> None:
    """Predict with the exported model of a run. Needs no torch."""
    from burnish.exporting.package import predict_files
    from burnish.ledger import write_text
    from burnish.records import dumps

    if out is not None and out.suffix not in (".csv", ".json"):
        raise UsageError(f"--out must end in .csv or .json, got {str(out)!r}")
    rows = predict_files(run, files)
    if out is not None:
        write_text(out, dumps({"predictions": rows}) if out.suffix == ".json" else _csv(rows))
        show(asked, {"path": str(out), "predictions": len(rows)}, f"{len(rows)} predictions written to {out}")
    else:
        show(asked, {"predictions": rows}, "" if asked.json else _csv(rows).rstrip("\n"))


@takes()
def bench(
    asked: Asked,
    models: Annotated[list[Path], typer.Argument(metavar="FILES", help="ONNX files; several are timed in turns.")],
    batch: Annotated[
        list[int] | None, typer.Option("--batch", metavar="N", min=1, help="Batch size; may be repeated.")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", metavar="N", min=20, help="Calls of each model.")] = 400,
    threads: Annotated[int, typer.Option("--threads", metavar="N", min=1, help="Threads inside one operator.")] = 1,
) -> None:
    """Measure latency, throughput, size, work and memory of ONNX models in fresh processes. Needs no torch."""
    from burnish.exporting.bench import bench as measure

    rows = measure(models, batches=tuple(batch) if batch else (1, 32), repeats=repeats, threads=threads)
    show(asked, {"latency": rows}, None if asked.json else table(BENCH_HEAD, map(_benched, rows)))
    if not asked.json:
        print(f"95 % intervals over {rows[0]['p50_ms'].n} calls each, in turns, {threads} thread(s)")


BENCH_HEAD = (
    *("model", "batch", "p50 ms", "p95 ms", "p99 ms", "× first", "examples/s"),
    *("bytes", "parameters", "operations", "peak memory"),
)


def _benched(row: dict[str, Any]) -> tuple[Any, ...]:
    counts = [row[name] for name in ("bytes", "parameters", "operations", "peak_memory")]
    times = [_bare(row[name]) for name in ("p50_ms", "p95_ms", "p99_ms", "ratio")]
    speed = f"{row['examples_per_second']:,.0f}"
    return row["model"], row["batch"], *times, speed, *(None if n is None else f"{n:,}" for n in counts)


def _bare(estimate: Estimate) -> str:
    """Value and interval."""
    interval = "" if estimate.low is None else f" [{estimate.low:.3g}, {estimate.high:.3g}]"
    return f"{estimate.value:.3g}{interval}"


def _exported(result: dict[str, Any]) -> list[str]:
    """What was written, what it is, and how far it is from PyTorch."""
    times = [f"{found['p50']['value']:.3g} ms at batch {batch}" for batch, found in result["latency_ms"].items()]
    return [
        f"{result['path']}: {result['bytes']:,} bytes, opset {result['opset']}, {result['step']}",
        f"{Path(result['path']).with_suffix('.json')}: how to feed it and read it",
        f"against PyTorch: largest difference {result['max_abs_difference']:.2g}, same answer for "
        f"{result['agreement']:.2%} of the validation examples",
        f"p50 latency: {', '.join(times)}",
    ]


STEP_HEAD = ("step", "score", "p50 ms", "bytes", "accepted", "reason")


def _step(step: dict[str, Any]) -> tuple[Any, ...]:
    latency = (step.get("latency_ms") or {}).get("value")
    return (
        step["step"],
        percent(step.get("score")),
        None if latency is None else f"{latency:.3f}",
        step.get("bytes"),
        "yes" if step["accepted"] else "no",
        step["reason"],
    )


def _on_test(test: dict[str, Any]) -> str:
    """What the chosen network costs on the test set."""
    if "skipped" in test:
        return f"test: {test['skipped']}"
    gain = test["difference"]
    interval = f" [{gain['low']:+.4g}, {gain['high']:+.4g}]" if gain["low"] is not None else ""
    before, after = percent(test["before"]["value"]), percent(test["after"]["value"])
    return (
        f"test, opening {test['openings']}: {test['metric']} {before} -> {after}, "
        f"gain {gain['value']:+.4g}{interval}, n={test['n']}: {test['promise']}"
    )


def _csv(rows: list[dict[str, Any]]) -> str:
    """One line for each prediction; the probabilities of all classes are in the JSON only."""
    names = [name for name in (rows[0] if rows else {}) if name != "probabilities"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _field(v) for k, v in row.items()} for row in rows)
    return text.getvalue()


def _field(value: Any) -> Any:
    """A number in seven digits; several labels with a bar between them."""
    if isinstance(value, list):
        return "|".join(map(str, value))
    return f"{value:.7g}" if isinstance(value, float) else value
