"""Group norm: conversion, insertion, and the closest start in a trained network."""

import pytest
import torch
from surgery_networks import Residual, images, make
from torch import nn
from torch.nn import functional as F

from burnish.errors import NotApplicable
from burnish.model import recalibrating
from burnish.model.surgery import Probe, Wrapped, outputs_at
from burnish.techniques.batch_norm import with_batch_norm
from burnish.techniques.group_norm import GroupNorm, batch_to_group_norm, group_count, with_group_norm


def randomized_norms(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight)
            nn.init.uniform_(module.bias)
    return model


def test_conversion_computes_group_norm_with_the_learned_scale_and_shift():
    model = randomized_norms(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=1e-3)))
    inputs = images()
    wanted = F.group_norm(model[0](inputs), 2, model[1].weight, model[1].bias, 1e-3)
    assert torch.allclose(batch_to_group_norm(model, groups=2)(inputs), wanted, atol=1e-6)


def test_every_batch_norm_is_converted_and_a_shared_one_stays_shared():
    shared = nn.BatchNorm2d(8)
    model = nn.Sequential(nn.Conv2d(3, 8, 1), shared, nn.Conv2d(8, 8, 1), shared)
    changed = batch_to_group_norm(model)
    assert changed[1] is changed[3]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in batch_to_group_norm(Residual(norm=True)).modules())
    assert isinstance(batch_to_group_norm(nn.BatchNorm2d(8)), nn.GroupNorm)  # the root itself


def test_what_is_frozen_and_hooked_stays_so():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8).requires_grad_(False))
    calls = []
    model[1].register_forward_hook(lambda *args: calls.append(1))
    changed = batch_to_group_norm(model.eval())
    changed(images())
    assert not changed[1].weight.requires_grad
    assert not changed[1].training
    assert calls == [1]


@pytest.mark.parametrize(
    ("channels", "groups", "flat"), [(8, 16, False), (6, 16, False), (7, 32, False), (100, 8, True)]
)
def test_group_count_divides_the_channels_and_leaves_enough_in_each(channels, groups, flat):
    count = group_count(channels, groups, flat=flat)
    assert channels % count == 0
    assert count == 1 or channels // count >= (16 if flat else 4)
    assert count <= groups


def test_features_are_not_erased():
    """One feature per group would be normalized to a constant."""
    model, inputs = make("own recurrent")
    changed = with_group_norm(model, probe=Probe(inputs=inputs), groups=16)
    assert changed.hidden.after.num_groups == 1
    assert changed.eval()(inputs).std(0).min() > 1e-4
    narrow = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 1))
    with pytest.raises(NotApplicable):
        batch_to_group_norm(narrow)


def test_insertion_joins_conversion():
    model, inputs = make("residual with norm")
    changed = with_group_norm(model, probe=Probe(inputs=inputs))
    norms = {path: m for path, m in changed.named_modules() if isinstance(m, nn.GroupNorm)}
    assert sorted(norms) == [
        "blocks.0.bn1",
        "blocks.0.bn2",
        "blocks.1.bn1",
        "blocks.1.bn2",
        "blocks.1.shortcut.after",
        "stem.after",
    ]


def test_in_a_trained_network_each_channel_keeps_mean_and_deviation(monkeypatch):
    """Of what stood there, norm after norm, whatever its sign; the steps that follow are left out here."""
    monkeypatch.setattr(recalibrating, "STEPS", 0)
    torch.manual_seed(0)
    model = randomized_norms(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3)))
    model.append(nn.BatchNorm2d(8)).append(nn.Flatten()).append(nn.Linear(512, 2))
    with torch.no_grad():
        model[1].weight[0] = -0.5
    inputs = torch.randn(16, 3, 12, 12)
    model.train()(inputs)
    changed = with_group_norm(model, probe=Probe(inputs=inputs, trained=True), groups=2)
    assert changed[1].weight[0] < 0
    was, now = (outputs_at(network, ("1", "4"), inputs) for network in (model, changed))
    for path in ("1", "4"):
        for of in (torch.mean, torch.std):
            torch.testing.assert_close(of(now[path], (0, 2, 3)), of(was[path], (0, 2, 3)), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("way", [with_group_norm, with_batch_norm])
def test_exchanged_norms_start_closer_with_each_part_of_the_recalibration(way, monkeypatch):
    """On rows that the probe does not hold, after a training that moved scales and shifts."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2))
    model.append(nn.BatchNorm2d(16)).append(nn.ReLU()).append(nn.Flatten()).append(nn.Linear(64, 3))
    x = torch.randn(96, 1, 8, 8) * torch.rand(96, 1, 1, 1)
    y = (3 * x.mean((1, 2, 3)).mul(8).sigmoid()).long().clamp(max=2)
    model = batch_to_group_norm(model, 4) if way is with_batch_norm else model
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    model.eval()
    kept = {name: value.clone() for name, value in model.state_dict().items()}

    def distance(probe):
        with torch.no_grad():
            return float((way(model, probe=probe).eval()(x[64:]) - model(x[64:])).square().mean())

    carried, both = distance(Probe(inputs=x[:64])), distance(Probe(inputs=x[:64], trained=True))
    monkeypatch.setattr(recalibrating, "STEPS", 0)
    matched = distance(Probe(inputs=x[:64], trained=True))
    assert both < 0.9 * matched
    assert matched < 0.8 * carried
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


def test_steps_that_come_no_closer_are_taken_back(monkeypatch):
    monkeypatch.setattr(recalibrating, "RATE", 1e3)
    model, inputs = make("residual with norm")
    probe = Probe(inputs=inputs, trained=True)
    far = with_group_norm(model, probe=probe)
    monkeypatch.setattr(recalibrating, "STEPS", 0)
    for one, other in zip(far.parameters(), with_group_norm(model, probe=probe).parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.grad is None
        assert one.requires_grad


def test_the_fit_starts_closer_than_no_fit():
    model, inputs = make("CIFAR tutorial")
    wanted = model.eval()(inputs)
    fitted = with_group_norm(model, probe=Probe(inputs=inputs, trained=True)).eval()(inputs)
    unfitted = with_group_norm(model, probe=Probe(inputs=inputs)).eval()(inputs)
    assert (fitted - wanted).square().mean() < 0.2 * (unfitted - wanted).square().mean()


def test_misuse_is_explained():
    with pytest.raises(ValueError, match="groups must be at least 1"):
        GroupNorm(groups=0)
    with pytest.raises(ValueError, match="groups must be at least 1"):
        batch_to_group_norm(nn.BatchNorm2d(4), groups=0)
    with pytest.raises(NotApplicable, match="no batch norm"):
        batch_to_group_norm(nn.Linear(2, 2))


def test_only_the_layers_that_lack_it_are_wrapped():
    model, inputs = make("separable")
    changed = with_group_norm(model, probe=Probe(inputs=inputs))
    assert [p for p, m in changed.named_modules() if isinstance(m, Wrapped)] == [
        "depthwise",
        "pointwise",
        "grouped",
        "up",
    ]
