"""Which runs to do: Plackett-Burman designs, folded over, or D-optimal ones, in blocks that share a split.

Every run tells something about every technique, so twelve runs measure eleven
techniques with the precision that one at a time would need sixty runs for.

Source: Plackett and Burman, "The Design of Optimum Multifactorial Experiments", Biometrika 1946;
Box, Hunter and Hunter, "Statistics for Experimenters", 2nd ed. 2005, for fold-over and aliasing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from burnish.errors import UsageError
from burnish.studies.exchange import d_optimal
from burnish.studies.levels import Recipe, coded, pairs, recipe_of, signs, two_levels

__all__ = [
    "FEWEST_RUNS",
    "MAX_FACTORS",
    "Design",
    "Feasible",
    "Recipe",
    "fold_over",
    "pairs",
    "plackett_burman",
    "possible_recipes",
    "recipe_of",
    "screen_design",
    "signs",
]

Array = np.ndarray
Feasible = Callable[[Recipe], bool]

MAX_FACTORS = 11
FEWEST_RUNS = 4
GENERATOR = (1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1)
FEW_BLOCKS = 4  # the pilot's splits, for designs of fewer runs than this many:
MIRRORED = 24


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """A set of runs fixed in advance.

    Attributes:
        rows: `(n, k)`: -1 for off, else the number of the level, 1 where there is but one.
        blocks: `(n,)` numbers from 0; runs of one block share split and seed of the split.
        order: `(n,)` permutation: the random order in which to carry the runs out.
        name: For reports.
        levels: `(k,)` number of levels of each factor, off included.
    """

    rows: Array
    blocks: Array
    order: Array
    name: str
    levels: tuple[int, ...] = ()

    def recipes(self) -> list[Recipe]:
        """The rows as tuples of levels."""
        return [recipe_of(row) for row in self.rows]


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
    factors: int,
    runs: int = 12,
    seed: int = 0,
    *,
    levels: Sequence[int] | None = None,
    feasible: Feasible | None = None,
) -> Design:
    """The screening design for `factors` techniques.

    Where every factor is off or on, every row can be run and there are 12 or 24 runs: Plackett-Burman, folded over in
    24. Else Bayesian D-optimal over the rows that can be run. Columns are assigned to techniques at random. In 24 runs
    or more a run and its mirror image, or what is nearest to it, share a block, so main effects are free of split
    effects as far as can be; with fewer runs four blocks are balanced as well as chance finds them.

    Args:
        factors: Number of factors, 0 to 11; none gives a design without runs.
        runs: Number of runs, 4 or more.
        seed: Decides columns, blocks and order.
        levels: Number of levels of each factor, off included; two each by default.
        feasible: Says whether a recipe can be run; by default all can.

    Raises:
        UsageError: more than 11 factors, fewer than 4 runs, or nothing can be run.
    """
    if not 0 <= factors <= MAX_FACTORS:
        raise UsageError(f"a screen takes 0 to {MAX_FACTORS} techniques, got {factors}: leave some out with `only`")
    if runs < FEWEST_RUNS:
        raise UsageError(f"a screen has {FEWEST_RUNS} runs or more, got {runs}")
    counts = two_levels(factors) if levels is None else tuple(levels)
    rng = np.random.default_rng([seed, factors, runs])
    if factors == 0:
        empty = np.zeros(0, int)
        return Design(rows=np.zeros((0, 0), int), blocks=empty, order=empty, name="no techniques")
    rows, name = _plackett_burman_rows(factors, runs, rng), "Plackett-Burman 12"
    name = name if runs == 12 else "Plackett-Burman 12 folded over to 24"
    blocks = np.tile(np.arange(12), 2) if runs == 24 else _balanced_blocks(rows, rng)
    if set(counts) != {2} or not len(rows) or not _all_feasible(rows, feasible):
        possible = np.array([(0,) * factors, *possible_recipes(counts, feasible)])
        rows, name = d_optimal(possible, counts, runs, rng), f"Bayesian D-optimal {runs}"
        columns = coded(rows, counts)
        blocks = _mirror_blocks(columns) if runs >= MIRRORED else _balanced_blocks(columns, rng)
        rows = np.where(rows == 0, -1, rows)
    return Design(rows=rows, blocks=blocks, order=rng.permutation(runs), name=name, levels=counts)


def possible_recipes(levels: Sequence[int], feasible: Feasible | None = None) -> list[Recipe]:
    """All recipes with at least one technique on that can be run."""
    recipes = (recipe for recipe in product(*(range(count) for count in levels)) if any(recipe))
    return [recipe for recipe in recipes if feasible is None or feasible(recipe)]


def _plackett_burman_rows(factors: int, runs: int, rng: np.random.Generator) -> Array:
    """Rows of the design, columns drawn at random; none where there is no such design."""
    half = plackett_burman()[:, rng.permutation(MAX_FACTORS)[:factors]]
    return {12: half, 24: fold_over(half)}.get(runs, half[:0])


def _all_feasible(rows: Array, feasible: Feasible | None) -> bool:
    return feasible is None or all(feasible(recipe_of(row)) for row in rows)


def _balanced_blocks(columns: Array, rng: np.random.Generator) -> Array:
    """Four blocks in which every contrast adds up to little, as far as chance finds such an assignment."""
    labels = np.arange(len(columns)) * FEW_BLOCKS // max(len(columns), 1)
    best, least = labels, np.inf
    for _ in range(200):
        trial = rng.permutation(labels)
        sums = np.array([columns[trial == block].sum(0) for block in range(FEW_BLOCKS)])
        if (sums**2).sum() < least - 1e-9:
            best, least = trial, float((sums**2).sum())
    return best


def _mirror_blocks(columns: Array) -> Array:
    """Pairs of runs as near to each other's mirror image as can be; an odd run out joins the last pair."""
    alike = columns @ columns.T
    blocks, block = np.full(len(columns), -1), 0
    one, other = np.triu_indices(len(columns), 1)
    for at in np.argsort(alike[one, other], kind="stable"):
        pair = [one[at], other[at]]
        if (blocks[pair] < 0).all():
            blocks[pair], block = block, block + 1
    blocks[blocks < 0] = max(block - 1, 0)
    return blocks
