"""The flags, each defined once.

The flags of a job are the fields of `Recipe`: names, types and defaults come from
there, only the words of the help text are here. Flags a user did not give stay None.
"""

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.recipe_file import read_recipe
from burnish.errors import UsageError
from burnish.pipeline.recipe import Recipe

__all__ = ["Asked", "Network", "RunDirectory", "takes"]

PANELS: dict[str, dict[str, str]] = {
    "Data": {
        "data": "A name, an image folder, CSV, Parquet, NPZ, or file.py:function.",
        "target": "Column to predict.",
        "task": "classification or regression.",
        "modality": "image, table, text or series.",
        "group": "Column whose groups stay on one side of every split.",
        "time": "Column of times: validation is always later than training.",
        "max_rows": "Use at most so many training and validation rows.",
    },
    "Training": {
        "checkpoint": "Weights to start from: safetensors, or torch weights only.",
        "epochs": "Passes over the training rows.",
        "batch_size": "Examples per step.",
        "optimizer": "adamw, adam, sgd or rmsprop.",
        "lr": "Learning rate.",
        "loss": "Loss to minimize.",
        "techniques": 'Apply a technique, such as "LabelSmoothing(alpha=0.1)"; may be repeated.',
    },
    "Job": {
        "metric": "Metric decisions are made on.",
        "budget": "quick, standard, thorough, or a time such as 20m.",
        "only": "Limit the study to these techniques, separated by commas.",
        "min_gain": "Smallest gain that matters, as a fraction.",
        "max_drop": "Largest loss a compression step may cost, as a fraction.",
        "target_score": "Score that counts as reached.",
        "require": 'Size and latency wanted, such as "latency_ms<=2, bytes<=500_000".',
        "seed": "Seed of splits and trainings.",
        "device": "auto, cpu, cuda, ...",
        "workers": "Worker processes; 0 takes one per core.",
        "on": "Where runs are carried out.",
    },
}
OUT = Annotated[Path | None, typer.Option("--out", help="Directory of the results.", rich_help_panel="Output")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.", rich_help_panel="Output")]
QUIET = Annotated[bool, typer.Option("--quiet", help="Print the final summary only.", rich_help_panel="Output")]

Network = Annotated[
    str | None,
    typer.Argument(
        help="file.py:factory, package.module:factory or a zoo name; a default without.", show_default=False
    ),
]
RunDirectory = Annotated[Path, typer.Argument(help="Directory of a run.", show_default=False)]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The shared flags of one call.

    Attributes:
        values: Flags of the recipe that were given.
        out: Directory of the results, if given.
        json: Print JSON.
        quiet: Print the final summary only.
    """

    values: dict[str, Any]
    out: Path | None
    json: bool
    quiet: bool

    def job(self, network: str | None) -> tuple[Recipe, Path]:
        """Recipe and run directory; `network` may be a recipe file, whose values the flags override.

        Raises:
            UsageError: a value or a key of the file is wrong.
        """
        values: dict[str, Any] = {} if network is None else {"network": network}
        if network is not None and network.endswith((".yaml", ".yml")):
            values = read_recipe(Path(network))
        out = values.pop("out", None)
        recipe = Recipe.from_mapping({**values, **self.values})
        return recipe, self.out or Path(out or _default_out(recipe))

    def recipe(self, network: str | None) -> Recipe:
        """The recipe alone."""
        return self.job(network)[0]


def takes(*panels: str, out: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of `panels`, `--json` and `--quiet`; it gets them as its first argument, an `Asked`."""
    names = [name for panel in panels for name in PANELS[panel]]
    shared = {name: flag_of(name, panel) for panel in panels for name in PANELS[panel]}
    shared |= ({"out": OUT} if out else {}) | {"json": JSON, "quiet": QUIET}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**values: Any) -> None:
            given = {name: values.pop(name) for name in names}
            asked = Asked(
                values={name: _plain(name, value) for name, value in given.items() if value not in (None, [])},
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


def flag_of(name: str, panel: str) -> Any:
    """The annotated type of the flag for field `name` of `Recipe`."""
    field = next(field for field in dataclasses.fields(Recipe) if field.name == name)
    hint = typing.get_type_hints(Recipe)[name]
    inner = [part for part in typing.get_args(hint) if part is not types.NoneType]
    kind = list[str] if typing.get_origin(hint) is tuple else inner[0] if isinstance(hint, types.UnionType) else hint
    spelled = "--with" if name == "techniques" else f"--{name.replace('_', '-')}"
    default = "" if field.default in (None, (), "") else f" (default: {field.default})"
    text = PANELS[panel][name] + default
    return Annotated[kind | None, typer.Option(spelled, help=text, rich_help_panel=panel, show_default=False)]


def _plain(name: str, value: Any) -> Any:
    if name != "only":
        return tuple(value) if isinstance(value, list) else value
    parts = tuple(part.strip() for text in value for part in text.split(",") if part.strip())
    if not parts:
        raise UsageError("--only needs names of techniques, separated by commas; list them with `burnish techniques`")
    return parts


def _default_out(recipe: Recipe) -> Path:
    """`runs/DATA-NETWORK`, so that different jobs do not meet in one directory."""
    data = Path((recipe.data or "data").partition(":")[0]).stem or "data"
    network = (recipe.network or "default").replace(".py:", "-").replace(":", "-")
    return Path("runs") / f"{data}-{Path(network).name}"
