"""Which recipes deserve a re-run on fresh splits, and which of them to keep.

The re-run protects against the winner's curse better than any model does: the
candidates only have to contain a good recipe.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.studies.analysis import Posterior
from burnish.studies.design import Recipe, possible_recipes, recipe_of

__all__ = ["PRUNE_BELOW", "Candidate", "candidates", "pruned", "sound", "winner"]

Array = np.ndarray
Feasible = Callable[[Recipe], bool]

PRUNE_BELOW = 0.60  # dropping at .75 cost a third of the gain on recorded factorials
APART = 2  # changes between the far candidate and the others
LEAST_SOUND = 0.5  # share of the runs that a model without collapsed ones needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recipe to re-run, and why: `predicted best`, `predicted best, pruned`, `best run seen`, ..."""

    recipe: Recipe
    why: str


def candidates(
    posterior: Posterior, rows: Array, z: Array, feasible: Feasible | None = None, *, count: int = 4
) -> list[Candidate]:
    """Up to `count` different recipes, none of them the baseline, best reason first.

    They are the model's best prediction; the same without the members that probably do nothing; the best run
    seen; the best prediction at least two changes away from those; then further good predictions.

    Args:
        posterior: From `analysis.fit`.
        rows: `(n, k)` levels, the runs done.
        z: `(n,)` their responses; NaN where a run failed.
        feasible: Says whether a recipe can be run; by default all can.
        count: How many at most. With few techniques there are fewer recipes than that.
    """
    possible = possible_recipes(posterior.levels, feasible)
    if not possible:
        return []
    prediction = posterior.predict(possible)[0]
    ranked = [possible[i] for i in np.argsort(-prediction, kind="stable")]
    chosen: dict[Recipe, str] = {}
    for recipe, why in _by_rule(posterior, ranked, rows, np.asarray(z, float), set(possible), chosen):
        if len(chosen) < count:
            chosen.setdefault(recipe, why)
    return [Candidate(recipe=recipe, why=why) for recipe, why in chosen.items()]


def sound(z: Array, collapsed: Array) -> Array:
    """`z` without the collapsed runs, as the model that proposes recipes should see them.

    A collapse is no sum of effects: even clipped it bends the effects of whatever was on. Without these runs the model
    describes recipes that train, and the re-run finds out whether a proposal does. Where more than half of the runs
    collapsed they stay in, clipped: the others would be too few.

    Args:
        z: `(n,)` responses, collapsed ones clipped; NaN where a run failed.
        collapsed: `(n,)` booleans, from `clip_collapsed`.

    Example:
        >>> sound(np.array([1.0, 2.0, -5.0]), np.array([False, False, True])).tolist()
        [1.0, 2.0, nan]
    """
    left = np.where(collapsed, np.nan, z)
    return left if np.isfinite(left).sum() >= LEAST_SOUND * len(left) else np.asarray(z, float)


def pruned(posterior: Posterior, recipe: Recipe, *, below: float = PRUNE_BELOW) -> Recipe:
    """`recipe` without members whose probability to help is under `below`, the least likely first."""
    while any(recipe):
        chances = {j: posterior.p_helps(recipe, j, level=level) for j, level in enumerate(recipe) if level}
        worst = min(chances, key=lambda j: chances[j])
        if chances[worst] >= below:
            break
        recipe = tuple(0 if j == worst else level for j, level in enumerate(recipe))
    return recipe


def winner(scores: Sequence[Sequence[float]] | Array, baseline: Sequence[float] | Array) -> int | None:
    """Index of the candidate with the best mean response over the fresh splits, or None for the baseline.

    A split on which the baseline or the candidate failed is left out of that candidate's comparison; a candidate
    that failed on more than half of the splits is out.

    Args:
        scores: Per candidate its responses, larger is better, in the order of the splits; NaN where a run failed.
        baseline: The baseline's on the same splits.

    Example:
        >>> winner([[1.0, 2.0], [3.0, 2.0]], baseline=[2.0, 2.0])
        1
    """
    gains = [np.asarray(row, float) - np.asarray(baseline, float) for row in scores]
    means = [float(np.nanmean(g)) if np.isfinite(g).mean() > 0.5 else -np.inf for g in gains]
    best = int(np.argmax(means)) if means else 0
    return best if means and means[best] > 0 else None


def _by_rule(
    posterior: Posterior, ranked: list[Recipe], rows: Array, z: Array, possible: set[Recipe], chosen: dict[Recipe, str]
) -> Iterator[tuple[Recipe, str]]:
    """The recipes in order of preference; `chosen` fills while they are taken."""
    yield ranked[0], "predicted best"
    shorter = pruned(posterior, ranked[0])
    if shorter in possible:
        yield shorter, "predicted best, pruned"
    for i in np.argsort(np.where(np.isfinite(z), -z, np.inf), kind="stable"):
        if np.isfinite(z[i]) and recipe_of(rows[i]) in possible:
            yield recipe_of(rows[i]), "best run seen"
            break
    far = (recipe for recipe in ranked if all(_changes(recipe, other) >= APART for other in list(chosen)))
    for recipe in far:
        yield recipe, "predicted best at least two changes away"
        break
    for recipe in ranked:
        yield recipe, "next best predicted"


def _changes(one: Recipe, other: Recipe) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
