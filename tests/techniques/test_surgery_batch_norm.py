"""Batch norm: where it goes, where it does not, and the identity it starts as."""

import pytest
import torch
from surgery_networks import NETWORKS, Residual, TextTransformer, make, tokens
from torch import nn

from burnish.errors import NotApplicable
from burnish.model.surgery import Probe, Wrapped
from burnish.techniques.batch_norm import with_batch_norm

EXPECTED = {
    "plain root": {"0": nn.BatchNorm2d, "3": nn.BatchNorm2d},
    "CIFAR tutorial": {"conv1": nn.BatchNorm2d, "conv2": nn.BatchNorm2d, "fc1": nn.BatchNorm1d, "fc2": nn.BatchNorm1d},
    "residual with norm": {"stem": nn.BatchNorm2d, "blocks.1.shortcut": nn.BatchNorm2d},
    "LSTM": {"hidden": nn.BatchNorm1d},
    "own recurrent": {"hidden": nn.BatchNorm1d},  # not the cell
    "separable": dict.fromkeys(("depthwise", "pointwise", "grouped", "up"), nn.BatchNorm2d),  # not squeeze, not head
    "tied": dict.fromkeys(("encoder", "decoder", "again"), nn.BatchNorm1d),
    "branching": {"first": nn.BatchNorm1d, "second": nn.BatchNorm1d},
    "functional dropout": {"first": nn.BatchNorm1d},
    "volumes": {"0": nn.BatchNorm3d},
    "series": {"0": nn.BatchNorm1d, "3": nn.BatchNorm1d},
}


def inserted(model):
    return {path: type(m.after) for path, m in model.named_modules() if isinstance(m, Wrapped)}


@pytest.mark.parametrize("network", EXPECTED)
def test_goes_after_every_layer_that_lacks_it_and_nowhere_else(network):
    model, inputs = make(network)
    assert inserted(with_batch_norm(model, probe=Probe(inputs=inputs))) == EXPECTED[network]


def test_normalizes_what_the_activation_sees():
    model, inputs = make("plain root")
    changed = with_batch_norm(model, probe=Probe(inputs=inputs)).train()
    seen = []
    changed[1].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    changed(inputs)
    assert torch.allclose(seen[0].mean((0, 2, 3)), torch.zeros(8), atol=1e-5)
    assert torch.allclose(seen[0].var((0, 2, 3), unbiased=False), torch.ones(8), atol=1e-3)


@pytest.mark.parametrize("network", sorted(set(NETWORKS) - {"transformer"}))
def test_in_a_trained_network_it_starts_as_the_identity(network):
    model, inputs = make(network)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    changed = with_batch_norm(model, probe=Probe(inputs=inputs, trained=True))
    fresh = inputs.flip(0)[: len(inputs) // 2]
    for batch in (inputs, fresh):
        assert torch.allclose(changed.eval()(batch), model.eval()(batch), rtol=1e-4, atol=1e-5)
    assert not torch.equal(next(m.after.weight for m in changed.modules() if isinstance(m, Wrapped)), torch.ones(1))


def test_and_close_to_it_while_training_on_the_probe():
    model, inputs = make("plain root")
    changed = with_batch_norm(model, probe=Probe(inputs=inputs, trained=True)).train()
    assert torch.allclose(changed(inputs), model(inputs), atol=0.02)  # biased against unbiased variance


def test_a_dead_channel_does_no_harm():
    model, inputs = make("plain root")
    with torch.no_grad():
        model[0].weight[0].zero_()
    changed = with_batch_norm(model, probe=Probe(inputs=inputs, trained=True))
    assert torch.allclose(changed.eval()(inputs), model.eval()(inputs), atol=1e-5)
    changed.train()(inputs).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in changed.parameters())


def test_takes_the_place_of_group_norm_with_its_scale_and_shift():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8, eps=1e-3), nn.ReLU(), nn.Flatten(), nn.Linear(800, 2))
    nn.init.uniform_(model[1].weight)
    nn.init.uniform_(model[1].bias)
    inputs = torch.randn(16, 3, 12, 12)
    changed = with_batch_norm(model, probe=Probe(inputs=inputs, trained=True))
    assert type(changed[1]) is nn.BatchNorm2d
    assert changed[1].eps == 1e-3
    fresh = with_batch_norm(model, probe=Probe(inputs=inputs))  # nothing learned that could be lost
    assert torch.equal(fresh[1].weight, model[1].weight)
    assert torch.equal(fresh[1].bias, model[1].bias)
    assert torch.allclose(changed[1].running_mean, model[0](inputs).mean((0, 2, 3)), atol=1e-5)
    assert not inserted(changed)


def test_networks_that_are_normalized_are_left_alone():
    model = Residual(norm=True)
    model.stem = nn.Sequential(model.stem, nn.BatchNorm2d(8))
    model.blocks[1].shortcut = nn.Sequential(model.blocks[1].shortcut, nn.BatchNorm2d(16))
    with pytest.raises(NotApplicable, match="no layer lacks normalization"):
        with_batch_norm(model, probe=Probe(inputs=torch.randn(2, 3, 12, 12)))
    with pytest.raises(NotApplicable):
        with_batch_norm(TextTransformer(), probe=Probe(inputs=tokens()))


def test_a_network_that_normalizes_first_is_normalized():
    class PreActivation(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
            self.conv1, self.conv2 = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return x + self.conv2(self.norm2(self.conv1(self.norm1(x).relu())).relu())

    model = nn.Sequential(nn.Conv2d(3, 4, 1), PreActivation(), PreActivation(), nn.BatchNorm2d(4), nn.Flatten())
    model.append(nn.Linear(64, 2))
    with pytest.raises(NotApplicable):
        with_batch_norm(model, probe=Probe(inputs=torch.randn(2, 3, 4, 4)))


def test_attributes_of_a_wrapped_layer_can_still_be_read():
    model, inputs = make("plain root")
    conv = with_batch_norm(model, probe=Probe(inputs=inputs))[0]
    assert conv.out_channels == 8
    assert conv.weight.shape == (8, 3, 3, 3)
    with pytest.raises(AttributeError):
        _ = conv.nothing_of_the_kind


def test_half_precision_and_a_bare_layer():
    model = nn.Sequential(nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 2)).double()
    changed = with_batch_norm(model, probe=Probe(inputs=torch.randn(4, 10, dtype=torch.float64)))
    assert {p.dtype for p in changed.parameters()} == {torch.float64}
    with pytest.raises(NotApplicable):
        with_batch_norm(nn.Linear(4, 2), probe=Probe(inputs=torch.randn(3, 4)))
