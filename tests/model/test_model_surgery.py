"""The surgery primitives and the trace they stand on."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from burnish.model.flow import heads, role
from burnish.model.surgery import Wrapped, inputs_at, outputs_at, replaced, wrapped
from burnish.model.tracing import trace


def test_replaced_keeps_a_shared_module_shared_and_names_every_path():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(2, 2), relu, nn.ModuleDict({"a": relu}), nn.ReLU())
    changed, paths = replaced(model, nn.ReLU, lambda old: nn.Tanh())
    assert paths == ("1", "2.a", "3")
    assert changed[1] is changed[2]["a"]
    assert changed[1] is not changed[3]
    assert model[1] is relu


def test_replaced_takes_predicates_roots_and_does_not_descend_into_what_it_exchanged():
    model = nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU())
    changed, paths = replaced(model, lambda path, module: path == "0", lambda old: nn.Sequential(old, nn.Tanh()))
    assert paths == ("0",)
    assert [type(m) for m in changed[0]] == [nn.Sequential, nn.Tanh]
    root, paths = replaced(nn.ReLU(), nn.ReLU, lambda old: nn.Tanh())
    assert isinstance(root, nn.Tanh)
    assert paths == ("",)


def test_replacements_inherit_mode_type_and_hooks():
    model = nn.Sequential(nn.BatchNorm1d(4)).double().eval()
    model[0].register_forward_hook(lambda module, args, output: output + 1)
    changed, _ = replaced(model, nn.BatchNorm1d, lambda old: nn.GroupNorm(2, 4))
    inputs = torch.randn(3, 4, dtype=torch.float64)
    assert changed[0].weight.dtype == torch.float64
    assert not changed[0].training
    assert torch.allclose(changed(inputs), F.group_norm(inputs, 2) + 1)


def test_wrapped_puts_layers_before_and_after_even_around_blocks_and_in_them():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Linear(3, 2))
    changed = wrapped(
        model,
        after={"0.0": lambda layer: nn.LayerNorm(layer.out_features), "0": lambda block: nn.Dropout(0.5)},
        before={"1": lambda layer: nn.Dropout(0.1)},
    )
    inputs = torch.randn(4, 2)
    expected = model[1](F.relu(F.layer_norm(model[0][0](inputs), (3,))))
    assert torch.allclose(changed.eval()(inputs), expected, atol=1e-6)
    assert isinstance(changed[0].after, nn.Dropout)
    assert changed[1].before.p == 0.1
    assert sorted(n for n, _ in changed.named_parameters())[0] == "0.layer.0.after.bias"
    with pytest.raises(KeyError, match="no module at 7"):
        wrapped(model, after={"7": lambda layer: nn.ReLU()})


def test_wrapped_passes_further_arguments_and_survives_copying():
    class Scale(nn.Module):
        def forward(self, x, factor, *, shift=0.0):
            return x * factor + shift

    layer = Wrapped(Scale(), before=nn.ReLU(), after=nn.Tanh())
    given = torch.tensor([-1.0, 2.0])
    wanted = torch.tanh(given.relu() * 3 + 1)
    assert torch.equal(layer(given, 3, shift=1.0), wanted)
    assert torch.equal(copy.deepcopy(layer)(given, 3, shift=1.0), wanted)


def test_values_at_paths():
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9), nn.ReLU()).train()
    inputs = torch.randn(4, 2)
    hidden = model[0](inputs)
    assert torch.equal(outputs_at(model, ["0", "2"], inputs)["2"], hidden.relu())
    assert torch.equal(inputs_at(model, ["2"], inputs)["2"], hidden)
    assert not model[0]._forward_hooks


class Mixed(nn.Module):
    """Functions, in-place functions, attributes of tensors, a parameter of its own, two heads."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.own = nn.Parameter(torch.randn(4, 3))
        self.left, self.right = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        x = torch.relu_(self.conv(x)).mean((2, 3))
        x = F.gelu(x @ self.own)
        return torch.cat([self.left(x), self.right(x)], 1)


def test_the_trace_names_functions_and_follows_values():
    seen = trace(Mixed(), torch.randn(2, 1, 6, 6))
    steps = [(c.name or c.path, role(c), c.inputs, c.shape) for c in seen.calls[1:]]
    assert steps == [
        ("conv", "weights", (0,), (2, 4, 4, 4)),
        ("relu", "activation", (1,), (2, 4, 4, 4)),
        ("mean", "pool", (2,), (2, 4)),
        ("matmul", "weights", (3,), (2, 3)),
        ("gelu", "activation", (4,), (2, 3)),
        ("left", "weights", (5,), (2, 2)),
        ("right", "weights", (5,), (2, 2)),
        ("cat", "add", (6, 7), (2, 4)),
    ]
    assert seen.calls[2].inplace
    assert heads(seen) == {6, 7}
    assert seen.outputs == {8}


def test_tracing_changes_neither_the_network_nor_global_settings():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    fast = torch.backends.mha.get_fastpath_enabled()
    trace(model, torch.randn(3, 4))
    assert model.training
    assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())
    assert torch.backends.mha.get_fastpath_enabled() == fast
