"""Outputs are taken in evaluation mode and leave the network as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from burnish.data.data import Split
from burnish.data.preparation import Preparation
from burnish.errors import UsageError
from burnish.evaluation.cost import cost
from burnish.evaluation.predict import outputs_on, predict

TABLE = Preparation(modality="table", input_shape=(4,))


def rows(n: int = 10) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)


def test_outputs_are_those_of_evaluation_mode_in_the_order_of_the_split() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    pool = rows()
    order = np.array([7, 1, 4, 9, 0])
    got = predict(model, Split(pool, np.zeros(10), order), TABLE, batch_size=2)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(pool[order])).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_array_equal(got, outputs_on(model, pool[order], TABLE, batch_size=2))


def test_every_flag_is_as_before_even_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).train()
    model[1].eval()
    outputs_on(model, rows(), TABLE)
    with pytest.raises(RuntimeError):
        outputs_on(model, rows()[:, :2], TABLE)
    assert [m.training for m in model] == [True, False, True]
    assert model.training


def test_outputs_of_the_wrong_shape_are_named() -> None:
    squeezed = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))
    with pytest.raises(UsageError, match=r"shape \(10,\)"):
        outputs_on(squeezed, rows(), TABLE)
    with pytest.raises(UsageError, match="no inputs"):
        outputs_on(squeezed, rows(0), TABLE)


def test_cost_counts_one_example() -> None:
    measured = cost(nn.Linear(4, 3), torch.zeros(5, 4), train_seconds=2.0, examples=100)
    assert (measured.parameters, measured.bytes, measured.operations) == (15, 60, 12)
    assert measured.examples_per_second == 50
