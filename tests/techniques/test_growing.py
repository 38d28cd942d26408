"""Deepen and Widen: the same function at the start, on networks of every kind."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from surgery_networks import NETWORKS, make
from torch import nn

from burnish.errors import NotApplicable
from burnish.model.surgery import Probe
from burnish.model.tracing import plain_attention, trace
from burnish.model.widths import follow
from burnish.model.zoo import ZOO
from burnish.techniques.deepen import ScaledBranch, deepen
from burnish.techniques.widen import widen

NOT_WIDER = ("tied",)


def settled(model, inputs):
    """The network in double precision with statistics, scales and shifts that are not those of the start."""
    model = model.double().train()
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    with torch.no_grad():
        for _ in range(3):
            model(inputs)
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval(), inputs


def zoo(name):
    shapes = {"textcnn": (12,), "transformer": (12,), "cnn1d": (2, 24), "mlp": (9,)}
    inputs = shapes.get(name, (3, 16, 16))
    torch.manual_seed(0)
    tokens = 20 if len(inputs) == 1 and name != "mlp" else 0
    x = torch.randint(1, 20, (4, *inputs)) if tokens else torch.randn(4, *inputs)
    return settled(ZOO[name](inputs=inputs, outputs=3, vocabulary=tokens), x)


def outputs(model, inputs):
    with torch.no_grad(), plain_attention():
        return model.eval()(inputs)


def equal(model, grown, inputs):
    want = outputs(model, inputs)
    return torch.allclose(outputs(grown, inputs), want, rtol=1e-9, atol=1e-9 * float(want.abs().max()))


def size(model):
    return sum(p.numel() for p in model.parameters())


CASES = [*NETWORKS, *(n for n in ("mlp", "cnn", "resnet", "textcnn", "transformer", "cnn1d", "resnet20"))]


def network(name):
    return zoo(name) if name in ZOO else settled(*make(name))


@pytest.mark.parametrize("name", CASES)
def test_a_deeper_network_computes_the_same_and_learns(name):
    model, inputs = network(name)
    grown = deepen(model, probe=inputs)
    assert size(grown) > size(model)
    assert equal(model, grown, inputs)
    again = deepen(model, probe=inputs)
    again.load_state_dict(grown.state_dict())
    check_learning(grown, inputs)


@pytest.mark.parametrize("name", [n for n in CASES if n not in NOT_WIDER])
def test_a_wider_network_computes_the_same_and_learns(name):
    model, inputs = network(name)
    grown = widen(model, probe=inputs, factor=1.5, noise=0.2)
    assert size(grown) > size(model)
    assert equal(model, grown, inputs)
    again = widen(model, probe=inputs, factor=1.5)
    again.load_state_dict(grown.state_dict())
    check_learning(grown, inputs)


def check_learning(grown, inputs):
    before = copy.deepcopy(grown.state_dict())
    grown.train()
    grown(inputs).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in grown.parameters())
    torch.optim.SGD(grown.parameters(), lr=1e-3).step()
    assert any(not torch.equal(before[key], value) for key, value in grown.state_dict().items())
    assert torch.equal(copy.deepcopy(grown).eval()(inputs), grown.eval()(inputs))


@pytest.mark.parametrize("grow", [deepen, widen])
def test_the_given_network_and_the_random_state_stay(grow):
    model, inputs = make("residual with norm")
    model.train()
    before, text = copy.deepcopy(model.state_dict()), str(model)
    random = torch.get_rng_state()
    grow(model, probe=inputs)
    assert torch.equal(random, torch.get_rng_state())
    assert str(model) == text
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_depth_is_added_once_for_each_stage_and_looks_at_neighbours():
    model, inputs = zoo("cnn")
    grown = deepen(model, probe=inputs, layers=2)
    new = [m for path, m in grown.named_modules() if ".after." in path and isinstance(m, nn.Conv2d)]
    stages = {call.shape[2:] for call in trace(model, inputs).calls if isinstance(call.module, nn.Conv2d)}
    assert len(new) == 2 * len(stages)
    assert {m.kernel_size for m in new} == {(3, 3)}
    assert equal(model, grown, inputs)


def test_after_other_activations_the_branch_begins_at_zero():
    for kind in (nn.GELU, nn.SiLU, nn.Tanh, nn.LeakyReLU, nn.PReLU):
        model = nn.Sequential(nn.Linear(5, 6), kind(), nn.Linear(6, 2)).double().eval()
        x = torch.randn(7, 5, dtype=torch.float64)
        grown = deepen(model, probe=x)
        assert torch.equal(grown(x), model(x))
        (branch,) = (m for m in grown.modules() if isinstance(m, ScaledBranch))
        grown(x).square().sum().backward()
        assert branch.scale.grad != 0


def test_a_fused_encoder_layer_sees_what_was_put_in():
    model, inputs = make("transformer")
    grown = deepen(model.eval(), probe=inputs)
    with torch.no_grad():
        for module in grown.modules():
            if isinstance(module, nn.Linear) and module.in_features == module.out_features == 32:
                module.weight.zero_()
        assert not torch.allclose(grown(inputs), model(inputs), atol=1e-3)


def test_copies_are_told_apart_by_their_gradients():
    model, inputs = settled(*make("perceptron"))
    for noise, alike in ((0.0, True), (0.1, False)):
        grown = widen(model, probe=inputs, factor=2, noise=noise)
        grown(inputs).square().sum().backward()
        gradient = grown[0].weight.grad
        nearest = (gradient[32:, None] - gradient[None, :32]).abs().amax(2).amin(1)
        assert (float(nearest.max()) < 1e-12) is alike


def test_widths_are_as_asked_and_outputs_keep_theirs():
    model, inputs = zoo("resnet")
    grown = widen(model, probe=inputs, factor=1.5)
    convolutions = [(a, b) for a, b in zip(model.modules(), grown.modules(), strict=True) if isinstance(a, nn.Conv2d)]
    assert all(b.out_channels == round(1.5 * a.out_channels) for a, b in convolutions)
    assert grown[-1].out_features == 3
    assert grown[-1].in_features == round(1.5 * model[-1].in_features)


def test_flattened_maps_dense_blocks_and_depthwise_layers_go_along():
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1, groups=6)),
        *(nn.PReLU(6), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 2)),
    )
    model, x = settled(model, torch.randn(5, 3, 8, 8))
    grown = widen(model, probe=x, factor=2)
    assert (grown[3].groups, grown[4].num_parameters, grown[7].in_features) == (12, 12, 48)
    assert equal(model, grown, x)
    dense, images = zoo("densenet22_k8")
    wider = widen(dense, probe=images, factor=1.5)
    assert equal(dense, wider, images)
    assert wider.classifier.in_features > dense.classifier.in_features


def test_what_is_tied_to_a_fixed_width_stays_with_the_reason():
    model, inputs = make("separable")
    channels = follow(model, trace(model, inputs))
    assert channels.fixed["pointwise"] == "grouped takes them in groups"
    assert "outputs" in channels.fixed["head"]
    assert set(channels.free) == {"squeeze.1", "up"}


def test_an_untrained_network_gets_new_channels_of_its_own():
    model = nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 50), nn.ReLU(), nn.Linear(50, 2))
    x = torch.randn(8, 40)
    grown = widen(model, probe=Probe(inputs=x), factor=2)
    first = grown[0].weight.detach()
    assert torch.equal(first[:60], model[0].weight)
    assert torch.cdist(first[60:], first[:60]).min() > 0.1
    assert first[60:].std() == pytest.approx(float(model[0].weight.std()), rel=0.1)
    assert grown[2].weight.detach().std() == pytest.approx(float(model[2].weight.std()) / 2**0.5, rel=0.1)


def test_where_nothing_can_grow_it_is_said():
    linear = nn.Sequential(nn.Linear(10, 3))
    with pytest.raises(NotApplicable, match="begin as the identity"):
        deepen(linear, probe=torch.randn(4, 10))
    for model, inputs in (*map(make, NOT_WIDER), (linear, torch.randn(4, 10))):
        with pytest.raises(NotApplicable, match="no layer's channels can become more"):
            widen(model, probe=inputs)


def test_a_forward_that_writes_its_width_down_is_left_alone():
    class Stubborn(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Linear(5 * 16, 2)

        def forward(self, x):
            x = torch.relu(self.second(torch.relu(self.first(x))))
            return self.head(x.reshape(-1, 5 * 16))

    model, x = Stubborn().double(), torch.randn(4, 3, 8, 8, dtype=torch.float64)
    grown = widen(model, probe=x, factor=2)
    assert (grown.first.out_channels, grown.second.out_channels) == (8, 5)
    assert equal(model, grown, x)


class Random(nn.Module):
    """A small network of drawn parts: plain, residual and dense blocks, with and without norms."""

    def __init__(self, parts, activation):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.kinds, width = [kind for kind, _ in parts], 4
        self.blocks = nn.ModuleList()
        for kind, norm in parts:
            self.blocks.append(
                nn.Sequential(nn.Conv2d(width, 4, 3, padding=1), nn.BatchNorm2d(4) if norm else nn.Identity())
            )
            width = width + 4 if kind == "dense" else 4
        self.act, self.head = activation(), nn.Linear(width, 3)

    def forward(self, x):
        x = self.act(self.stem(x))
        for kind, block in zip(self.kinds, self.blocks, strict=True):
            new = self.act(block(x))
            if kind == "dense":
                x = torch.cat([x, new], 1)
            elif kind == "residual" and x.shape == new.shape:
                x = self.act(x + new)
            else:
                x = new
        return self.head(x.mean((2, 3)))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(["plain", "residual", "dense"]), st.booleans()), min_size=1, max_size=4),
    st.sampled_from([nn.ReLU, nn.GELU]),
    st.floats(1.1, 2.5),
)
def test_random_networks_grow_without_changing(parts, activation, factor):
    torch.manual_seed(0)
    model, x = settled(Random(parts, activation), torch.randn(4, 2, 6, 6))
    grown = widen(deepen(model, probe=x), probe=x, factor=factor)
    assert equal(model, grown, x)
    assert size(grown) > size(model)
