import pytest
import torch
from torch import nn

import burnish as bu
from burnish.compression.narrow import Narrow, narrowed, ratio_within
from burnish.errors import NotApplicable
from burnish.plan import Plan


def make_net(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs[0], 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, outputs),
    )  # fmt: skip


def test_half_the_channels_and_the_scale_of_a_fresh_network():
    torch.manual_seed(0)
    net = make_net((3,), 10)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    small = narrowed(net, torch.randn(8, 3, 8, 8), 0.5)
    assert [small[i].weight.shape for i in (0, 3, 7)] == [(16, 3, 3, 3), (32, 16, 3, 3), (10, 32)]
    assert small[1].running_mean.shape == (16,)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    for index, (narrow, wide) in enumerate(zip(small, net, strict=True)):
        if index in (3, 7):  # fewer inputs: larger weights, as a new layer of that size would have
            fresh = torch.nn.utils.skip_init(type(wide), *_sizes(narrow))
            fresh.reset_parameters()
            assert narrow.weight.std().item() == pytest.approx(fresh.weight.std().item(), rel=0.1)
            assert narrow.weight.std() > 1.2 * wide.weight.std()


def _sizes(layer):
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return layer.in_channels, layer.out_channels, 3


def test_a_trained_network_is_initialized_anew():
    net = make_net((3,), 10)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(7.0)
    small = narrowed(net, torch.randn(8, 3, 8, 8), 0.5, reset=True)
    assert all((parameter.abs() < 2).all() for parameter in small.parameters())
    assert small[0].out_channels == 16


def test_a_plan_of_narrow_networks():
    plan = Plan(model=make_net, data=bu.load("digits", seed=0), epochs=1)
    small = plan.then(Narrow(ratio=0.5))
    assert small.techniques == ("Narrow(ratio=0.5)",)
    assert small.key != plan.key
    first, second = small.build(0), small.build(1)
    assert first[0].out_channels == second[0].out_channels == 16
    assert not torch.equal(first[3].weight, second[3].weight)
    assert torch.equal(first[3].weight, small.build(0)[3].weight)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Narrow(ratio=1.0)
    with pytest.raises(NotApplicable):
        narrowed(nn.Linear(4, 3), torch.randn(4, 4), 0.5)


def test_the_widest_that_is_fast_enough():
    asked = []

    def fits(ratio):
        asked.append(ratio)
        return ratio >= 0.7

    assert ratio_within(fits) == 0.7
    assert len(asked) <= 3
    assert ratio_within(lambda ratio: False) is None
    assert ratio_within(lambda ratio: True) == 0.25
