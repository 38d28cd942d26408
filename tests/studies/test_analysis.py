import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from burnish.errors import UsageError
from burnish.studies.analysis import PILOT_WEIGHT, fit
from burnish.studies.design import pairs, screen_design
from burnish.studies.levels import features


def simulated(factors, seed, *, noise=1.0, split=0.5, runs=12):
    rng = np.random.default_rng(seed)
    design = screen_design(factors, runs, seed)
    columns = features(design.rows)
    scale = np.r_[0, np.full(factors, 0.7), np.full(len(pairs(factors)), 0.2)]
    truth = scale * rng.normal(size=columns.shape[1])
    by_split = split * rng.normal(size=16)
    z = columns @ truth + by_split[design.blocks] + noise * rng.normal(size=runs)
    nothing = features(-np.ones((1, factors)))[0] @ truth
    pilot = nothing + by_split[12:] + noise * rng.normal(size=4)
    return design, z, pilot, truth


def by_conditioning(design, z, pilot, grid):
    """The same posterior by conditioning a joint Gaussian of coefficients and responses, intercept prior very wide."""
    k = design.rows.shape[1]
    columns = features(np.vstack([design.rows, np.full((4, k), -1)]))
    split = np.r_[design.blocks, design.blocks.max() + 1 + np.arange(4)]
    y, n, wide = np.r_[z, pilot], len(z) + 4, 1e5
    parts = []
    for main, ratio, tau in grid:
        prior = np.diag(np.r_[wide, np.full(k, main), np.full(len(pairs(k)), main * ratio)])
        cover = columns @ prior @ columns.T + tau * (split[:, None] == split) + np.eye(n)
        gain = prior @ columns.T @ np.linalg.inv(cover)
        square = y @ np.linalg.solve(cover, y)
        dof = PILOT_WEIGHT + n - 1
        variance = (PILOT_WEIGHT * pilot.var(ddof=1) + square) / dof
        log = -0.5 * np.linalg.slogdet(cover)[1] - 0.5 * dof * np.log(variance)
        parts.append((log, gain @ y, (prior - gain @ columns @ prior) * variance * dof / (dof - 2)))
    weight = np.exp([p[0] - max(q[0] for q in parts) for p in parts])
    weight /= weight.sum()
    mean = sum(w * p[1] for w, p in zip(weight, parts, strict=True))
    spread = sum(w * (p[2] + np.outer(p[1] - mean, p[1] - mean)) for w, p in zip(weight, parts, strict=True))
    return mean, spread


def test_posterior_equals_explicit_gaussian_conditioning():
    design, z, pilot, _ = simulated(4, 5)
    grid = list(itertools.product((0.15, 1.0), (0.1,), (0.0, 2.0)))
    mean, covariance = by_conditioning(design, z, pilot, grid)
    posterior = fit(
        design.rows, z, design.blocks, pilot_z=pilot, main=(0.15, 1.0), pairs_to_main=(0.1,), splits=(0.0, 2.0)
    )
    assert posterior.mean() == pytest.approx(mean, abs=1e-3)
    assert posterior.covariance() == pytest.approx(covariance, abs=1e-3)


def test_effect_prediction_and_probability_agree_with_each_other():
    design, z, pilot, _ = simulated(5, 2)
    posterior = fit(design.rows, z, design.blocks, pilot_z=pilot)
    recipe = (True, False, True, True, False)
    mean, error = posterior.effect_at(recipe, 1)
    off, on = posterior.predict([recipe, (True, True, True, True, False)])[0]
    assert mean == pytest.approx(on - off)
    assert posterior.effect_at((True, True, True, True, False), 1) == pytest.approx((mean, error))
    low, high = posterior.interval(recipe, 1, 0.90)
    assert low < mean < high
    inner = posterior.interval(recipe, 1, 0.50)
    assert low < inner[0] < inner[1] < high


