"""What the replays of recorded factorials rest on."""

import numpy as np
import pytest
from record import _done, baselines, cells
from replay import confirm, interval_check, share
from strategies import BUDGET, STRATEGIES, designed
from tables import Recorded, Table, World, number, recipes, walsh

from burnish.metrics import metric
from burnish.studies.confirmation import CONFIRMED
from burnish.studies.design import signs

K, SPLITS = 5, 8
EFFECTS = np.array([0.03, -0.02, 0.01, -0.01, 0.02])
BEST = (True, False, True, False, True)


def table(noise=0.0, seed=0, pairs=0.0):
    """Accuracies that add up on their own scale, and as much noise as asked for."""
    rng = np.random.default_rng(seed)
    rows = recipes(K)
    surface = 0.85 + rows @ EFFECTS + pairs * (rows[:, 0] & rows[:, 1])
    drawn = np.clip(surface[:, None] + noise * rng.normal(size=(2**K, SPLITS)), 0, 1)
    again = np.clip(surface[0] + noise * rng.normal(size=(SPLITS, 6)), 0, 1)
    return Table(
        name="made",
        factors=K,
        metric=metric("accuracy"),
        validation=drawn,
        everything=drawn,
        baseline=again,
        n_train=300,
        n_validation=1000,
    )


def lab(kind=World, seed=0, **options):
    return kind(table=table(**options), rng=np.random.default_rng(seed))


def test_cells_are_numbered_as_recipes_are_listed():
    assert [number(recipe) for recipe in recipes(4)] == list(range(16))


def test_walsh_columns_are_orthogonal_and_multiply_like_techniques():
    columns = walsh(4)
    assert (columns.T @ columns == 16 * np.eye(16)).all()
    rows = signs(recipes(4))
    assert (columns[:, number((True, False, True, False))] == rows[:, 0] * rows[:, 2]).all()


def test_the_surface_without_noise_is_the_mean_and_with_noise_is_nearer_the_truth():
    clean = table(pairs=0.02)
    assert clean.surface == pytest.approx(clean.everything.mean(1))
    noisy = table(noise=0.02)
    true = 0.85 + recipes(K) @ EFFECTS
    assert ((noisy.surface - true) ** 2).mean() < 0.6 * ((noisy.everything.mean(1) - true) ** 2).mean()


def test_runs_of_the_world_are_centred_on_its_surface():
    effects, residuals = table(noise=0.01).spread
    assert effects.mean() == pytest.approx(0, abs=1e-12)
    assert [pool.mean() for pool in residuals] == pytest.approx([0] * 2**K, abs=1e-12)
    assert len(residuals[0]) == SPLITS * 6


def test_a_split_of_the_world_is_drawn_once():
    world = lab(noise=0.01)
    world.several([(False,) * K, BEST], [3, 4, 3])
    assert set(world.drawn) == {3, 4}
    assert world.runs == 6


def test_recorded_splits_that_decide_are_not_handed_out():
    recorded = lab(Recorded, noise=0.01)
    with pytest.raises(IndexError, match="decides"):
        recorded.train(BEST, recorded.seen)
    held = recorded.dealt[recorded.seen :]
    gain = recorded.table.everything[number(BEST), held].mean() - recorded.table.everything[0, held].mean()
    assert recorded.gain(BEST) == pytest.approx(gain)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("kind", [World, Recorded])
def test_strategies_keep_their_budget(name, kind):
    if "TPE" in name:
        pytest.importorskip("optuna")
    place = lab(kind, noise=0.01)
    outcome = STRATEGIES[name](place, 0)
    allowed = int(name.split()[1]) if name.startswith("designed") else BUDGET
    assert len(outcome.recipe) == K
    assert place.runs <= allowed
    if name.startswith("designed"):
        assert place.runs == allowed


@pytest.mark.parametrize("name", [n for n in STRATEGIES if n.startswith(("designed", "greedy", "one"))])
def test_without_noise_the_best_recipe_is_found(name):
    place = lab()
    outcome = STRATEGIES[name](place, 0)
    assert outcome.recipe == BEST
    assert place.gain(outcome.recipe) == pytest.approx(place.available())


def test_where_nothing_does_anything_every_gain_is_zero():
    place = World(table=table(noise=0.01), rng=np.random.default_rng(0), nothing=True)
    assert place.gain(BEST) == 0
    outcome = designed(place, 0)
    assert all(width > 0 for _, width in interval_check(place, outcome.posterior, outcome.target))


def test_a_gain_far_above_the_noise_is_confirmed_at_the_first_look():
    decision = confirm(lab(noise=0.002), BEST)
    assert decision.verdict == CONFIRMED
    assert decision.n == 3


def test_share_is_the_mean_gain_over_what_there_is():
    place = lab()
    found = share([(place, None, place.available(), 1), (place, None, 0.0, 1)])
    assert found["value"] == pytest.approx(0.5)


def test_a_row_cut_short_is_recorded_again(tmp_path):
    file = tmp_path / "made.csv"
    file.write_text("a,split_seed,run,val_acc\n0,1,0,0.5\n1,1,1,0.")
    assert _done(file, ["a", "split_seed", "run"]) == {(0, 1, 0)}
    assert file.read_text().endswith("0.5\n")


def test_every_cell_and_every_baseline_has_a_seed_of_its_own():
    keys = [*cells(3, 2), *baselines(3, 2, 4)]
    assert len(set(keys)) == len(keys) == 2 * 8 + 2 * 4
    assert len({key[-2:] for key in keys}) == len(keys)
