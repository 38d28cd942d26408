"""Factors, their levels and how both are coded: off is level 0, a technique that is on is level 1, 2, ...

A factor with two levels is one column of -1 and +1. One with more, such as no, batch or group normalization, becomes
orthonormal contrasts, which are the same thing for two levels: over the levels each has mean 0 and mean square 1, so
no level is favoured and a prior means the same for every factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

__all__ = [
    "Factor",
    "Recipe",
    "coded",
    "features",
    "level_contrasts",
    "levels_of",
    "owners",
    "pairs",
    "products",
    "recipe_of",
    "signs",
    "two_levels",
]

Array = np.ndarray
Recipe = tuple[int, ...]  # the level of each factor; booleans are the levels of a factor that is off or on


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """What is varied.

    Attributes:
        name: For people; of an on-off factor the technique itself.
        levels: Notations of the levels beside off, so that `levels[i - 1]` is level `i`.
        nuisance: Varied only so that nothing depends on it, such as the learning rate; never reported as a technique.
    """

    name: str
    levels: tuple[str, ...]
    nuisance: bool = False


def levels_of(recipes: Array | Sequence[int] | Sequence[Recipe]) -> Array:
    """Levels as whole numbers from 0; off may be given as 0, False or -1. Any shape.

    Example:
        >>> levels_of([(-1, 1, 2), (True, False, 0)]).tolist()
        [[0, 1, 2], [1, 0, 0]]
    """
    return np.maximum(np.asarray(recipes, float), 0).astype(int)


def recipe_of(row: Array | Sequence[int]) -> Recipe:
    """One row of a design as a tuple of levels."""
    return tuple(int(level) for level in levels_of(row))


def signs(recipe: Array | Sequence[int] | Sequence[Recipe]) -> Array:
    """Recipes of on-off factors, given as booleans, 0/1 or -1/+1, as floats of -1 and +1; any shape.

    Example:
        >>> signs((True, False)).tolist()
        [1.0, -1.0]
    """
    return np.where(np.asarray(recipe, dtype=float) > 0, 1.0, -1.0)


def two_levels(factors: int) -> tuple[int, ...]:
    """The levels of `factors` techniques that are on or off."""
    return (2,) * factors


def pairs(factors: int) -> list[tuple[int, int]]:
    """All pairs of factors, in the order of the interaction columns."""
    return list(combinations(range(factors), 2))


def level_contrasts(count: int) -> Array:
    """`(count, count - 1)` orthonormal contrasts: each level against the mean of those after it (Helmert).

    Example:
        >>> level_contrasts(2).tolist()
        [[-1.0], [1.0]]
    """
    columns = []
    for i in range(count - 1):
        column = np.zeros(count)
        column[i], column[i + 1 :] = -1.0, 1.0 / (count - 1 - i)
        columns.append(column / np.sqrt((column**2).mean()))
    return np.column_stack(columns) if columns else np.zeros((count, 0))


def owners(levels: Sequence[int]) -> Array:
    """The factor that each coded column belongs to."""
    return np.repeat(np.arange(len(levels)), np.asarray(levels, int) - 1)


def coded(recipes: Array | Sequence[Recipe], levels: Sequence[int] | None = None) -> Array:
    """`(n, k)` levels as `(n, m)` contrasts; two levels each where `levels` is not given."""
    rows = np.atleast_2d(levels_of(recipes))
    counts = two_levels(rows.shape[1]) if levels is None else levels
    columns = [level_contrasts(count)[rows[:, j]] for j, count in enumerate(counts)]
    return np.column_stack(columns) if columns else np.zeros((len(rows), 0))


def products(columns: Array, levels: Sequence[int]) -> tuple[Array, list[tuple[int, int]]]:
    """Products of coded columns of different factors, and the pair of factors of each."""
    owner = owners(levels)
    found = [(a, b) for a, b in combinations(range(len(owner)), 2) if owner[a] != owner[b]]
    values = [columns[:, a] * columns[:, b] for a, b in found]
    table = np.column_stack(values) if values else np.zeros((len(columns), 0))
    return table, [(int(owner[a]), int(owner[b])) for a, b in found]


def features(columns: Array, levels: Sequence[int] | None = None) -> Array:
    """Intercept, main effects and two-factor interactions of coded columns."""
    counts = two_levels(columns.shape[1]) if levels is None else levels
    return np.column_stack([np.ones(len(columns)), columns, products(columns, counts)[0]])
