"""The words table: which of four words a technique gets, whatever the runs were."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.metrics import Metric, metric
from burnish.studies.analysis import fit
from burnish.studies.contrasts import contrasts
from burnish.studies.design import screen_design
from burnish.studies.effects import BUNDLE, HELPS, HURTS, UNCLEAR, effects, word
from burnish.studies.levels import Factor, coded, features

FACTORS = (
    Factor(name="normalization", levels=("BatchNorm()", "GroupNorm()")),
    Factor(name="Mixup()", levels=("Mixup()",)),
    Factor(name="learning rate", levels=("slow", "fast"), nuisance=True),
)
LEVELS = (3, 2, 3)


def study(slopes, seed=0, noise=0.05, runs=16):
    rng = np.random.default_rng(seed)
    design = screen_design(3, runs, seed, levels=LEVELS)
    z = coded(design.rows, LEVELS) @ np.array(slopes) + noise * rng.normal(size=runs) + 2.0
    pilot = coded(np.zeros((4, 3)), LEVELS) @ np.array(slopes) + noise * rng.normal(size=4) + 2.0
    return design, z, pilot, fit(design.rows, z, design.blocks, levels=LEVELS, pilot_z=pilot)


@given(st.floats(0, 1), st.booleans(), st.booleans())
def test_the_words_table(chance, inside, confirmed):
    found = word(chance, in_recipe=inside, confirmed=confirmed)
    assert (found == HELPS) == (chance > 0.95)
    assert (found == HURTS) == (chance < 1 - 0.95)
    assert (found == BUNDLE) == (0.05 <= round(chance, 12) <= 0.95 and inside and confirmed) or found in (HELPS, HURTS)
    assert found in (HELPS, HURTS, UNCLEAR, BUNDLE)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=5, max_size=5), st.integers(0, 20), st.booleans())
def test_words_intervals_and_probabilities_agree(slopes, seed, confirmed):
    _, _, _, posterior = study(slopes, seed)
    for recipe in ((1, 1, 0), (0, 0, 2), (2, 0, 1)):
        found = effects(posterior, FACTORS, recipe, metric=metric("accuracy"), runs=20, confirmed=confirmed)
        assert [e.technique for e in found] == ["BatchNorm()", "GroupNorm()", "Mixup()"]  # no nuisance
        assert [e.in_recipe for e in found] == [recipe[0] == 1, recipe[0] == 2, recipe[1] == 1]
        for effect in found:
            low, high = effect.at_recipe.low, effect.at_recipe.high
            assert low <= effect.at_recipe.value <= high
            assert effect.at_recipe.n == effect.at_baseline.n == 20
            assert (effect.word == HELPS) == (low > 0)  # a 90 % interval above zero is P(helps) above 95 %
            assert (effect.word == HURTS) == (high < 0)


def test_levels_of_one_factor_are_told_apart():
    # Helmert: first column off against the rest, second batch against group norm
    _, _, _, posterior = study([0.8, -0.6, 0.0, 0.0, 0.0])
    batch, group, mixup = effects(posterior, FACTORS, (1, 0, 0), metric=metric("accuracy"), runs=20)
    assert batch.word == HELPS
    assert batch.at_recipe.value > group.at_recipe.value
    assert mixup.word == UNCLEAR
    assert (batch.factor, mixup.factor) == ("normalization", "Mixup()")


def test_effects_at_the_baseline_are_averaged_over_the_nuisance():
    design, z, pilot, posterior = study([0.3, 0.1, 0.2, -0.5, 0.4], noise=0.2)
    found = effects(posterior, FACTORS, (0, 0, 2), metric=Metric(name="r2", function=max, bounded=False), runs=20)
    mean = posterior.mean()
    for place, (j, level) in enumerate([(0, 1), (0, 2), (1, 1)]):
        gains = []
        for rate in range(3):
            on = [0, 0, rate]
            on[j] = level
            ends = features(coded([[0, 0, rate], on], LEVELS), LEVELS) @ mean
            gains.append(ends[1] - ends[0])
        assert found[place].at_baseline.value == pytest.approx(np.mean(gains))
        assert found[place].at_recipe.value == pytest.approx(gains[2])


def test_costs_are_factors_and_less_is_good():
    rng = np.random.default_rng(0)
    design = screen_design(3, 16, 0, levels=LEVELS)
    factor = np.prod(
        [np.array(f)[np.maximum(design.rows[:, j], 0)] for j, f in enumerate([(1, 1.5, 2), (1, 0.8), (1, 1, 1)])], 0
    )
    z = -np.log(10 * factor * np.exp(0.001 * rng.normal(size=16)))
    posterior = fit(design.rows, z, design.blocks, levels=LEVELS, main=(1.0, 1e4), pairs_to_main=(0.001,))
    cost = Metric(name="seconds", function=max, greater_is_better=False, bounded=False)
    averages = contrasts(design.rows, z, levels=LEVELS)
    found = effects(posterior, FACTORS, (0, 0, 0), metric=cost, runs=16, unit="ratio", contrasts=averages)
    assert [e.at_recipe.value for e in found] == pytest.approx([1.5, 2.0, 0.8], rel=0.01)
    assert [e.contrast.value for e in found] == pytest.approx([1.5, 2.0, 0.8], rel=0.01)
    assert [e.word for e in found] == [HURTS, HURTS, HELPS]


def test_contrasts_of_levels_are_those_of_a_dummy_regression():
    design, z, pilot, _ = study([0.4, 0.1, -0.3, 0.0, 0.2], seed=5, noise=0.3)
    rows = np.maximum(design.rows, 0).astype(int)
    dummies = [rows[:, j] == level for j, count in enumerate(LEVELS) for level in range(1, count)]
    columns = np.column_stack([np.ones(16), *dummies]).astype(float)
    inverse = np.linalg.inv(columns.T @ columns)
    beta = inverse @ columns.T @ z
    squares = ((z - columns @ beta) ** 2).sum() + ((pilot - pilot.mean()) ** 2).sum()
    error = np.sqrt(squares / (16 - 6 + 3) * np.diag(inverse))
    found = list(itertools.chain(*contrasts(design.rows, z, levels=LEVELS, pilot_z=pilot, tested=(0, 1))))
    assert [c.effect for c in found] == pytest.approx(beta[1:])
    assert [c.se for c in found] == pytest.approx(error[1:])
    assert [np.isfinite(c.q_value) for c in found] == [True, True, True, False, False]
