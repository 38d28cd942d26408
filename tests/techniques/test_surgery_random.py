"""Surgery on networks drawn at random: whatever applies keeps the function at the start, weights, and trainability."""

import copy

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from burnish.errors import NotApplicable
from burnish.model.account import plain_paths
from burnish.model.surgery import Probe
from burnish.techniques.activation import with_activation
from burnish.techniques.batch_norm import with_batch_norm
from burnish.techniques.dropout import with_dropout
from burnish.techniques.group_norm import with_group_norm
from burnish.techniques.residual import with_residual
from burnish.techniques.squeeze_excite import with_squeeze_excite
from burnish.techniques.stochastic_depth import with_stochastic_depth

KEEP = (with_batch_norm, with_dropout, with_residual, with_squeeze_excite, with_stochastic_depth)
CHANGE = (with_group_norm, with_activation)
CONVOLUTIONS = {0: nn.Linear, 1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
FUNCTIONS = (torch.relu, torch.tanh, nn.functional.silu, nn.functional.leaky_relu)


class Block(nn.Module):
    """A layer with or without norm, shortcut, weight normalization and a second use; its activation is a function."""

    def __init__(self, dimensions, given, width, *, norm, skip, twice, weight_norm, function):
        super().__init__()
        kind, options = CONVOLUTIONS[dimensions], {"kernel_size": 3, "padding": 1} if dimensions else {}
        layer = kind(given, width, **options)
        self.layer = parametrizations.weight_norm(layer) if weight_norm else layer
        self.norm = NORMS[dimensions](width) if norm else nn.Identity()
        self.skip, self.twice, self.function = skip and given == width, twice and given == width, function

    def forward(self, x):
        y = self.norm(self.layer(x))
        y = self.layer(self.function(y)) if self.twice else y
        return self.function(x + y if self.skip else y)


class Network(nn.Module):
    def __init__(self, dimensions, blocks):
        super().__init__()
        self.blocks, width = nn.Sequential(), 3
        for block in blocks:
            self.blocks.append(Block(dimensions, width, **block))
            width = block["width"]
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        x = self.blocks(x)
        return self.head(x.flatten(2).mean(2) if x.ndim > 2 else x)


@st.composite
def networks(draw):
    """A small network in 0 to 3 dimensions, in training or eval mode, with a frozen layer, and inputs."""
    flags = {name: st.booleans() for name in ("norm", "skip", "twice", "weight_norm")}
    block = st.fixed_dictionaries({"width": st.sampled_from((4, 8)), "function": st.sampled_from(FUNCTIONS), **flags})
    dimensions = draw(st.integers(0, 3))
    blocks = draw(st.lists(block, min_size=1, max_size=4))
    torch.manual_seed(draw(st.integers(0, 99)))
    network = Network(dimensions, blocks).double().train(draw(st.booleans()))
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    network.blocks[0].layer.requires_grad_(draw(st.booleans()))
    return network, torch.randn(6, 3, *[4] * dimensions, dtype=torch.float64)


def weights(model):
    return {(path, n): p for path, m in plain_paths(model) for n, p in m.named_parameters(recurse=False)}


@settings(max_examples=12, deadline=None, derandomize=True)
@given(networks(), st.sampled_from(KEEP), st.sampled_from(CHANGE))
def test_whatever_applies_keeps_function_weights_modes_and_trains(drawn, keep, change):
    model, inputs = drawn
    before, training = weights(model), model.training
    expected = copy.deepcopy(model).eval()(inputs)
    for edit in (keep, change):
        try:
            edited = edit(model, probe=Probe(inputs=inputs, trained=True))
        except NotApplicable:
            continue
        after = weights(edited)
        kept = {key: p for key, p in before.items() if not (edit is with_group_norm and key[0].endswith("norm"))}
        assert all(
            torch.equal(after[key], p) and after[key].requires_grad == p.requires_grad for key, p in kept.items()
        )
        assert {m.training for m in edited.modules()} == {training}
        assert {p.dtype for p in edited.parameters()} == {torch.float64}
        if edit in KEEP:
            assert torch.allclose(copy.deepcopy(edited).eval()(inputs), expected, atol=1e-6)
        again = copy.deepcopy(edited)
        again.load_state_dict(edited.state_dict())
        assert torch.equal(again.eval()(inputs), copy.deepcopy(edited).eval()(inputs))
        edited.train()(inputs).square().sum().backward()
        trained = [p for p in edited.parameters() if p.requires_grad]
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)