def test_a_single_grid_point_is_a_t_distribution():
    design, z, pilot, _ = simulated(2, 9)
    posterior = fit(design.rows, z, design.blocks, pilot_z=pilot, main=(1.0,), pairs_to_main=(0.1,), splits=(0.0,))
    mean, error = posterior.effect_at((False, False), 0)
    scale = error / np.sqrt(posterior.dof / (posterior.dof - 2))
    assert posterior.p_helps((False, False), 0) == pytest.approx(stats.t.cdf(mean / scale, posterior.dof))
    low, _ = posterior.interval((False, False), 0)
    assert low == pytest.approx(mean + stats.t.ppf(0.05, posterior.dof) * scale)


def test_adding_a_constant_changes_only_the_intercept():
    design, z, pilot, _ = simulated(3, 1)
    one = fit(design.rows, z, design.blocks, pilot_z=pilot)
    two = fit(design.rows, z + 5, design.blocks, pilot_z=pilot + 5)
    assert two.mean() - one.mean() == pytest.approx([5, 0, 0, 0, 0, 0, 0], abs=1e-8)
    assert two.covariance() == pytest.approx(one.covariance())


def test_intervals_cover_on_simulated_data():
    hits = []
    for seed in range(30):
        design, z, pilot, truth = simulated(6, seed)
        posterior = fit(design.rows, z, design.blocks, pilot_z=pilot)
        recipe = tuple(bool(b) for b in np.random.default_rng(seed).integers(0, 2, 6))
        for j in range(6):
            low, high = posterior.interval(recipe, j)
            hits.append(low <= posterior._contrast(recipe, j) @ truth <= high)
    assert 0.85 <= np.mean(hits) <= 0.97


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 11), st.integers(0, 30), st.sets(st.integers(0, 11), max_size=6))
def test_failed_runs_are_dropped_as_if_never_planned(factors, seed, failed):
    design, z, pilot, _ = simulated(factors, seed)
    z[list(failed)] = np.nan
    keep = np.isfinite(z)
    posterior = fit(design.rows, z, design.blocks, pilot_z=[*pilot, np.nan])
    without = fit(design.rows[keep], z[keep], design.blocks[keep], pilot_z=pilot)
    assert posterior.dropped == tuple(sorted(failed))
    assert posterior.mean() == pytest.approx(without.mean(), abs=1e-9)
    chance = posterior.p_helps((True,) * factors, 0)
    assert 0 < chance < 1


def test_no_technique_still_gives_a_level():
    design = screen_design(0)
    posterior = fit(design.rows, [], design.blocks, pilot_z=[1.0, 2.0, 3.0])
    assert posterior.mean() == pytest.approx([2.0])
    assert posterior.predict(np.zeros((1, 0)))[0] == pytest.approx([2.0])


def test_identical_scores_prove_nothing():
    design = screen_design(3, seed=1)
    posterior = fit(design.rows, np.ones(12), design.blocks, pilot_z=np.ones(4))
    assert posterior.p_helps((True, True, True), 0) == pytest.approx(0.5, abs=1e-6)


def test_too_few_finished_runs_are_an_error():
    design = screen_design(3)
    with pytest.raises(UsageError, match="2 of 12"):
        fit(design.rows, [1.0, 2.0, *[np.nan] * 10], design.blocks)


def test_pilot_on_the_splits_of_the_design_removes_split_effects():
    rows, blocks = np.array([[1], [1], [1], [1]]), np.arange(4)
    difficulty = np.array([0.0, 3.0, -4.0, 2.0])
    wiggle = np.array([0.1, -0.1, 0.05, -0.05])
    shared = fit(rows, difficulty + 1 + wiggle, blocks, pilot_z=difficulty - wiggle, pilot_blocks=blocks)
    apart = fit(rows, difficulty + 1 + wiggle, blocks, pilot_z=difficulty - wiggle)
    assert shared.effect_at((False,), 0)[1] < 0.7 * apart.effect_at((False,), 0)[1]


def test_aliases_name_what_the_runs_cannot_separate():
    rows = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])  # third column is the product of the others
    z = np.array([3.0, -1.0, -1.2, 1.1])
    grid = {"main": (1.0,), "pairs_to_main": (1.0,), "splits": (0.0,)}
    posterior = fit(np.tile(rows, (4, 1)), np.tile(z, 4), np.arange(16), **grid)
    assert (0, 1) in posterior.aliases(2)


