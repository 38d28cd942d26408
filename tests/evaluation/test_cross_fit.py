"""Cross-fitting removes the optimism of choosing and scoring on the same rows."""

import numpy as np
import pytest

from burnish.errors import UsageError
from burnish.evaluation.cross_fit import crossfit_best_epoch, halves
from burnish.tasks import Classification, Regression

TASK = Classification(classes=("a", "b"))


def test_a_clearly_best_epoch_is_chosen_by_both_halves() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 100)
    outputs = np.stack([rng.normal(size=(100, 2)) + k * np.eye(2)[targets] for k in (0, 4, 1)])
    chosen = crossfit_best_epoch(outputs, targets, TASK)
    assert (chosen["epoch"], chosen["epochs"]) == (1, [1, 1])
    assert chosen["metrics"] == chosen["naive"]


def test_equal_epochs_look_better_only_when_scored_where_they_were_chosen() -> None:
    rng = np.random.default_rng(0)
    naive, fair = [], []
    for repeat in range(20):
        targets = rng.integers(0, 2, 200)
        outputs = rng.normal(size=(20, 200, 2)) + np.eye(2)[targets]
        chosen = crossfit_best_epoch(outputs, targets, TASK, seed=repeat)
        naive.append(chosen["naive"]["accuracy"])
        fair.append(chosen["metrics"]["accuracy"])
    truth = 0.760  # Phi(1 / sqrt 2)
    assert np.mean(fair) == pytest.approx(truth, abs=0.015)
    assert np.mean(naive) > truth + 0.03


def test_ties_go_to_the_lower_loss() -> None:
    targets = np.array([0, 1] * 10)
    right = np.eye(2)[targets]
    assert crossfit_best_epoch(np.stack([right, 3 * right, 2 * right]), targets, TASK)["epoch"] == 1


def test_epochs_that_are_not_numbers_are_never_best() -> None:
    targets = np.linspace(0, 1, 20)
    outputs = np.stack([np.full((20, 1), np.nan), targets[:, None] + 1])
    chosen = crossfit_best_epoch(outputs, targets[:, None], Regression())
    assert chosen["epoch"] == 1
    assert chosen["metrics"]["rmse"] == pytest.approx(1)


def test_halves_are_stratified_and_complete() -> None:
    targets = np.array([0] * 30 + [1] * 4)
    first, second = halves(targets, TASK, seed=1)
    assert sorted([*first, *second]) == list(range(34))
    assert (targets[first].sum(), targets[second].sum()) == (2, 2)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(epochs, n, outputs\)"):
        crossfit_best_epoch(np.zeros((5, 2)), np.zeros(5, int), TASK)
