import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from burnish.compression.conversion import WEIGHTED_OPERATORS, Layout, prepared, static
from burnish.compression.placement import place
from burnish.compression.ranges import collect, ranges_of
from burnish.compression.simulate import Simulated, fake_quantize, fake_quantize_weight
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run, session


class Tangled(nn.Module):
    """Functions beside modules, shared modules, writing in place, a residual, a depthwise and a transposed one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.shared, self.second_norm = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.depthwise, self.up = nn.Conv2d(8, 8, 3, groups=8, padding=1), nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.drop, self.twice, self.head = nn.Dropout(0.2), nn.Linear(4, 4), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.first(x)), inplace=True)
        y = self.second_norm(self.shared(x))
        y += x
        x = self.drop(F.max_pool2d(torch.relu(y), 2))
        x = self.up(F.silu(self.depthwise(self.shared(x))))
        x = torch.relu(self.twice(x.mean((2, 3))))
        return self.head(torch.relu(self.twice(x)))


@pytest.fixture(scope="module")
def tangled(tmp_path_factory):
    torch.manual_seed(0)
    net, rows = Tangled(), torch.randn(48, 3, 8, 8)
    with torch.no_grad():
        for _ in range(10):
            net.train()(rows)
        for norm in (net.norm, net.second_norm):
            norm.weight.copy_(torch.randn(8))  # of both signs: folding turns some channels around
    net.eval()
    path = tmp_path_factory.mktemp("tangled") / "n.onnx"
    export_onnx(net, rows, path)
    model = prepared(path)
    return net, rows, model, ranges_of(collect(model, iter([rows.numpy()])), "minmax")


@pytest.mark.parametrize("operators", [None, WEIGHTED_OPERATORS])
@pytest.mark.parametrize("reduced", [True, False])
def test_the_simulation_computes_what_the_file_does(tangled, operators, reduced):
    net, rows, model, ranges = tangled
    converted = static(model, ranges, Layout(reduced=reduced, operators=operators))
    placement = place(net, model, converted, rows)
    assert len(placement.unmatched) == (operators is None)  # the sigmoid inside of silu
    assert len(placement.weights) == 8
    simulation = Simulated(net, placement, limit=64 if reduced else 127).eval()
    given = run(session(converted.SerializeToString(), optimized=False), rows.numpy())
    with torch.no_grad():
        expected, exact = simulation(rows).numpy(), net(rows).numpy()
    step = (given.max() - given.min()) / 255
    assert np.abs(given - expected).max() <= 2.01 * step
    assert np.abs(given - expected).mean() < np.abs(given - exact).mean() / 2


def test_a_shared_module_has_a_range_for_each_use(tangled):
    net, rows, model, ranges = tangled
    placement = place(net, model, static(model, ranges, Layout()), rows)
    ends = {key: entry[1:] for key, entry in placement.activations.items() if key.startswith("twice#")}
    calls = [key for key in placement.weights if key.startswith("twice#")]
    assert calls == ["twice#0/linear.weight#0", "twice#1/linear.weight#0"]
    uses = [key for key in placement.weights if key.startswith("shared#")]
    assert len(uses) == 2
    assert ends == {}  # rounded after the function that follows: torch.relu, in the network's own forward
    relus = [entry for key, entry in placement.activations.items() if "/relu#" in key]
    assert len({entry[1:] for entry in relus}) == len(relus) == 4


def test_training_changes_weights_and_ranges_and_freezes_batch_norm(tangled):
    net, rows, model, ranges = tangled
    before = copy.deepcopy(net.state_dict())
    placement = place(net, model, static(model, ranges, Layout(reduced=True)), rows)
    simulation = Simulated(net, placement, limit=64, freeze_after=3).train()
    optimizer = torch.optim.Adam(simulation.parameters(), lr=0.01)
    means, targets = [], torch.arange(48) % 5
    without = []
    for _ in range(6):
        optimizer.zero_grad()
        F.cross_entropy(simulation(rows), targets).backward()
        without.append([n for n, p in simulation.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0])
        optimizer.step()
        means.append(simulation.network.norm.running_mean.clone())
    assert not torch.equal(means[0], means[2])
    assert torch.equal(means[3], means[5])
    assert not simulation.train().network.norm.training
    assert simulation.network.drop.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert without[0] == []
    moved = simulation.ranges()
    assert all(moved[key] != entry[1:] for key, entry in placement.activations.items())
    plain = simulation.plain()
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in plain.modules())
    assert plain.state_dict().keys() == net.state_dict().keys()
    rebuilt = Simulated(net, placement, limit=64)
    rebuilt.load_state_dict(simulation.state_dict())
    assert rebuilt.ranges() == moved


def test_rounding_by_hand():
    low, high = torch.tensor(-1.0), torch.tensor(1.55)  # steps of a hundredth
    x = torch.tensor([-2.0, -0.996, 0.0, 0.123, 0.126, 1.552, 9.0])
    torch.testing.assert_close(fake_quantize(x, low, high), torch.tensor([-1, -1.0, 0, 0.12, 0.13, 1.55, 1.55]))
    weight = torch.tensor([[0.64, -0.314], [0.0, 0.0], [-6.4, 1.26]])
    rounded = fake_quantize_weight(weight, axis=0, limit=64)
    torch.testing.assert_close(rounded, torch.tensor([[0.64, -0.31], [0.0, 0.0], [-6.4, 1.3]]))
    turned = fake_quantize_weight(weight.T.contiguous(), axis=1, limit=64)
    torch.testing.assert_close(turned, rounded.T.contiguous())


def test_gradients_by_hand():
    x = torch.tensor([-2.0, 0.123, 0.5, 3.0], requires_grad=True)
    low, high = torch.tensor(-1.0, requires_grad=True), torch.tensor(1.55, requires_grad=True)
    upstream = torch.tensor([2.0, 3.0, 5.0, 7.0])
    (fake_quantize(x, low, high) * upstream).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([0.0, 3.0, 5.0, 0.0]))
    # with s = (high - low) / 255: rounding down by 0.3 steps moves with s, clipped values move with their end
    by_scale = 3 * (0.12 - 0.123) / 0.01 / 255
    share = (4 * 255) ** -0.5
    torch.testing.assert_close(low.grad, torch.tensor((2.0 - by_scale) * share))
    torch.testing.assert_close(high.grad, torch.tensor((7.0 + by_scale) * share))
    weight = torch.tensor([[0.3, -1.0]], requires_grad=True)
    (fake_quantize_weight(weight, axis=0, limit=127) * torch.tensor([[2.0, 3.0]])).sum().backward()
    torch.testing.assert_close(weight.grad, torch.tensor([[2.0, 3.0]]))


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40), st.floats(-20, 0), st.floats(0.01, 20))
@settings(max_examples=60, deadline=None)
def test_rounding_is_at_most_half_a_step_and_happens_once(values, low, high):
    x, ends = torch.tensor(values), (torch.tensor(low), torch.tensor(high))
    rounded = fake_quantize(x, *ends)
    step = (ends[1] - ends[0]) / 255
    inside = (x > ends[0] + step) & (x < ends[1] - step)
    assert ((rounded - x).abs()[inside] <= 0.501 * step).all()
    torch.testing.assert_close(fake_quantize(rounded, *ends), rounded, atol=1e-5, rtol=1e-5)
    assert (fake_quantize(torch.zeros(1), *ends) == 0).all()
    assert len(rounded.unique()) <= 256
