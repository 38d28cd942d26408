"""Bayesian D-optimal designs: any number of runs, mixed levels, rows that cannot be run left out.

Main effects must be estimable; interactions are potential terms, shrunk rather than ignored, so that a design with
fewer runs than terms still separates as many of them as it can. Runs are exchanged for better ones until no exchange
helps, from several random starts.

Source: DuMouchel and Jones, "A Simple Bayesian Modification of D-Optimal Designs to Reduce Dependence on an Assumed
Model", Technometrics 1994; Fedorov, "Theory of Optimal Experiments", 1972, for the exchange.
"""

from collections.abc import Sequence

import numpy as np

from burnish.errors import UsageError
from burnish.studies.levels import coded, products

__all__ = ["d_optimal", "log_determinant"]

Array = np.ndarray

PRIMARY = 1e3  # prior variance of intercept and main effects: as good as free, and no more, for the arithmetic's sake
POTENTIAL = 1 / 16  # prior variance of an interaction, relative to the noise
RESTARTS = 10
SWEEPS = 50  # over all runs; a handful is enough, and rounding must not go round in circles
GAIN = 1e-6  # of the determinant that is worth an exchange
MOST_ROWS = 4096  # candidate rows looked at; more are thinned at random


def d_optimal(
    rows: Array, levels: Sequence[int], runs: int, rng: np.random.Generator, *, restarts: int = RESTARTS
) -> Array:
    """`runs` of the candidate `rows`, some perhaps twice, that tell most about main effects and interactions.

    Args:
        rows: `(c, k)` levels of every recipe that can be run.
        levels: Number of levels of each factor.
        runs: Number of runs wanted.
        rng: Source of the random starts.
        restarts: Number of starts; the best result is returned.

    Raises:
        UsageError: no row can be run, or none with one of the levels.
    """
    rows = _thinned(_checked(rows, levels), rng)
    scaled = _scaled(rows, levels)
    best, chosen = -np.inf, np.zeros(0, int)
    for _ in range(restarts):
        picked = _exchanged(scaled, rng.choice(len(rows), runs, replace=len(rows) < runs))
        value = _log_determinant(scaled[picked])
        if value > best + 1e-9:
            best, chosen = value, picked
    return rows[chosen]


def log_determinant(rows: Array, levels: Sequence[int]) -> float:
    """The criterion: log determinant of the posterior precision relative to the prior's; larger tells more."""
    return _log_determinant(_scaled(rows, levels))


def _scaled(rows: Array, levels: Sequence[int]) -> Array:
    """Columns of the model times the prior standard deviation of their coefficients."""
    columns = coded(rows, levels)
    between = products(columns, levels)[0]
    main = np.column_stack([np.ones(len(columns)), columns])
    return np.column_stack([np.sqrt(PRIMARY) * main, np.sqrt(POTENTIAL) * between])


def _log_determinant(scaled: Array) -> float:
    return float(np.linalg.slogdet(np.eye(len(scaled)) + scaled @ scaled.T)[1])


def _exchanged(scaled: Array, picked: Array) -> Array:
    """Exchange run after run for the row whose response is least certain given the others, until nothing gains.

    The determinant with a row added is the others' times one plus that variance. Covariances between rows stand in for
    the information matrix: there are fewer runs than terms.
    """
    own = (scaled**2).sum(1)
    against = scaled @ scaled[picked].T
    for _ in range(SWEEPS):
        moved = False
        for t in range(len(picked)):
            others = np.delete(np.arange(len(picked)), t)
            inner = np.linalg.inv(np.eye(len(others)) + against[np.ix_(picked[others], others)])
            beside = against[:, others]
            variance = own - ((beside @ inner) * beside).sum(1)
            best = int(variance.argmax())
            if 1 + variance[best] > (1 + variance[picked[t]]) * (1 + GAIN):
                picked[t], moved = best, True
                against[:, t] = scaled @ scaled[best]
        if not moved:
            break
    return picked


def _checked(rows: Array, levels: Sequence[int]) -> Array:
    if not len(rows):
        raise UsageError("no combination of these techniques can be run; leave some out with `only`")
    for j, count in enumerate(levels):
        missing = sorted(set(range(count)) - set(rows[:, j].tolist()))
        if missing:
            raise UsageError(f"level {missing[0]} of factor {j + 1} stands in no combination that can be run")
    return rows


def _thinned(rows: Array, rng: np.random.Generator) -> Array:
    return rows if len(rows) <= MOST_ROWS else rows[np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))]
