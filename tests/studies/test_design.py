import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import UsageError
from burnish.studies.design import fold_over, pairs, plackett_burman, screen_design, signs
from burnish.studies.strength import alias_matrix, power, smallest_detectable_effect

ALL_SIZES = st.integers(1, 11)


def test_plackett_burman_is_orthogonal_and_balanced():
    rows = plackett_burman()
    assert rows.shape == (12, 11)
    assert (rows.T @ rows == 12 * np.eye(11)).all()
    assert (rows.sum(0) == 0).all()
    assert (rows[-1] == -1).all()


def test_fold_over_frees_main_effects_of_interactions():
    half, whole = plackett_burman()[:, :8], fold_over(plackett_burman()[:, :8])
    assert np.abs(alias_matrix(whole)).max() < 1e-12
    leaks = np.abs(alias_matrix(half))
    own = np.array([[j in pair for pair in pairs(8)] for j in range(8)])
    assert np.allclose(leaks[~own], 1 / 3)
    assert np.allclose(leaks[own], 0)


@given(ALL_SIZES, st.sampled_from([12, 24]), st.integers(0, 50))
def test_every_screen_is_balanced_and_repeatable(factors, runs, seed):
    design = screen_design(factors, runs, seed)
    again = screen_design(factors, runs, seed)
    assert (design.rows == again.rows).all()
    assert (design.order == again.order).all()
    assert design.rows.shape == (runs, factors)
    assert (design.rows.T @ design.rows == runs * np.eye(factors)).all()
    assert sorted(design.order) == list(range(runs))
    sizes = np.bincount(design.blocks)
    assert set(sizes) == ({3} if runs == 12 else {2})


def test_mirror_images_share_a_block():
    design = screen_design(7, 24, seed=3)
    for block in range(12):
        one, other = design.rows[design.blocks == block]
        assert (one == -other).all()


def test_blocks_of_twelve_hold_both_levels_of_most_techniques():
    design = screen_design(6, 12, seed=0)
    sums = np.array([design.rows[design.blocks == b].sum(0) for b in range(4)])
    assert np.mean(np.abs(sums) == 3) < 0.25


def test_no_technique_gives_no_runs_and_too_many_are_refused():
    assert screen_design(0).rows.shape == (0, 0)
    with pytest.raises(UsageError, match="0 to 11"):
        screen_design(12)
    with pytest.raises(UsageError, match="4 runs or more"):
        screen_design(3, 3)


@given(st.lists(st.booleans(), min_size=1, max_size=11))
def test_signs_accepts_all_codings(recipe):
    expected = [1.0 if on else -1.0 for on in recipe]
    assert signs(recipe).tolist() == expected
    assert signs(np.array(recipe, int)).tolist() == expected
    assert signs(np.array(expected)).tolist() == expected


def test_power_agrees_with_simulation():
    rng = np.random.default_rng(0)
    from scipy import stats

    estimate = 1.2 + 2 / np.sqrt(12) * rng.normal(size=200_000)
    spread = np.sqrt(rng.chisquare(6, 200_000) / 6)
    critical = stats.t.ppf(0.95, 6) * 2 / np.sqrt(12) * spread
    simulated = (np.abs(estimate) > critical).mean()
    assert power(1.2, 1.0, runs=12, factors=8) == pytest.approx(simulated, abs=0.005)


def test_smallest_detectable_effect_reaches_its_power_and_scales():
    effect = smallest_detectable_effect(0.5, runs=24, factors=10)
    assert power(effect, 0.5, runs=24, factors=10) == pytest.approx(0.80)
    assert effect == pytest.approx(0.5 * smallest_detectable_effect(1.0, runs=24, factors=10))
    assert smallest_detectable_effect(0.0, runs=12, factors=3) == 0.0
