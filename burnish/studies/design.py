"""Which runs to do: Plackett-Burman designs, folded over, in blocks that share a split.

Every run tells something about every technique, so twelve runs measure eleven
techniques with the precision that one at a time would need sixty runs for.

Source: Plackett and Burman, "The Design of Optimum Multifactorial Experiments", Biometrika 1946;
Box, Hunter and Hunter, "Statistics for Experimenters", 2nd ed. 2005, for fold-over and aliasing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from burnish.errors import UsageError

__all__ = [
    "MAX_FACTORS",
    "Design",
    "Recipe",
    "alias_matrix",
    "fold_over",
    "pairs",
    "plackett_burman",
    "power",
    "recipe_of",
    "screen_design",
    "signs",
    "smallest_detectable_effect",
]

Array = np.ndarray
Recipe = tuple[bool, ...]

MAX_FACTORS = 11
GENERATOR = (1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1)
BLOCKS_OF_TWELVE = 4  # the pilot's splits, three runs on each


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """A set of runs fixed in advance.

    Attributes:
        rows: `(n, k)` of -1 (off) and +1 (on).
        blocks: `(n,)` numbers from 0; runs of one block share split and seed of the split.
        order: `(n,)` permutation: the random order in which to carry the runs out.
        name: For reports.
    """

    rows: Array
    blocks: Array
    order: Array
    name: str

    def recipes(self) -> list[Recipe]:
        """The rows as tuples of booleans."""
        return [recipe_of(row) for row in self.rows]


def signs(recipe: Array | Sequence[bool] | Sequence[Recipe]) -> Array:
    """Recipes given as booleans, 0/1 or -1/+1, as floats of -1 and +1; any shape.

    Example:
        >>> signs((True, False)).tolist()
        [1.0, -1.0]
    """
    return np.where(np.asarray(recipe, dtype=float) > 0, 1.0, -1.0)


def recipe_of(row: Array) -> Recipe:
    """A row of -1 and +1 as a tuple of booleans."""
    return tuple(bool(value > 0) for value in row)


def pairs(factors: int) -> list[tuple[int, int]]:
    """All pairs of factors, in the order of the interaction columns."""
    return list(combinations(range(factors), 2))


def plackett_burman() -> Array:
    """The 12-run design for up to 11 factors: `(12, 11)` of -1 and +1, orthogonal columns, last row all off.

    Example:
        >>> bool((plackett_burman().T @ plackett_burman() == 12 * np.eye(11)).all())
        True
    """
    cyclic = [np.roll(GENERATOR, shift) for shift in range(MAX_FACTORS)]
    return np.array([*cyclic, [-1] * MAX_FACTORS])


def fold_over(rows: Array) -> Array:
    """`rows` and their mirror images: main effects become free of all two-factor interactions."""
    return np.vstack([rows, -rows])


def screen_design(
    factors: int, runs: int = 12, seed: int = 0, *, feasible: Callable[[Recipe], bool] | None = None
) -> Design:
    """The screening design for `factors` techniques.

    Columns are assigned to techniques at random. In 24 runs a row and its mirror image share a block, so
    main effects are free of split effects; in 12 runs four blocks of three are balanced as well as they can be.

    Args:
        factors: Number of techniques, 0 to 11; none gives a design without runs.
        runs: 12 (Plackett-Burman) or 24 (the same, folded over).
        seed: Decides columns, blocks and order.
        feasible: Says whether a recipe can be run. In a row that cannot, techniques are turned off, one
            at a time and at random, until it can.

    Raises:
        UsageError: more than 11 factors, or another number of runs.
    """
    if not 0 <= factors <= MAX_FACTORS:
        raise UsageError(f"a screen takes 0 to {MAX_FACTORS} techniques, got {factors}: leave some out with `only`")
    if runs not in (12, 24):
        raise UsageError(f"a screen has 12 or 24 runs, got {runs}")
    rng = np.random.default_rng([seed, factors, runs])
    half = plackett_burman()[:, rng.permutation(MAX_FACTORS)[:factors]]
    name = "Plackett-Burman 12" if runs == 12 else "Plackett-Burman 12, folded over"
    if factors == 0:
        return Design(rows=half[:0], blocks=np.zeros(0, int), order=np.zeros(0, int), name="no techniques")
    rows = half if runs == 12 else fold_over(half)
    blocks = _balanced_blocks(half, rng) if runs == 12 else np.tile(np.arange(12), 2)
    rows = rows if feasible is None else np.array([_repaired(row, feasible, rng) for row in rows])
    return Design(rows=rows, blocks=blocks, order=rng.permutation(runs), name=name)


def alias_matrix(rows: Array) -> Array:
    """How far each two-factor interaction leaks into each main effect: `(k, k(k-1)/2)`.

    In the 12-run design every interaction leaks by a third into every main effect it has no part in; folded
    over, by nothing.
    """
    factors = rows.shape[1]
    main = np.column_stack([np.ones(len(rows)), rows])
    products = np.column_stack([rows[:, i] * rows[:, j] for i, j in pairs(factors)] or [np.zeros((len(rows), 0))])
    return np.linalg.lstsq(main, products, rcond=None)[0][1:]


def power(effect: float, sigma: float, *, runs: int, factors: int, pilot: int = 4, alpha: float = 0.10) -> float:
    """Probability that a true average `effect` (on minus off, in the units of `sigma`) is found significant.

    Two-sided t-test with the design's residual degrees of freedom and the pilot's.
    """
    from scipy import stats

    dof = _degrees(runs, factors, pilot)
    shift = abs(effect) / (2 * sigma / np.sqrt(runs))
    spread = np.sqrt(stats.chi2.ppf((np.arange(2000) + 0.5) / 2000, dof) / dof)  # of the estimated sigma
    critical = stats.t.ppf(1 - alpha / 2, dof) * spread
    return float(np.mean(stats.norm.cdf(shift - critical) + stats.norm.cdf(-shift - critical)))


def smallest_detectable_effect(
    sigma: float, *, runs: int, factors: int, pilot: int = 4, alpha: float = 0.10, wanted: float = 0.80
) -> float:
    """The average effect that is found with probability `wanted`; in the units of `sigma`.

    Example:
        >>> round(smallest_detectable_effect(1.0, runs=24, factors=10), 2)
        1.06
    """
    from scipy.optimize import brentq

    if sigma <= 0:
        return 0.0

    def lacking(effect: float) -> float:
        return power(effect, 1.0, runs=runs, factors=factors, pilot=pilot, alpha=alpha) - wanted

    return float(sigma * brentq(lacking, 0.0, 100.0))


def _degrees(runs: int, factors: int, pilot: int) -> int:
    return max(1, runs - 1 - factors + max(0, pilot - 1))


def _balanced_blocks(rows: Array, rng: np.random.Generator) -> Array:
    """Four blocks of three in which every technique is on and off, as far as chance finds such an assignment."""
    labels = np.repeat(np.arange(BLOCKS_OF_TWELVE), len(rows) // BLOCKS_OF_TWELVE)
    best, least = labels, np.inf
    for _ in range(200):
        trial = rng.permutation(labels)
        sums = np.array([rows[trial == block].sum(0) for block in range(BLOCKS_OF_TWELVE)])
        if (sums**2).sum() < least:
            best, least = trial, float((sums**2).sum())
    return best


def _repaired(row: Array, feasible: Callable[[Recipe], bool], rng: np.random.Generator) -> Array:
    row = row.copy()
    for j in rng.permutation(np.flatnonzero(row > 0)):
        if feasible(recipe_of(row)):
            break
        row[j] = -1
    return row