def test_a_three_level_factor_is_analysed_as_by_conditioning_on_its_dummies():
    """The posterior of level differences from a prior on contrasts, against a Gaussian on the cells themselves."""
    rng = np.random.default_rng(3)
    levels = (3, 2)
    rows = np.array([(a, b) for a in range(3) for b in range(2)] * 3)
    z = np.array([0.0, 1.0, 1.5])[rows[:, 0]] + 0.3 * rows[:, 1] + 0.2 * rng.normal(size=18)
    blocks = np.arange(18)
    grid = {"main": (1.0,), "pairs_to_main": (0.1,), "splits": (0.0,)}
    posterior = fit(rows, z, blocks, levels=levels, **grid)
    # levels a of the first factor: prior covariance of its contrasts' sum is I - 1/3 times 3, and 2 - 1 of the other
    first, second = 3 * (np.eye(3) - 1 / 3), 2 * (np.eye(2) - 1 / 2)
    one, two = first[np.ix_(rows[:, 0], rows[:, 0])], second[np.ix_(rows[:, 1], rows[:, 1])]
    cover = 1e6 + one + two + 0.1 * one * two + np.eye(18)
    cells = np.array([(a, b) for a in range(3) for b in range(2)])
    beside = 1e6 + first[np.ix_(cells[:, 0], rows[:, 0])] + second[np.ix_(cells[:, 1], rows[:, 1])]
    beside = beside + 0.1 * first[np.ix_(cells[:, 0], rows[:, 0])] * second[np.ix_(cells[:, 1], rows[:, 1])]
    mean = beside @ np.linalg.solve(cover, z)
    assert posterior.predict(cells)[0] == pytest.approx(mean, abs=1e-4)
    assert posterior.effect_at((0, 1), 0, level=2)[0] == pytest.approx(mean[5] - mean[1], abs=1e-4)
    averaged = (mean[4] - mean[0] + mean[5] - mean[1]) / 2
    assert posterior.effect_at((0, 0), 0, level=2, over=(1,))[0] == pytest.approx(averaged, abs=1e-4)


def test_the_marginal_is_the_multivariate_t_of_scipy():
    """Weights of the grid against densities of the data themselves, pilot variance and flat intercept included."""
    design, z, pilot, _ = simulated(3, 4)
    mains = (0.15, 2.5)
    posterior = fit(design.rows, z, design.blocks, pilot_z=pilot, main=mains, pairs_to_main=(0.1,), splits=(0.3,))
    k, columns = 3, features(np.vstack([design.rows, np.full((4, 3), -1)]))
    split = np.r_[design.blocks, design.blocks.max() + 1 + np.arange(4)]
    y, away = np.r_[z, pilot], np.eye(16)[1:] - 1 / 16  # contrasts free of the intercept
    logs = []
    for main in mains:
        prior = np.diag(np.r_[0, np.full(k, main), np.full(3, main * 0.1)])
        cover = columns @ prior @ columns.T + 0.3 * (split[:, None] == split) + np.eye(16)
        shape = away @ cover @ away.T * pilot.var(ddof=1)
        logs.append(stats.multivariate_t(np.zeros(15), shape, df=PILOT_WEIGHT).logpdf(away @ y))
    weights = np.exp(np.array(logs) - max(logs))
    assert posterior.weights == pytest.approx(weights / weights.sum(), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 40))
def test_relabelling_levels_changes_no_prediction(seed):
    rng = np.random.default_rng(seed)
    rows, z = rng.integers(0, (3, 2, 3), size=(15, 3)), rng.normal(size=15)
    swap = np.array([0, 2, 1])
    other = rows.copy()
    other[:, 0] = swap[rows[:, 0]]
    one, two = (fit(r, z, np.zeros(15, int), levels=(3, 2, 3)) for r in (rows, other))
    assert one.effect_at((0, 1, 2), 0, level=2) == pytest.approx(two.effect_at((0, 1, 2), 0, level=1), abs=1e-8)
    assert one.predict([(1, 1, 0)])[0] == pytest.approx(two.predict([(2, 1, 0)])[0], abs=1e-8)
