import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.studies.analysis import fit
from burnish.studies.candidates import APART, PRUNE_BELOW, candidates, pruned, sound, winner
from burnish.studies.design import possible_recipes, recipe_of, screen_design


def study(factors, seed, strength=1.0):
    rng = np.random.default_rng(seed)
    design = screen_design(factors, 12, seed)
    z = strength * design.rows @ rng.normal(size=factors) + 0.5 * rng.normal(size=12)
    return design, z, fit(design.rows, z, design.blocks)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 11), st.integers(0, 20), st.integers(1, 6))
def test_candidates_differ_are_feasible_and_leave_the_baseline_out(factors, seed, count):
    design, z, posterior = study(factors, seed)

    def feasible(recipe):
        return not (recipe[0] and recipe[-1]) or factors == 1

    found = candidates(posterior, design.rows, z, feasible, count=count)
    recipes = [c.recipe for c in found]
    assert len(set(recipes)) == len(recipes) == min(count, len(possible_recipes((2,) * factors, feasible)))
    assert all(any(recipe) and feasible(recipe) for recipe in recipes)


def test_first_candidate_is_the_argmax_over_all_recipes():
    design, z, posterior = study(6, 3)
    everything = [r for r in itertools.product((False, True), repeat=6) if any(r)]
    best = max(everything, key=lambda r: posterior.predict([r])[0][0])
    found = candidates(posterior, design.rows, z)
    assert found[0].recipe == best
    assert found[0].why == "predicted best"


def test_rules_are_kept_in_order():
    design, z, posterior = study(8, 4)
    z[2] = np.nan
    found = candidates(posterior, design.rows, z)
    by_why = {c.why: c.recipe for c in found}
    rows = [i for i in np.argsort(-np.nan_to_num(z, nan=-99)) if any(design.rows[i] > 0)]
    if "best run seen" in by_why:
        assert by_why["best run seen"] == recipe_of(design.rows[rows[0]])
    far = by_why["predicted best at least two changes away"]
    others = [c.recipe for c in found[: [c.recipe for c in found].index(far)]]
    assert all(sum(a != b for a, b in zip(far, o, strict=True)) >= APART for o in others)


def test_a_model_without_collapsed_runs_is_not_bent_by_them():
    design = screen_design(6, 12, 1)
    effects = np.array([0.5, 0.4, -0.3, 0.0, 0.2, -0.2])
    z = design.rows @ effects + 0.05 * np.random.default_rng(0).normal(size=12)
    collapsed = (design.rows[:, 0] > 0) & (design.rows[:, 1] > 0)  # only together, so that neither is to blame
    z = np.where(collapsed, z.min() - 2.0, z)
    heard = sound(z, collapsed)
    assert np.isnan(heard[collapsed]).all()
    assert (heard[~collapsed] == z[~collapsed]).all()
    alone = (1, 0, 0, 0, 0, 0)
    apart = [abs(fit(design.rows, seen, design.blocks).effect_at(alone, 0)[0] - 1.0) for seen in (heard, z)]
    assert apart[0] < apart[1]


def test_where_most_runs_collapsed_they_stay_in():
    z = np.array([1.0, -5.0, -5.0, -5.0])
    assert (sound(z, z < 0) == z).all()


def test_pruning_keeps_only_likely_members():
    _, _, posterior = study(8, 5, strength=0.4)
    short = pruned(posterior, (True,) * 8)
    assert all(posterior.p_helps(short, j) >= PRUNE_BELOW for j, on in enumerate(short) if on)


def test_no_technique_and_nothing_feasible_give_no_candidates():
    design = screen_design(0)
    posterior = fit(design.rows, [], design.blocks, pilot_z=[1.0, 2.0, 3.0])
    assert candidates(posterior, design.rows, []) == []
    design, z, posterior = study(2, 0)
    assert candidates(posterior, design.rows, z, lambda recipe: False) == []


@pytest.mark.parametrize(
    ("scores", "baseline", "expected"),
    [
        ([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]], [1.5, 1.5, 1.5], 1),
        ([[1.0, 1.0, 1.0]], [1.5, 1.5, 1.5], None),
        ([], [1.0], None),
        ([[9.0, np.nan, np.nan], [2.0, 2.0, 2.0]], [1.0, 1.0, 1.0], 1),  # failed on most splits: out
        ([[5.0, np.nan, 3.0]], [4.0, 1.0, 2.0], 0),
        ([[np.nan, np.nan, np.nan]], [1.0, 1.0, 1.0], None),
    ],
)
def test_winner(scores, baseline, expected):
    assert winner(scores, baseline) == expected
