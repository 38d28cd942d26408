"""The flags, each defined once.

The flags of a job are the fields of `Recipe`: names, types and defaults come from
there, only the words of the help text are here. Flags that are not given stay None.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.asked import Asked, checked, kind_of
from burnish.pipeline.recipe import Recipe

__all__ = ["Network", "RunDirectory", "takes"]

PANELS: dict[str, dict[str, str]] = {
    "Data": {
        "data": "digits, an image folder, a CSV, Parquet or NPZ file, or file.py:function.",
        "target": "Column to predict; label, target, class or y are found without.",
        "task": "classification, multilabel or regression; told from the targets without.",
        "modality": "image, table, text or series; told from the data without.",
        "group": "Column whose groups stay on one side of every split.",
        "time": "Column of times: validation is always later than training.",
        "max_rows": "Use at most so many training and validation rows.",
    },
    "Training": {
        "checkpoint": "Weights to start from: safetensors, or torch weights only.",
        "resplit": "The rows of --data are new to the trained network: splits may be drawn anew.",
        "epochs": "Passes over the training rows; searched without.",
        "batch_size": "Examples per step; by the number of rows without.",
        "optimizer": "adamw, adam, sgd or rmsprop; adamw without.",
        "lr": "Learning rate; searched without.",
        "loss": "Loss to minimize, such as focal or huber, or your own as file.py:function; the task's own without.",
        "precision": "float32, or bf16 for forward passes in training; weights and evaluation stay in float32.",
        "techniques": 'Apply a technique (train, compare), such as "Mixup(alpha=0.2)"; may be repeated.',
    },
    "Comparison": {
        "against": "Technique of the other side, in place of the baseline; may be repeated.",
    },
    "Job": {
        "metric": "Metric that decides, such as f1_macro or mae; the task's own without.",
        "budget": "quick, standard, thorough, or a time such as 20m.",
        "only": "Limit the study to these techniques, separated by commas; two notations of one are its levels.",
        "levels": "two (off or on) or mixed: normalization and augmentation have three levels.",
        "vary_lr": "Vary the learning rate beside the techniques, so that no effect depends on it.",
        "screen": "Runs of the screening design, 12 or 24 by the budget.",
        "min_gain": "Smallest gain that matters; for errors without a bound a share of the baseline's.",
        "threshold": "Where a rule of the diagnosis fires, as NAME=VALUE; may be repeated.",
        "max_drop": "Largest loss a compression step may cost, as a fraction.",
        "target_score": "Score that counts as reached.",
        "require": 'Size and latency wanted, such as "latency_ms<=2, bytes<=500_000".',
        "ensemble": "Train so many of what ships, and ship them as one where that is better.",
        "seed": "Seed of splits and trainings.",
        "device": "auto, cpu, cuda, cuda:1 or mps.",
        "workers": "Runs at the same time; 0 takes what was measured to be fastest.",
        "ranks": "Processes that do each run together (DDP), for networks too large for one device.",
        "log": "Write runs and results for tensorboard, mlflow or both, separated by commas.",
        "on": "local, ray, or the address of a Ray cluster: ray://HOST:PORT or HOST:PORT.",
    },
}
METAVARS = {
    "data": "DATA",
    "target": "COLUMN",
    "group": "COLUMN",
    "time": "COLUMN",
    "checkpoint": "FILE",
    "techniques": "TECHNIQUE",
    "against": "TECHNIQUE",
    "only": "NAMES",
    "threshold": "NAME=VALUE",
    "log": "NAMES",
    "require": "LIMITS",
}
PLAIN = {int: "N", float: "X", bool: ""}  # a flag without a value has no word after it
OUT = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Directory of the results.", rich_help_panel="Output")
]
JSON = Annotated[
    bool,
    typer.Option("--json", metavar="", help="Print one JSON value and nothing else.", rich_help_panel="Output"),
]
QUIET = Annotated[
    bool, typer.Option("--quiet", metavar="", help="Print the final summary only.", rich_help_panel="Output")
]

Network = Annotated[
    str | None,
    typer.Argument(
        metavar="NETWORK",
        help="file.py:factory, package.module:factory or a zoo name; one that suits the data without.",
        show_default=False,
    ),
]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run.", show_default=False)]


def takes(*panels: str, out: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of `panels`, `--json` and `--quiet`; it gets them as its first argument, an `Asked`."""
    names = [name for panel in panels for name in PANELS[panel]]
    shared = {name: _flag(name, panel) for panel in panels for name in PANELS[panel]}
    shared |= ({"out": OUT} if out else {}) | {"json": JSON, "quiet": QUIET}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**values: Any) -> None:
            given = {name: values.pop(name) for name in names}
            asked = Asked(
                values={name: checked(name, value) for name, value in given.items() if value not in (None, [])},
                out=values.pop("out", None) if out else None,
                json=values.pop("json"),
                quiet=values.pop("quiet"),
            )
            function(asked, **values)

        own = list(inspect.signature(function).parameters.values())[1:]
        kind = inspect.Parameter.KEYWORD_ONLY
        more = [
            inspect.Parameter(name, kind, default=False if name in ("json", "quiet") else None, annotation=annotation)
            for name, annotation in shared.items()
        ]
        parameters = [*own, *more]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _flag(name: str, panel: str) -> Any:
    """The annotated type of the flag for field `name` of `Recipe`."""
    field = next(field for field in dataclasses.fields(Recipe) if field.name == name)
    spelled = "--with" if name == "techniques" else f"--{name.replace('_', '-')}"
    kind = kind_of(name)
    default = "" if field.default in (None, (), "") or kind is bool else f" (default: {field.default})"
    option = typer.Option(
        spelled,
        metavar=METAVARS.get(name) or PLAIN.get(kind, "NAME"),
        help=PANELS[panel][name] + default,
        rich_help_panel=panel,
        show_default=False,
    )
    return Annotated[kind | None, option]
