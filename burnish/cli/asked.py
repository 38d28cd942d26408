"""What one call asks for: the flags that were given and the recipe file, as a `Recipe`."""

import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.cli.recipe_file import read_recipe
from burnish.errors import UsageError
from burnish.pipeline.recipe import Recipe

__all__ = ["Asked", "checked", "default_out", "kind_of"]

COMMAS = re.compile(r",(?![^(]*\))")  # not those between the arguments of a technique


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

    def job(self, network: str | None, **defaults: Any) -> tuple[Recipe, Path | None]:
        """Recipe and directory of the results; `network` may name a recipe file, whose values the flags override.

        Raises:
            UsageError: a value or a key of the file is wrong.
        """
        values: dict[str, Any] = {} if network is None else {"network": network}
        if network is not None and network.endswith((".yaml", ".yml")):
            found = {key.replace("-", "_"): value for key, value in read_recipe(Path(network)).items()}
            values = {_field(key): checked(_field(key), value) for key, value in found.items() if value is not None}
        out = values.pop("out", None)
        return Recipe.from_mapping({**defaults, **values, **self.values}), self.out or (Path(out) if out else None)


def kind_of(name: str) -> Any:
    """The type of field `name` of `Recipe` without its None: `str`, `int`, `float` or `list[str]`.

    Example:
        >>> kind_of("epochs"), kind_of("only")
        (<class 'int'>, list[str])
    """
    hint = typing.get_type_hints(Recipe)[name]
    if typing.get_origin(hint) is tuple:
        return list[str]
    return next((part for part in typing.get_args(hint) if part is not types.NoneType), hint)


def checked(name: str, value: Any) -> Any:
    """`value` in the type of field `name`; names that are no field pass, for `Recipe` to refuse.

    Raises:
        UsageError: it is of another type.

    Example:
        >>> checked("only", "Mixup, Dropout"), checked("lr", 1)
        (('Mixup', 'Dropout'), 1.0)
    """
    if name not in Recipe.__dataclass_fields__:
        return value
    kind = kind_of(name)
    if kind == list[str]:
        items = [str(item) for item in (value if isinstance(value, list | tuple) else [value])]
        if name in ("only", "log"):
            items = [part.strip() for item in items for part in COMMAS.split(item) if part.strip()]
        if not items:
            what = "tensorboard or mlflow" if name == "log" else "names of techniques; `burnish techniques` lists them"
            raise UsageError(f"{name} needs values separated by commas: {what}")
        return tuple(items)
    accepted: tuple[type, ...] = {int: (int,), float: (int, float)}.get(kind, (str, int, float))
    if kind is bool:
        accepted = (bool,)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, accepted):
        raise UsageError(f"{name} must be {'a number' if kind is float else kind.__name__}, got {value!r}")
    return kind(value)


def default_out(recipe: Recipe) -> Path:
    """`runs/DATA-NETWORK`, so that different jobs do not meet in one directory.

    Example:
        >>> default_out(Recipe(network="nets.py:small", data="photos/")).as_posix()
        'runs/photos-nets-small'
    """
    data = Path((recipe.data or "data").partition(":")[0]).stem or "data"
    network = (recipe.network or "default").replace(".py:", "-").replace(":", "-")
    return Path("runs") / f"{data}-{Path(network).name}"


def _field(key: str) -> str:
    return "techniques" if key == "with" else key
