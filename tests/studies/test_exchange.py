"""D-optimal designs: against brute force where that is possible, against the known optimum, and under constraints."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import UsageError
from burnish.studies.design import plackett_burman, possible_recipes, screen_design
from burnish.studies.exchange import PRIMARY, d_optimal, log_determinant
from burnish.studies.levels import coded, features


def everything(levels):
    return np.array([(0,) * len(levels), *possible_recipes(levels)])


@pytest.mark.parametrize(("levels", "runs"), [((2, 2), 4), ((2, 2), 5), ((3,), 4), ((3, 2), 5)])
def test_tiny_designs_equal_the_best_of_all(levels, runs):
    rows = everything(levels)
    multisets = itertools.combinations_with_replacement(range(len(rows)), runs)
    best = max(log_determinant(rows[list(chosen)], levels) for chosen in multisets)
    found = d_optimal(rows, levels, runs, np.random.default_rng(0))
    assert log_determinant(found, levels) == pytest.approx(best)


def test_the_criterion_is_the_determinant_of_the_information_with_its_prior():
    levels = (3, 2, 2)
    rows = screen_design(3, 9, 0, levels=levels).rows
    columns = features(coded(rows, levels), levels)
    main = 1 + sum(count - 1 for count in levels)
    prior = np.diag(np.r_[np.full(main, 1 / PRIMARY), np.full(columns.shape[1] - main, 16.0)])
    direct = np.linalg.slogdet(columns.T @ columns + prior)[1] - np.linalg.slogdet(prior)[1]
    assert log_determinant(rows, levels) == pytest.approx(direct)


def test_twelve_runs_of_on_off_factors_are_as_good_as_plackett_burman():
    levels = (2,) * 5
    found = d_optimal(everything(levels), levels, 12, np.random.default_rng(1))
    best = max(
        log_determinant(plackett_burman()[:, list(chosen)], levels) for chosen in itertools.combinations(range(11), 5)
    )
    assert log_determinant(found, levels) >= best - 0.05


def test_main_effects_of_a_mixed_design_are_nearly_orthogonal():
    levels = (3, 3, 2, 2, 2)
    design = screen_design(5, 18, 3, levels=levels)
    main = np.column_stack([np.ones(18), coded(design.rows, levels)])
    # efficiency against an orthogonal design, whether there is one or not
    efficiency = np.exp(np.linalg.slogdet(main.T @ main / 18)[1] / main.shape[1])
    assert efficiency > 0.93


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from([2, 2, 3]), min_size=1, max_size=5), st.integers(8, 26), st.integers(0, 5))
def test_every_design_is_repeatable_feasible_and_uses_every_level(levels, runs, seed):
    def feasible(recipe):
        return not (len(recipe) > 1 and recipe[0] and recipe[1])

    design = screen_design(len(levels), runs, seed, levels=levels, feasible=feasible)
    again = screen_design(len(levels), runs, seed, levels=levels, feasible=feasible)
    assert (design.rows == again.rows).all()
    assert (design.order == again.order).all()
    assert design.rows.shape == (runs, len(levels))
    assert all(feasible(recipe) for recipe in design.recipes())
    assert all(set(np.maximum(design.rows[:, j], 0)) == set(range(count)) for j, count in enumerate(levels))
    assert np.bincount(design.blocks).min() >= 1


def test_constraints_cost_less_than_turning_techniques_off():
    def feasible(recipe):
        return not (recipe[0] and recipe[1])

    design = screen_design(6, 12, 1, feasible=feasible)
    turned_off = screen_design(6, 12, 1).rows.copy()
    both = (turned_off[:, 0] > 0) & (turned_off[:, 1] > 0)
    turned_off[both, 1] = -1
    assert design.name == "Bayesian D-optimal 12"
    assert log_determinant(design.rows, (2,) * 6) > log_determinant(turned_off, (2,) * 6)


def test_pairs_of_24_runs_are_nearly_mirror_images():
    levels = (3, 2, 2, 2)
    design = screen_design(4, 24, 0, levels=levels)
    columns = coded(design.rows, levels)
    assert (np.bincount(design.blocks) == 2).all()
    within = [columns[a] @ columns[b] for a, b in (np.flatnonzero(design.blocks == k) for k in range(12))]
    alike = columns @ columns.T
    assert np.mean(within) < alike[np.triu_indices(24, 1)].mean() - 1


def test_plackett_burman_stays_where_it_fits():
    assert screen_design(7, 12).name == "Plackett-Burman 12"
    assert screen_design(7, 24, levels=(2,) * 7).name == "Plackett-Burman 12 folded over to 24"
    assert screen_design(7, 12, feasible=lambda recipe: True).name == "Plackett-Burman 12"
    assert screen_design(7, 16).name == "Bayesian D-optimal 16"
    assert screen_design(2, 12, levels=(3, 2)).name == "Bayesian D-optimal 12"


def test_what_cannot_be_run_is_said():
    with pytest.raises(UsageError, match="level 1 of factor 1"):
        screen_design(2, 12, feasible=lambda recipe: not recipe[0])
