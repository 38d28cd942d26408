"""The notation of single changes: `rotate=20, erase`, names with or without a number."""

from dataclasses import fields, replace
from math import isfinite
from typing import TypeVar

__all__ = ["parsed", "strength_of"]

Strength = TypeVar("Strength")
TOGETHER = {"colour": ("brightness", "contrast", "saturation")}  # one name for several changes


def parsed(policy: str) -> dict[str, float | None]:
    """The changes named in `policy` with their numbers; None where none is given.

    Raises:
        ValueError: it cannot be read.

    Example:
        >>> parsed("rotate=20, erase")
        {'rotate': 20.0, 'erase': None}
    """
    found: dict[str, float | None] = {}
    for part in policy.split(","):
        name, sign, text = (piece.strip() for piece in part.partition("="))
        if not name.isidentifier() or name in found:
            raise ValueError(f"policy {policy!r} is no list of changes; write it like 'flip, rotate=20, erase=0.3'")
        found[name] = _number(policy, text) if sign else None
    return {each: number for name, number in found.items() for each in TOGETHER.get(name, (name,))}


def _number(policy: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError(f"policy {policy!r}: {text!r} is no number") from error
    if not (isfinite(number) and number >= 0):
        raise ValueError(f"policy {policy!r}: a change needs a finite number of 0 or more, got {text}")
    return number


def strength_of(policy: str, usual: Strength) -> Strength:
    """The strength with what `policy` names alone, at the numbers it gives or else those of `usual`.

    Args:
        policy: See `parsed`.
        usual: One number for each change there is.

    Raises:
        ValueError: a change is not one of `usual`.
    """
    known = [f.name for f in fields(usual)]  # type: ignore[arg-type]
    given = parsed(policy)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"there is no change {unknown[0]!r}; there are {', '.join(known)}")
    named = {name: getattr(usual, name) if number is None else number for name, number in given.items()}
    return replace(usual, **(dict.fromkeys(known, 0.0) | named))  # type: ignore[type-var]
