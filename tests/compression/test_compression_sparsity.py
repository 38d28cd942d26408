import zlib

import pytest
import torch
from torch import nn

from burnish.compression.sparsity import sparsify, zipped_bytes
from burnish.errors import NotApplicable
from burnish.exporting.safetensors import save_weights


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(2, 16, 3), nn.BatchNorm1d(16), nn.Flatten(), nn.Linear(96, 5))


def test_the_smallest_weights_of_the_whole_network_are_zero():
    model = network()
    found = sparsify(model, 0.7)
    sizes = torch.cat([model[i].weight.detach().abs().flatten() for i in (0, 3)])
    limit = sizes.kthvalue(round(0.7 * len(sizes))).values
    for i in (0, 3):
        expected = torch.where(model[i].weight.abs() > limit, model[i].weight, 0.0)
        assert torch.equal(found.model[i].weight, expected)
    assert found.sparsity == pytest.approx(0.7, abs=1e-3)
    assert torch.equal(found.model[3].bias, model[3].bias)
    assert set(found.layers) == {"0.weight", "3.weight"}


def test_zeros_stay_while_training():
    found = sparsify(network(), 0.9)
    optimizer = torch.optim.Adam(found.model.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        found.model(torch.randn(8, 2, 8)).square().sum().backward()
        optimizer.step()
        found.hold(found.model)
    zeros = sum(int((found.model[i].weight == 0).sum()) for i in (0, 3))
    assert zeros == sum(int((~mask).sum()) for mask in found.masks.values())


def test_what_zeros_are_good_for(tmp_path):
    whole, sparse = (
        save_weights(m, tmp_path / n) for m, n in ((network(), "a"), (sparsify(network(), 0.9).model, "b"))
    )
    assert whole.stat().st_size == sparse.stat().st_size
    assert zipped_bytes(sparse) < 0.5 * zipped_bytes(whole)
    assert len(zlib.decompress(zlib.compress(sparse.read_bytes(), 9))) == sparse.stat().st_size


def test_wrong_arguments():
    with pytest.raises(ValueError, match="between 0 and 1"):
        sparsify(network(), 1.0)
    with pytest.raises(NotApplicable, match="no matrices"):
        sparsify(nn.BatchNorm1d(4), 0.5)
