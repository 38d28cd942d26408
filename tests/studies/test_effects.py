import numpy as np
import pytest

from burnish.metrics import metric
from burnish.records import Effect, from_json, to_json
from burnish.studies.analysis import fit
from burnish.studies.contrasts import contrasts
from burnish.studies.design import screen_design
from burnish.studies.effects import BUNDLE, HELPS, HURTS, UNCLEAR, effects, word
from burnish.studies.levels import Factor

FACTORS = [Factor(name=name, levels=(name,)) for name in ("A()", "B()", "C()")]


def study(metric_name, level, slopes, seed=0):
    rng = np.random.default_rng(seed)
    chosen, design = metric(metric_name), screen_design(3, 12, seed)
    start = chosen.to_scale(level, 1000)
    z = start + design.rows @ np.array(slopes) + 0.05 * rng.normal(size=12)
    pilot = start - sum(slopes) + 0.05 * rng.normal(size=4)
    return chosen, design, z, pilot, fit(design.rows, z, design.blocks, pilot_z=pilot)


@pytest.mark.parametrize(("name", "level"), [("accuracy", 0.9), ("rmse", 2.0), ("r2", 0.5), ("ece", 0.1)])
def test_signs_and_words_hold_for_every_direction_of_metric(name, level):
    chosen, _, _, _, posterior = study(name, level, [0.6, -0.6, 0.0])
    helps, hurts, unclear = effects(posterior, FACTORS, (True, False, True), metric=chosen, runs=16)
    assert helps.word == HELPS
    assert helps.at_recipe.low > 0
    assert hurts.word == HURTS
    assert hurts.at_recipe.high < 0
    assert unclear.word == UNCLEAR
    assert unclear.at_recipe.low < 0 < unclear.at_recipe.high


def test_effect_in_units_is_the_difference_of_back_transformed_predictions():
    chosen, _, _, _, posterior = study("accuracy", 0.9, [0.4, 0.1, 0.2])
    recipe = (True, False, True)
    found = effects(posterior, FACTORS, recipe, metric=chosen, runs=16)
    for j, effect in enumerate(found):
        for at, estimate in ((recipe, effect.at_recipe), ((False,) * 3, effect.at_baseline)):
            off, on = ((*at[:j], state, *at[j + 1 :]) for state in (False, True))
            z = posterior.predict([off, on])[0]
            expected = chosen.from_scale(z[1]) - chosen.from_scale(z[0])
            assert estimate.value == pytest.approx(expected)


def test_costs_flags_contrasts_and_json():
    chosen, design, z, pilot, posterior = study("accuracy", 0.9, [0.4, 0.1, 0.0])
    found = effects(
        posterior,
        FACTORS,
        (True, True, False),
        metric=chosen,
        runs=16,
        confirmed=True,
        contrasts=contrasts(design.rows, z, pilot_z=pilot),
        flags={"C()": "collapses in 3 of 6 runs"},
    )
    assert found[0].contrast_se > 0
    assert (found[0].contrast.n, found[0].at_recipe.n) == (12, 16)
    assert found[0].contrast.low > 0
    assert found[0].q_value < 0.05
    assert "collapses in 3 of 6 runs" in found[2].flags
    assert from_json(Effect, to_json(found[0])) == found[0]


@pytest.mark.parametrize(
    ("chance", "inside", "confirmed", "expected"),
    [
        (0.96, False, False, HELPS),
        (0.95, True, True, BUNDLE),
        (0.7, True, False, UNCLEAR),
        (0.7, False, True, UNCLEAR),
        (0.04, False, True, HURTS),
    ],
)
def test_word(chance, inside, confirmed, expected):
    assert word(chance, in_recipe=inside, confirmed=confirmed) == expected
