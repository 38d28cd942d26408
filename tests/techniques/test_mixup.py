"""Mixup against the definition, for classes and for values."""

import numpy as np
import pytest
import torch

from burnish.plan import BatchContext
from burnish.techniques.mixup import mixup


def context(kind="classification", seed=0, outputs=3):
    generator = torch.Generator().manual_seed(seed)
    return BatchContext(generator=generator, outputs=outputs, kind=kind, modality="image")


def shares_and_partners(size, alpha, seed):
    """What `mixup` draws, drawn again."""
    generator = torch.Generator().manual_seed(seed)
    partner = torch.randperm(size, generator=generator)
    key = int(torch.randint(2**62, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(key).beta(alpha, alpha, size).astype(np.float32)), partner


def test_each_example_is_a_blend_of_two_and_so_is_its_target():
    x, y = torch.randn(16, 1, 4, 4, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 3
    mixed, rows = mixup(x, y, context(seed=7), alpha=0.4)
    share, partner = shares_and_partners(16, 0.4, 7)
    for i in range(16):
        torch.testing.assert_close(mixed[i], share[i] * x[i] + (1 - share[i]) * x[partner[i]])
        expected = torch.zeros(3)
        expected[y[i]] += share[i]
        expected[y[partner[i]]] += 1 - share[i]
        torch.testing.assert_close(rows[i], expected)


def test_values_are_blended_too_and_a_linear_target_stays_linear():
    x = torch.randn(32, 5, generator=torch.Generator().manual_seed(1))
    y = x @ torch.arange(5.0)[:, None]
    mixed, values = mixup(x, y, context("regression", outputs=1), alpha=1.0)
    assert values.shape == y.shape
    torch.testing.assert_close(values, mixed @ torch.arange(5.0)[:, None], atol=1e-4, rtol=1e-4)


def test_mixed_targets_can_be_mixed_again():
    x, y = torch.randn(8, 2), torch.arange(8) % 3
    rows = mixup(*mixup(x, y, context(seed=1)), context(seed=2))[1]
    assert rows.shape == (8, 3)
    torch.testing.assert_close(rows.sum(1), torch.ones(8))


@pytest.mark.parametrize("alpha", [0.001, 0.2, 50.0])
def test_alpha_sets_how_even_the_blends_are(alpha):
    x = torch.tensor([[0.0], [1.0]]).repeat(500, 1)
    mixed, _ = mixup(x, torch.zeros(1000, dtype=torch.int64), context(), alpha=alpha)
    blended = float(((mixed > 0.05) & (mixed < 0.95)).float().mean())
    low, high = {0.001: (0, 0.02), 0.2: (0.1, 0.4), 50.0: (0.4, 0.6)}[alpha]
    assert low <= blended <= high


def test_same_generator_state_same_batch_and_inputs_untouched():
    x, y = torch.randn(8, 2), torch.arange(8) % 3
    before = x.clone()
    first, second = mixup(x, y, context(seed=3)), mixup(x, y, context(seed=3))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert torch.equal(x, before)
