"""The one notation for techniques: what `repr` writes, `parse` reads.

Text comes from command lines, recipes and records. It is read as syntax and looked up in the catalogue; nothing
in it is ever executed.
"""

import ast
import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from burnish.errors import UsageError
from burnish.plan import Technique

__all__ = ["lookup", "parse"]


def parse(text: str, *, catalogue: Mapping[str, type[Any]] | None = None) -> Technique:
    """The technique written as `text`: `Name`, `Name()` or `Name(argument=value, ...)`.

    Args:
        text: For instance `LabelSmoothing(alpha=0.1)`.
        catalogue: Techniques by name; Burnish's own by default.

    Raises:
        UsageError: unknown name or argument, a positional argument, or a value that is not plain or out of range.

    Example:
        >>> parse("Mixup(alpha=0.4)")
        Mixup(alpha=0.4)
    """
    name, keywords = _split(text)
    technique = lookup(name, catalogue if catalogue is not None else _own())
    arguments = {word.arg: _value(text, word) for word in keywords if word.arg}
    _check_names(name, technique, arguments)
    try:
        return technique(**{key: _typed(technique, key, value) for key, value in arguments.items()})
    except (TypeError, ValueError) as error:
        raise UsageError(f"{text!r}: {error}") from error


def _own() -> Mapping[str, type[Any]]:
    from burnish.techniques import CATALOGUE

    return CATALOGUE


def _split(text: str) -> tuple[str, list[ast.keyword]]:
    """Name and keyword arguments of `text`."""
    wanted = "write a technique as Name or Name(argument=value), for instance LabelSmoothing(alpha=0.1)"
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UsageError(f"{text!r} cannot be read; {wanted}") from error
    if isinstance(node, ast.Name):
        return node.id, []
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise UsageError(f"{text!r} is not a technique; {wanted}")
    if node.args or any(word.arg is None for word in node.keywords):
        raise UsageError(f"{text!r}: all arguments need their name; {wanted}")
    names = [word.arg for word in node.keywords]
    if len(set(names)) < len(names):
        raise UsageError(f"{text!r}: an argument is given twice")
    return node.func.id, node.keywords


def lookup(name: str, catalogue: Mapping[str, type[Any]]) -> type[Any]:
    """The technique called `name`.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    if name in catalogue:
        return catalogue[name]
    by_lower = {known.lower(): known for known in catalogue}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    hint = f" Did you mean {by_lower[close[0]]}?" if close else ""
    raise UsageError(f"unknown technique {name!r}.{hint} There are {', '.join(catalogue)}")


def _value(text: str, word: ast.keyword) -> Any:
    try:
        return ast.literal_eval(word.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        written = ast.unparse(word.value)
        raise UsageError(f"{text!r}: {word.arg}={written} is not a plain value: a number, text or True") from error


def _check_names(name: str, technique: type[Any], arguments: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(technique)]
    for key in arguments:
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(f"{name} has no argument {key!r}; {has}")


def _typed(technique: type[Any], key: str, value: Any) -> Any:
    """`value` as the type the field is annotated with; whole numbers stand for real ones.

    Raises:
        TypeError: it is of another type.
    """
    expected = get_type_hints(technique)[key]
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    mistaken = isinstance(value, bool) and expected is not bool
    if isinstance(expected, type) and (mistaken or not isinstance(value, expected)):
        raise TypeError(f"{key} must be {expected.__name__}, got {value!r}")
    return value
