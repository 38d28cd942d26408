"""Residual, StochasticDepth and SqueezeExcite: where they go, what they start as, compared with other people's."""

import copy
import importlib.util
import runpy
from functools import partial
from pathlib import Path

import pytest
import torch
from surgery_networks import NETWORKS, make
from torch import nn

from burnish.errors import NotApplicable
from burnish.model.branches import branches
from burnish.model.shortcuts import Join
from burnish.model.surgery import Probe, Wrapped
from burnish.model.tracing import trace
from burnish.techniques.batch_norm import with_batch_norm
from burnish.techniques.residual import with_residual
from burnish.techniques.squeeze_excite import Excitation, with_squeeze_excite
from burnish.techniques.stochastic_depth import DropBranch, drop_branch, with_stochastic_depth

SHIM = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage" / "torchvision_on_cpu.py"
EDITS = {"residual": with_residual, "squeeze": with_squeeze_excite, "depth": partial(with_stochastic_depth, rate=0.5)}


@pytest.fixture(scope="module")
def ops():
    """torchvision's own layers."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    alive = runpy.run_path(str(SHIM))
    from torchvision import ops

    yield ops
    alive.clear()


def put(model, before=False):
    found = {p: m for p, m in model.named_modules() if isinstance(m, Wrapped)}
    return {p: type(getattr(m, "before" if before else "after", None)).__name__ for p, m in found.items()}


@pytest.mark.parametrize("edit", EDITS)
def test_a_trained_network_computes_at_the_start_what_it_did(edit):
    done = 0
    for name in NETWORKS:
        model, inputs = make(name)
        try:
            changed = EDITS[edit](model.double() if inputs.is_floating_point() else model, probe=probe(inputs))
        except NotApplicable:
            continue
        done += 1
        inputs = probe(inputs).inputs
        assert torch.equal(changed.eval()(inputs), model.eval()(inputs)), name
        if inputs.is_floating_point():
            assert {p.dtype for p in changed.parameters()} == {torch.float64}
        changed.train()(inputs).square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in changed.parameters()), name
    assert done >= 3


def probe(inputs):
    return Probe(inputs=inputs.double() if inputs.is_floating_point() else inputs, trained=True)


def test_residual_is_the_sum_that_one_would_write():
    """Two pairs, a projection with a stride, and a single layer with its activation, by hand."""
    c = partial(nn.Conv2d, kernel_size=3, padding=1)
    model = nn.Sequential(
        c(3, 8), nn.ReLU(), c(8, 8), nn.BatchNorm2d(8), nn.ReLU(), c(8, 8), nn.BatchNorm2d(8), nn.ReLU(),
        c(8, 12), nn.ReLU(), nn.MaxPool2d(2), c(12, 12), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 2),
    ).eval()  # fmt: skip
    inputs = torch.randn(4, 3, 8, 8)
    changed = with_residual(model, probe=Probe(inputs=inputs)).eval()
    joins = [m for m in changed.modules() if isinstance(m, Join)]
    assert len(joins) == 3
    assert put(changed) == {"1": "Tap", "6": "Join", "7": "Tap", "11": "Join", "14": "Tap", "16": "Join"}
    with torch.no_grad():
        for join, weight in zip(joins, (0.5, -2.0, 3.0), strict=True):
            join.weight.fill_(weight)
    x = model[:2](inputs)
    x = model[7](x + 0.5 * model[2:7](x))
    x = model[12](joins[1].project(x) - 2 * model[8:12](x))
    x = model[13:15](x)
    x = joins[2].project(x) + 3 * model[15:17](x)
    assert joins[1].project.stride == (2, 2)
    assert torch.allclose(changed(inputs), model[17](x), atol=1e-6)
    changed.train()(inputs).sum().backward()
    assert torch.equal(copy.deepcopy(changed).eval()(inputs), changed.eval()(inputs))


def test_residual_leaves_shortcuts_concatenations_and_reused_values_alone():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(w, 8) for w in (8, 8, 16))

        def forward(self, x):
            x = self.a(x).relu()
            return self.c(torch.cat([x, self.b(x).relu()], 1))

    for model in (Dense(), make("residual")[0], nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))):
        inputs = torch.randn(4, 8) if not hasattr(model, "stem") else make("residual")[1]
        with pytest.raises(NotApplicable, match="no layer to lead past"):
            with_residual(model, probe=Probe(inputs=inputs))


def test_stochastic_depth_is_torchvisions(ops):
    x = torch.randn(200, 3, 2, 2)
    torch.manual_seed(3)
    expected = ops.stochastic_depth(x, 0.3, "row")
    torch.manual_seed(3)
    assert torch.allclose(drop_branch(x, 0.3), expected)
    assert torch.equal(DropBranch(0.3).eval()(x), x)
    kept = DropBranch(0.3).train()(x)[:, 0, 0, 0] != 0
    assert 0.6 < kept.float().mean() < 0.8


def test_rates_rise_from_the_first_branch_to_the_last():
    model, inputs = make("residual")
    changed = with_stochastic_depth(model, probe=Probe(inputs=inputs), rate=0.4)
    assert [m.rate for m in changed.modules() if isinstance(m, DropBranch)] == [0.2, 0.4]
    assert put(changed) == {"blocks.0.bn2": "DropBranch", "blocks.1.bn2": "DropBranch"}
    again = with_stochastic_depth(changed, probe=Probe(inputs=inputs), rate=0.1)
    assert [m.rate for m in again.modules() if isinstance(m, DropBranch)] == [0.05, 0.1]


def test_torchvisions_own_layers_get_the_rate_and_gates_stay_alone(ops):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = nn.Conv2d(8, 8, 3, padding=1), ops.SqueezeExcitation(8, 4)
            self.drop = ops.StochasticDepth(0.0, "row")

        def forward(self, x):
            return x + self.drop(self.gate(self.conv(x)))

    model = nn.Sequential(nn.Conv2d(3, 8, 1), Block(), Block(), nn.Flatten(), nn.Linear(200, 2))
    inputs = torch.randn(4, 3, 5, 5)
    changed = with_stochastic_depth(model, probe=Probe(inputs=inputs), rate=0.3)
    assert [changed[1].drop.p, changed[2].drop.p] == [0.15, 0.3]
    assert not put(changed)
    with pytest.raises(NotApplicable, match="gates already"):
        with_squeeze_excite(model, probe=Probe(inputs=inputs))


def test_a_branch_that_is_not_along_the_examples_is_not_dropped():
    layer = nn.TransformerEncoderLayer(8, 2, 16)  # positions first

    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = layer, nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.layer(x.transpose(0, 1)).mean(0))

    with pytest.raises(NotApplicable, match="no residual branch"):
        with_stochastic_depth(Sequence(), probe=Probe(inputs=torch.randn(6, 5, 8)))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_excitation_is_twice_torchvisions(ops, dimensions):
    ours = Excitation(12, 5)
    nn.init.normal_(ours.excite.weight)
    nn.init.normal_(ours.excite.bias)
    theirs = ops.SqueezeExcitation(12, 5)
    for linear, conv in ((ours.squeeze, theirs.fc1), (ours.excite, theirs.fc2)):
        conv.load_state_dict({"weight": linear.weight[:, :, None, None], "bias": linear.bias})
    x = torch.randn(3, 12, *[4] * dimensions)
    flat = x.reshape(3, 12, -1, 1)
    assert torch.allclose(ours(x).reshape_as(flat), 2 * theirs(flat), atol=1e-6)


def test_squeeze_excite_goes_to_the_ends_of_branches_or_behind_activations():
    where = {
        "residual": {"blocks.0.bn2": "Excitation", "blocks.1.bn2": "Excitation"},
        "CIFAR tutorial": {"conv1": "Excitation", "conv2": "Excitation"},
        "series": {"1": "Excitation", "4": "Excitation"},
        "volumes": {"1": "Excitation"},
    }
    for name, expected in where.items():
        model, inputs = make(name)
        assert put(with_squeeze_excite(model, probe=Probe(inputs=inputs))) == expected
    model, inputs = make("residual")
    changed = with_squeeze_excite(model, probe=Probe(inputs=inputs), reduction=2)
    assert changed.blocks[1].bn2.after.squeeze.out_features == 8


def test_residual_branches_are_told_from_parallel_ones():
    class Parallel(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(6, 6) for _ in range(3))

        def forward(self, x):
            x = self.a(x) + self.b(x)
            return x + self.c(x)

    found = branches(trace(Parallel(), torch.randn(3, 6)))
    assert len(found) == 1
    model, inputs = make("transformer")
    assert len(branches(trace(model, inputs))) == 4


def test_they_stack_with_norms_and_with_each_other():
    model, inputs = make("plain root")
    model.insert(3, nn.Conv2d(8, 8, 3, padding=1))
    given = model.eval()(inputs)
    for edit in (with_residual, with_squeeze_excite, with_stochastic_depth, with_batch_norm):
        model = edit(model, probe=Probe(inputs=inputs, trained=True))
    kinds = [type(m).__name__ for m in model.modules()]
    assert {"Join", "Excitation", "DropBranch", "BatchNorm2d"} <= set(kinds)
    assert torch.allclose(model.eval()(inputs), given, atol=1e-5)
    again = copy.deepcopy(model)
    model.train()(inputs).sum().backward()
    assert torch.allclose(again.eval()(inputs), given, atol=1e-5)


@pytest.mark.parametrize("arguments", [{"rate": 1.0}, {"rate": -0.1}])
def test_rates_out_of_range_are_refused(arguments):
    model, inputs = make("residual")
    with pytest.raises(ValueError, match="rate must be in"):
        with_stochastic_depth(model, probe=Probe(inputs=inputs), **arguments)
    with pytest.raises(ValueError, match="reduction"):
        with_squeeze_excite(model, probe=Probe(inputs=inputs), reduction=0)
