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
from burnish.studies.design import Recipe, pairs, signs

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
        factors: Number of techniques, k.
        weights: `(G,)` posterior probabilities of the grid points.
        means: `(G, p)` of intercept, k main effects and k(k-1)/2 interactions, coded -1/+1.
        scales: `(G, p, p)` scale matrices.
        dof: Degrees of freedom of the t distributions.
        sigma: Noise standard deviation, on the response scale.
        dropped: Rows of the design without a finite response.
    """

    factors: int
    weights: Array
    means: Array
    scales: Array
    dof: float
    sigma: float
    dropped: tuple[int, ...] = ()

    def effect_at(self, recipe: Recipe | Array, j: int) -> tuple[float, float]:
        """Response with technique `j` on minus off, the others as in `recipe`: mean and standard error."""
        mean, scale = self._along(self._contrast(recipe, j))
        center = float(self.weights @ mean)
        spread = self.weights @ (scale**2 * self._inflation() + (mean - center) ** 2)
        return center, float(np.sqrt(spread))

    def p_helps(self, recipe: Recipe | Array, j: int) -> float:
        """Probability that technique `j` has a positive effect at `recipe`."""
        return 1 - self._below(0.0, *self._along(self._contrast(recipe, j)))

    def interval(self, recipe: Recipe | Array, j: int, level: float = 0.90) -> tuple[float, float]:
        """Central interval of the effect of technique `j` at `recipe`, on the response scale."""
        from scipy.optimize import brentq

        along = self._along(self._contrast(recipe, j))
        mean, error = self.effect_at(recipe, j)
        reach = 60 * max(error, 1e-9)
        low, high = (
            float(brentq(lambda x, q=q: self._below(x, *along) - q, mean - reach, mean + reach, xtol=1e-9))
            for q in ((1 - level) / 2, (1 + level) / 2)
        )
        return low, high

    def predict(self, recipes: Array | Sequence[Recipe]) -> tuple[Array, Array]:
        """Mean and standard error of the response, split effects apart, for `(m, k)` recipes: two arrays `(m,)`."""
        columns = features(np.atleast_2d(signs(recipes)))
        variance = np.einsum("ij,jk,ik->i", columns, self.covariance(), columns)
        return columns @ self.mean(), np.sqrt(variance)

    def mean(self) -> Array:
        """`(p,)` posterior mean of the coefficients."""
        return self.weights @ self.means

    def covariance(self) -> Array:
        """`(p, p)` posterior covariance of the coefficients, that between grid points included."""
        apart = self.means - self.mean()
        within = np.einsum("g,gij->ij", self.weights, self.scales) * self._inflation()
        return within + np.einsum("g,gi,gj->ij", self.weights, apart, apart)

    def aliases(self, j: int, threshold: float = 0.5) -> tuple[tuple[int, int], ...]:
        """Interactions that the runs cannot tell from the main effect of technique `j`."""
        covariance = self.covariance()
        deviation = np.sqrt(np.diag(covariance))
        start = 1 + self.factors
        correlation = covariance[1 + j, start:] / (deviation[1 + j] * deviation[start:])
        return tuple(p for p, r in zip(pairs(self.factors), correlation, strict=True) if abs(r) > threshold)

    def _contrast(self, recipe: Recipe | Array, j: int) -> Array:
        on, off = signs(recipe), signs(recipe)
        on[j], off[j] = 1.0, -1.0
        return (features(on[None]) - features(off[None]))[0]

    def _along(self, contrast: Array) -> tuple[Array, Array]:
        return self.means @ contrast, np.sqrt(np.einsum("i,gij,j->g", contrast, self.scales, contrast))

    def _below(self, value: float, mean: Array, scale: Array) -> float:
        from scipy.special import stdtr

        return float(self.weights @ stdtr(self.dof, (value - mean) / np.maximum(scale, 1e-300)))

    def _inflation(self) -> float:
        return self.dof / (self.dof - 2) if self.dof > 2 else 1.0


def features(rows: Array) -> Array:
    """Intercept, main effects and two-factor interactions of `(n, k)` rows of -1/+1: `(n, 1 + k + k(k-1)/2)`."""
    products = [rows[:, i] * rows[:, j] for i, j in pairs(rows.shape[1])]
    return np.column_stack([np.ones(len(rows)), rows, *products])


def fit(
    rows: Array,
    z: Array,
    blocks: Array,
    *,
    pilot_z: Array | Sequence[float] = (),
    pilot_blocks: Array | Sequence[int] | None = None,
    main: Sequence[float] = MAIN,
    pairs_to_main: Sequence[float] = PAIRS_TO_MAIN,
    splits: Sequence[float] = SPLITS,
) -> Posterior:
    """Fit the model to the runs of a design and of the pilot.

    Args:
        rows: `(n, k)` of -1/+1 (or booleans).
        z: `(n,)` responses, larger is better; NaN for runs that failed, which are dropped.
        blocks: `(n,)` split of each run.
        pilot_z: Responses of the pilot: runs with every technique off. They enter the fit as rows, and their
            variance is a weak prior for the noise.
        pilot_blocks: Splits of the pilot, numbered as in `blocks`; by default splits of their own.
        main: Grid of prior variances of main effects, relative to the noise variance.
        pairs_to_main: Grid of variances of interactions, relative to main effects.
        splits: Grid of variances of split effects, relative to the noise variance.

    Raises:
        UsageError: fewer than 3 runs have a finite response.
    """
    rows, z = signs(rows), np.asarray(z, float)
    pilot = np.asarray(pilot_z, float)
    own = max(blocks, default=-1) + 1 + np.arange(len(pilot))
    everything = np.vstack([rows, np.full((len(pilot), rows.shape[1]), -1.0)])
    response = np.concatenate([z, pilot])
    split = np.concatenate([np.asarray(blocks, int), own if pilot_blocks is None else np.asarray(pilot_blocks, int)])
    finite = np.isfinite(response)
    if finite.sum() < 3:
        raise UsageError(f"an analysis needs 3 finished runs, {finite.sum()} of {len(response)} have a finite score")
    grid = np.array(list(product(main, pairs_to_main, splits)))
    return _posterior(
        features(everything[finite]),
        response[finite],
        split[finite],
        grid,
        factors=rows.shape[1],
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
    factors: int,
    prior_variance: float,
    dropped: tuple[int, ...],
) -> Posterior:
    """The conjugate algebra, for all grid points at once. The intercept has a flat prior."""
    inverse, log_noise = _whitening(split, grid[:, 2])
    variances = np.column_stack(
        [np.repeat(grid[:, :1], factors, 1), np.repeat(grid[:, :1] * grid[:, 1:2], columns.shape[1] - 1 - factors, 1)]
    )
    weighted = np.einsum("np,gnm->gpm", columns, inverse)
    precision = weighted @ columns
    diagonal = np.arange(1, columns.shape[1])
    precision[:, diagonal, diagonal] += 1 / variances
    scales = np.linalg.inv(precision)
    means = np.einsum("gpq,gqn,n->gp", scales, weighted, z)
    squares = np.einsum("n,gnm,m->g", z, inverse, z) - np.einsum("gp,gpn,n->g", means, weighted, z)
    dof = PILOT_WEIGHT + len(z) - 1
    variance = (PILOT_WEIGHT * prior_variance + np.maximum(squares, 0)) / dof
    evidence = -0.5 * (log_noise + np.linalg.slogdet(precision)[1] + np.log(variances).sum(1) + dof * np.log(variance))
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    return Posterior(
        factors=factors,
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
