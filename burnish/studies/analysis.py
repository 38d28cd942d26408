"""Which effects the runs show: a Bayesian model of main effects and two-factor interactions.

The response is on the scale of `Metric.to_scale`, where effects add up. Prior variances
are relative to the noise variance, which is integrated out together with a grid
of hyper-parameters: nothing is set to its most likely value.

Source: DuMouchel and Jones, "A Simple Bayesian Modification of D-Optimal Designs", Technometrics 1994, for
interactions as potential terms; O'Hagan, "Kendall's Advanced Theory of Statistics 2B", 1994, for the
normal-inverse-chi-squared algebra. Floor and averaging: replays on recorded full factorials (`benchmarks/experiments`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from burnish.errors import UsageError
from burnish.studies.levels import Recipe, coded, features, levels_of, owners, products, two_levels

__all__ = ["MAIN", "PAIRS_TO_MAIN", "SPLITS", "Posterior", "fit"]

Array = np.ndarray

MAIN = (0.15, 0.4, 1.0, 2.5, 6.0)  # variance of a main effect's coefficient, relative to the noise variance
PAIRS_TO_MAIN = (0.02, 0.06, 0.16)  # variance of an interaction's coefficient, relative to a main effect's
SPLITS = (0.0, 0.3, 1.0, 4.0, 16.0)  # variance of split effects, relative to the noise variance
PILOT_WEIGHT = 1.0  # degrees of freedom the pilot's variance counts for, on top of its rows in the fit
SMALLEST_SIGMA = 1e-3  # on the response scale: identical scores do not mean there is no noise


@dataclass(frozen=True, eq=False, kw_only=True)
class Posterior:
    """What is believed after the runs: a mixture of multivariate t distributions, one for each grid point.

    Attributes:
        levels: Number of levels of each of the k factors, off included.
        weights: `(G,)` posterior probabilities of the grid points.
        means: `(G, p)` of intercept, main effects and interactions, coded as in `levels.features`.
        scales: `(G, p, p)` scale matrices.
        dof: Degrees of freedom of the t distributions.
        sigma: Noise standard deviation, on the response scale.
        dropped: Rows of the design without a finite response.
    """

    levels: tuple[int, ...]
    weights: Array
    means: Array
    scales: Array
    dof: float
    sigma: float
    dropped: tuple[int, ...] = ()

    @property
    def factors(self) -> int:
        """Number of factors, k."""
        return len(self.levels)

    def effect_at(
        self, recipe: Recipe | Array, j: int, *, level: int = 1, over: Sequence[int] = ()
    ) -> tuple[float, float]:
        """Response with factor `j` at `level` minus off, the others as in `recipe`: mean and standard error.

        Over the factors `over` it is averaged instead of taken at their level in the recipe.
        """
        mean, scale = self._along(self._contrast(recipe, j, level, over))
        center = float(self.weights @ mean)
        spread = self.weights @ (scale**2 * self._inflation() + (mean - center) ** 2)
        return center, float(np.sqrt(spread))

    def p_helps(self, recipe: Recipe | Array, j: int, *, level: int = 1, over: Sequence[int] = ()) -> float:
        """Probability that factor `j` at `level` has a positive effect at `recipe`."""
        return 1 - self._below(0.0, *self._along(self._contrast(recipe, j, level, over)))

    def interval(
        self, recipe: Recipe | Array, j: int, coverage: float = 0.90, *, level: int = 1, over: Sequence[int] = ()
    ) -> tuple[float, float]:
        """Central interval of the effect of factor `j` at `recipe`, on the response scale."""
        from scipy.optimize import brentq

        along = self._along(self._contrast(recipe, j, level, over))
        mean, error = self.effect_at(recipe, j, level=level, over=over)
        reach = 60 * max(error, 1e-9)
        low, high = (
            float(brentq(lambda x, q=q: self._below(x, *along) - q, mean - reach, mean + reach, xtol=1e-9))
            for q in ((1 - coverage) / 2, (1 + coverage) / 2)
        )
        return low, high

    def predict(self, recipes: Array | Sequence[Recipe]) -> tuple[Array, Array]:
        """Mean and standard error of the response, split effects apart, for `(m, k)` recipes: two arrays `(m,)`."""
        columns = features(coded(recipes, self.levels), self.levels)
        variance = (columns @ self.covariance() * columns).sum(1)
        return columns @ self.mean(), np.sqrt(variance)

    def middle(self, recipe: Recipe | Array, j: int, *, level: int = 1, over: Sequence[int] = ()) -> float:
        """Mean response halfway between factor `j` off and at `level`: where an effect is turned into units."""
        return float(np.mean(self._ends(recipe, j, level, over) @ self.mean()))

    def mean(self) -> Array:
        """`(p,)` posterior mean of the coefficients."""
        return self.weights @ self.means

    def covariance(self) -> Array:
        """`(p, p)` posterior covariance of the coefficients, that between grid points included."""
        apart = self.means - self.mean()
        within = np.tensordot(self.weights, self.scales, 1) * self._inflation()
        return within + (apart.T * self.weights) @ apart

    def aliases(self, j: int, threshold: float = 0.5) -> tuple[tuple[int, int], ...]:
        """Pairs of factors whose interaction the runs cannot tell from the main effect of factor `j`."""
        covariance = self.covariance()
        deviation = np.sqrt(np.diag(covariance))
        owner = owners(self.levels)
        own, start = 1 + np.flatnonzero(owner == j), 1 + len(owner)
        apart = np.abs(covariance[own, start:]) / (deviation[own, None] * deviation[start:])
        between = products(np.zeros((0, len(owner))), self.levels)[1]
        return tuple(dict.fromkeys(p for p, r in zip(between, apart.max(0), strict=True) if r > threshold))

    def _ends(self, recipe: Recipe | Array, j: int, level: int, over: Sequence[int]) -> Array:
        """Features of `recipe` with factor `j` off and at `level`, averaged over the factors `over`: `(2, p)`."""
        both = np.tile(levels_of(recipe), (2, 1))
        both[:, j] = 0, level
        columns = coded(both, self.levels)
        columns[:, np.isin(owners(self.levels), [i for i in over if i != j])] = 0.0  # contrasts add up to nothing
        return features(columns, self.levels)

    def _contrast(self, recipe: Recipe | Array, j: int, level: int = 1, over: Sequence[int] = ()) -> Array:
        off, on = self._ends(recipe, j, level, over)
        return on - off

    def _along(self, contrast: Array) -> tuple[Array, Array]:
        return self.means @ contrast, np.sqrt(self.scales @ contrast @ contrast)

    def _below(self, value: float, mean: Array, scale: Array) -> float:
        from scipy.special import stdtr

        share = self.weights @ stdtr(self.dof, (value - mean) / np.maximum(scale, 1e-300))
        return min(float(share), 1.0)  # the weights add up to one but for rounding

    def _inflation(self) -> float:
        return self.dof / (self.dof - 2) if self.dof > 2 else 1.0


def fit(
    rows: Array,
    z: Array,
    blocks: Array,
    *,
    levels: Sequence[int] | None = None,
    pilot_z: Array | Sequence[float] = (),
    pilot_blocks: Array | Sequence[int] | None = None,
    main: Sequence[float] = MAIN,
    pairs_to_main: Sequence[float] = PAIRS_TO_MAIN,
    splits: Sequence[float] = SPLITS,
) -> Posterior:
    """Fit the model to the runs of a design and of the pilot.

    Args:
        rows: `(n, k)` levels; off may be 0, False or -1.
        z: `(n,)` responses, larger is better; NaN for runs that failed, which are dropped.
        blocks: `(n,)` split of each run.
        levels: Number of levels of each factor; two each by default.
        pilot_z: Responses of the pilot: runs with every technique off. They enter the fit as rows, and their
            variance is a weak prior for the noise.
        pilot_blocks: Splits of the pilot, numbered as in `blocks`; by default splits of their own.
        main: Grid of prior variances of main effects, relative to the noise variance.
        pairs_to_main: Grid of variances of interactions, relative to main effects.
        splits: Grid of variances of split effects, relative to the noise variance.

    Raises:
        UsageError: fewer than 3 runs have a finite response.
    """
    rows, z = levels_of(rows), np.asarray(z, float)
    counts = two_levels(rows.shape[1]) if levels is None else tuple(levels)
    pilot = np.asarray(pilot_z, float)
    own = max(blocks, default=-1) + 1 + np.arange(len(pilot))
    everything = np.vstack([rows, np.zeros((len(pilot), rows.shape[1]), int)])
    response = np.concatenate([z, pilot])
    split = np.concatenate([np.asarray(blocks, int), own if pilot_blocks is None else np.asarray(pilot_blocks, int)])
    finite = np.isfinite(response)
    if finite.sum() < 3:
        raise UsageError(f"an analysis needs 3 finished runs, {finite.sum()} of {len(response)} have a finite score")
    grid = np.array(list(product(main, pairs_to_main, splits)))
    return _posterior(
        features(coded(everything[finite], counts), counts),
        response[finite],
        split[finite],
        grid,
        levels=counts,
        prior_variance=_pilot_variance(pilot),
        dropped=tuple(int(i) for i in np.flatnonzero(~np.isfinite(z))),
    )


def _pilot_variance(pilot: Array) -> float:
    pilot = pilot[np.isfinite(pilot)]
    spread = float(pilot.var(ddof=1)) if len(pilot) > 1 else 0.0
    return max(spread, SMALLEST_SIGMA**2)


def _posterior(
    columns: Array,
    z: Array,
    split: Array,
    grid: Array,
    *,
    levels: tuple[int, ...],
    prior_variance: float,
    dropped: tuple[int, ...],
) -> Posterior:
    """The conjugate algebra, for all grid points at once. The intercept has a flat prior."""
    inverse, log_noise = _whitening(split, grid[:, 2])
    main = len(owners(levels))
    variances = np.column_stack(
        [np.repeat(grid[:, :1], main, 1), np.repeat(grid[:, :1] * grid[:, 1:2], columns.shape[1] - 1 - main, 1)]
    )
    weighted = columns.T @ inverse
    precision = weighted @ columns
    diagonal = np.arange(1, columns.shape[1])
    precision[:, diagonal, diagonal] += 1 / variances
    scales = np.linalg.inv(precision)
    means = (scales @ (weighted @ z)[..., None])[..., 0]
    squares = inverse @ z @ z - (means * (weighted @ z)).sum(1)
    dof = PILOT_WEIGHT + len(z) - 1
    variance = (PILOT_WEIGHT * prior_variance + np.maximum(squares, 0)) / dof
    evidence = -0.5 * (log_noise + np.linalg.slogdet(precision)[1] + np.log(variances).sum(1) + dof * np.log(variance))
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    return Posterior(
        levels=levels,
        weights=weights,
        means=means,
        scales=scales * variance[:, None, None],
        dof=dof,
        sigma=float(np.sqrt(weights @ variance)),
        dropped=dropped,
    )


def _whitening(split: Array, ratios: Array) -> tuple[Array, Array]:
    """Inverse and log determinant of I + ratio·BB' for every ratio: `(G, n, n)` and `(G,)`."""
    same = (split[:, None] == split[None, :]).astype(float)
    noise = np.eye(len(split)) + ratios[:, None, None] * same
    return np.linalg.inv(noise), np.linalg.slogdet(noise)[1]
