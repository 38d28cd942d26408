"""Stages rewritten: matched, everything else kept, on networks of several makes."""

import pytest
import torch
from surgery_networks import make
from torch import nn

from burnish.errors import NotApplicable
from burnish.model.densenets import DenseBlock
from burnish.model.stages import MATCHES, changes, cost
from burnish.model.zoo import ZOO
from burnish.techniques.dense_topology import dense_topology
from burnish.techniques.resnext_topology import AggregatedBlock, resnext_topology

EDITS = {"dense": dense_topology, "resnext": resnext_topology}
INPUTS = {"cnn": (3, 16, 16), "resnet": (3, 16, 16), "resnet20": (3, 16, 16), "resnet18": (3, 64, 64), "cnn1d": (2, 32)}


NAMES = [*INPUTS, "vgg"]


def network(name):
    torch.manual_seed(0)
    inputs = INPUTS[name]
    return ZOO[name](inputs=inputs, outputs=4), torch.randn(4, *inputs)


def vgg():
    torch.manual_seed(0)
    layers, before = [], 3
    for width in (8, 16, 32):
        for _ in range(2):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            before = width
        layers.append(nn.MaxPool2d(2))
    features = nn.Sequential(*layers)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)), torch.randn(4, 3, 16, 16)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", [n if n != "resnet18" else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_costs_match_and_what_is_around_keeps_its_weights(name, edit):
    model, x = vgg() if name == "vgg" else network(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    match = "operations" if name in ("resnet20", "vgg") else "parameters"
    changed = EDITS[edit](model, probe=x, match=match)
    assert cost(changed, x)[match] == pytest.approx(cost(model, x)[match], rel=0.05)
    told = changes(changed)
    assert len(told) == {"resnet18": 4, "resnet20": 3, "vgg": 3, "cnn1d": 2, "resnet": 4, "cnn": 2}[name]
    state = changed.state_dict()
    kept = [key for key in before if key in state and state[key].shape == before[key].shape]
    assert all(torch.equal(before[key], state[key]) for key in kept)
    first, last = list(before)[0], [key for key in before if key.endswith("weight")][-1]
    assert {first, last} <= set(kept)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    changed.train()(x).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in changed.parameters())
    again = EDITS[edit](model, probe=x, match=match)
    again.load_state_dict(changed.state_dict())
    assert torch.equal(again.eval()(x), changed.eval()(x))


def test_what_is_told_is_what_is_there():
    model, x = network("resnet20")
    changed = dense_topology(model, probe=x, match="parameters")
    gone, new = cost(model, x), cost(changed, x)
    for name in MATCHES:
        assert sum(row[name][1] - row[name][0] for row in changes(changed)) == new[name] - gone[name]
    blocks = [m for m in changed.modules() if isinstance(m, DenseBlock)]
    for block, row in zip(blocks, changes(changed), strict=True):
        assert len(block) == row["settings"]["layers"]
        assert block[0][-1].out_channels == row["settings"]["growth"]
        assert block[0][2].out_channels == 4 * row["settings"]["growth"]


def test_settings_that_are_given_are_kept():
    model, x = network("resnet20")
    dense = dense_topology(model, probe=x, growth=6, compression=0.25)
    assert {row["settings"]["growth"] for row in changes(dense)} == {6}
    assert [m.out_channels for m in dense.layer2.body[:3] if isinstance(m, nn.Conv2d)] == [4]
    aggregated = resnext_topology(model, probe=x, cardinality=8)
    grouped = [m.conv2 for m in aggregated.modules() if isinstance(m, AggregatedBlock)]
    assert {layer.groups for layer in grouped} == {8}


def test_reasons_name_the_stage_that_was_looked_at():
    tutorial, images = make("CIFAR tutorial")
    with pytest.raises(NotApplicable, match=r"conv2 \(10x10\): it goes from \(14, 14\) to \(10, 10\)"):
        dense_topology(tutorial, probe=images)
    model, x = make("perceptron")
    with pytest.raises(NotApplicable, match="no convolution behind the first"):
        resnext_topology(model, probe=x)
    model, x = network("cnn")
    with pytest.raises(NotApplicable, match=r"2 \(16x16\): 4,640 parameters are too few or too many"):
        dense_topology(model, probe=x, growth=100)
