"""The algebra of soft targets, against hand-computed values."""

import pytest
import torch

from burnish.errors import UsageError
from burnish.losses import as_probabilities, mix, smooth


def test_indices_become_one_hot_rows():
    rows = as_probabilities(torch.tensor([2, 0]), 3)
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert rows.dtype == torch.float32


def test_probabilities_stay_as_they_are():
    rows = torch.tensor([[0.2, 0.8]])
    assert as_probabilities(rows, 2) is rows


@pytest.mark.parametrize(
    "targets",
    [torch.tensor([0.0, 1.0]), torch.tensor([[1, 0]]), torch.rand(2, 4), torch.zeros(2, 3, 1)],
    ids=["float indices", "integer rows", "wrong width", "three dimensions"],
)
def test_anything_else_is_refused_with_what_was_expected(targets):
    with pytest.raises(UsageError, match=r"probabilities \(batch, 3\)"):
        as_probabilities(targets, 3)


def test_smoothing_keeps_rows_summing_to_one_and_zero_returns_the_same_object():
    rows = torch.eye(4)
    smoothed = smooth(rows, 0.2)
    assert torch.allclose(smoothed.sum(1), torch.ones(4))
    assert smoothed[0].tolist() == pytest.approx([0.85, 0.05, 0.05, 0.05])
    assert smooth(rows, 0) is rows


def test_smoothing_and_mixing_commute():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(5, 3, generator=generator).softmax(1)
    b = torch.rand(5, 3, generator=generator).softmax(1)
    share = torch.rand(5, generator=generator)
    torch.testing.assert_close(smooth(mix(a, b, share), 0.1), mix(smooth(a, 0.1), smooth(b, 0.1), share))


def test_mixing_takes_one_share_per_example_whatever_the_shape():
    a, b = torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    mixed = mix(a, b, torch.tensor([0.25, 1.0]))
    assert mixed[0].unique().tolist() == [0.25]
    assert mixed[1].unique().tolist() == [1.0]
