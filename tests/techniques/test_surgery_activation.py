"""Activations: modules and functions exchanged, gates kept, what cannot be traced left alone."""

from unittest import mock

import pytest
import torch
from surgery_networks import TextTransformer, make, tokens
from torch import nn
from torch.nn import functional as F

from burnish.errors import NotApplicable
from burnish.model.activations import FUNCTIONS
from burnish.model.surgery import Probe
from burnish.techniques.activation import Activation, with_activation

RELU_NETWORKS = (
    "plain root",
    "CIFAR tutorial",
    "residual",
    "residual with norm",
    "tied",
    "functional dropout",
    "volumes",
)


def computed_with(model, inputs, name):
    """What the untouched network computes while every ReLU in PyTorch is another function: the oracle."""
    function = FUNCTIONS[name]

    def other(x, inplace=False):
        return function(x)

    patches = [mock.patch.object(home, "relu", other) for home in (F, torch, torch.Tensor)]
    with patches[0], patches[1], patches[2], torch.no_grad():
        return model(inputs)


@pytest.mark.parametrize("name", ["gelu", "silu", "leaky_relu"])
@pytest.mark.parametrize("network", RELU_NETWORKS)
def test_computes_what_the_network_would_with_another_function_in_its_place(network, name):
    model, inputs = make(network)
    changed = with_activation(model, probe=Probe(inputs=inputs), name=name)
    wanted = computed_with(model.eval(), inputs, name)
    assert torch.allclose(changed.eval()(inputs), wanted, atol=1e-6)
    assert not torch.allclose(model(inputs), wanted, atol=1e-6)


def test_there_and_back_is_where_it_began():
    for network in RELU_NETWORKS:
        model, inputs = make(network)
        probe = Probe(inputs=inputs)
        back = with_activation(with_activation(model, probe=probe, name="mish"), probe=probe, name="relu")
        assert torch.equal(back.eval()(inputs), model.eval()(inputs))


def test_a_graph_module_only_where_a_function_is_called():
    model, inputs = make("plain root")
    assert not any(
        isinstance(m, torch.fx.GraphModule) for m in with_activation(model, probe=Probe(inputs=inputs)).modules()
    )
    model, inputs = make("CIFAR tutorial")
    changed = with_activation(model, probe=Probe(inputs=inputs))
    assert isinstance(changed, torch.fx.GraphModule)
    assert list(changed.state_dict()) == list(model.state_dict())


def test_functional_dropout_goes_on_following_the_mode():
    model, inputs = make("functional dropout")
    changed = with_activation(model.eval(), probe=Probe(inputs=inputs), name="silu")
    assert torch.equal(changed(inputs), changed(inputs))
    changed.train()
    assert not torch.equal(changed(inputs), changed(inputs))
    assert sorted(m.p for m in changed.modules() if isinstance(m, nn.Dropout)) == [0.25, 0.5]


def test_gates_and_last_words_stay():
    model, inputs = make("separable")
    changed = with_activation(model, probe=Probe(inputs=inputs), name="gelu")
    code = changed.code
    assert code.count(".gelu(") == 4
    assert code.count(".sigmoid(") == 1
    final = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Sigmoid())
    changed = with_activation(final, probe=Probe(inputs=torch.randn(3, 4)), name="relu")
    assert [type(m) for m in changed] == [nn.Linear, nn.ReLU, nn.Linear, nn.Sigmoid]


def test_recurrent_cells_keep_their_tanh():
    model, inputs = make("own recurrent")
    with pytest.raises(NotApplicable, match="decides in Python"):  # the loop over steps cannot be traced
        with_activation(model, probe=Probe(inputs=inputs))
    model, inputs = make("LSTM")
    changed = with_activation(model, probe=Probe(inputs=inputs), name="relu")
    states, _ = model.lstm(model.embedding(inputs))
    assert torch.allclose(changed(inputs), model.head(F.relu(model.hidden(states[:, -1]))), atol=1e-6)


def test_where_tracing_fails_modules_are_still_exchanged():
    model, inputs = make("branching")
    changed = with_activation(model, probe=Probe(inputs=inputs), name="gelu")
    assert type(changed) is type(model)
    assert isinstance(changed.act, nn.GELU)
    hidden = F.gelu(model.first(inputs))
    hidden = -hidden if hidden.sum() < 0 else hidden
    assert torch.allclose(changed(inputs), model.head(F.relu(model.second(hidden))), atol=1e-6)


@pytest.mark.parametrize("kind", ["relu", nn.ReLU()])
def test_encoder_layers_change_in_the_fused_eval_path_too(kind):
    torch.manual_seed(0)
    model = TextTransformer(activation=kind).eval()
    changed = with_activation(model, probe=Probe(inputs=tokens()), name="silu").eval()
    gelu = with_activation(model, probe=Probe(inputs=tokens()), name="gelu").eval()
    with torch.no_grad():
        fused = changed(tokens())
        torch.backends.mha.set_fastpath_enabled(False)
        plain, wanted = changed(tokens()), computed_with(model, tokens(), "silu")
        torch.backends.mha.set_fastpath_enabled(True)
    assert torch.allclose(fused, plain, atol=1e-5)
    if kind == "relu":
        assert {layer.activation for layer in changed.encoder.layers} == {F.silu}
    else:
        assert torch.allclose(plain, wanted, atol=1e-5)
    assert {layer.activation_relu_or_gelu for layer in gelu.encoder.layers} == {2}


def test_a_network_that_reads_an_overwritten_value_is_refused():
    class Overwriting(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.act, self.head = nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)

        def forward(self, x):
            x = self.first(x)
            self.act(x)
            return self.head(x)

    with pytest.raises(NotApplicable, match="overwritten"):
        with_activation(Overwriting(), probe=Probe(inputs=torch.randn(5, 4)))


def test_a_forward_that_depends_on_the_mode_is_not_frozen_in_one():
    class Moody(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            x = F.relu(self.first(x))
            return self.head(x + 1 if self.training else x)

    with pytest.raises(NotApplicable):
        with_activation(Moody(), probe=Probe(inputs=torch.randn(5, 4)))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="name must be one of sigmoid"):
        Activation(name="softmax")
