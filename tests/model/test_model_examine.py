"""What layers do: dead units, gradients, receptive fields and times, by hand, by autograd and by properties."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from burnish.losses import Loss
from burnish.model.inspect import examine, inspect
from burnish.model.receptive import receptive_fields
from burnish.model.tracing import trace
from burnish.model.zoo import ZOO

IMAGES = torch.randn(32, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Functional(nn.Module):
    """Convolutions with activations and pooling as functions, a sum, and one layer used twice."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.shared = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = x + F.relu(self.conv2(x))
        x = x.mean((2, 3))
        return self.fc(F.relu(self.shared(F.relu(self.shared(x)))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.lstm = nn.LSTM(16, 32, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(64, 20, batch_first=True)
        self.out = nn.Linear(20, 3)

    def forward(self, x):
        return self.out(self.gru(self.lstm(self.embedding(x))[0])[0].mean(1))


def layer(found, path):
    return next(part for part in found.layers if part.path == path)


def test_units_that_a_bias_kills_are_counted_at_the_layer_and_its_activation():
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 196, 5))
    with torch.no_grad():
        model[1].bias[:2] = -100.0
    found = examine(model, IMAGES)
    assert [(layer(found, path).dead, layer(found, path).units) for path in ("0", "2")] == [(2, 6), (2, 6)]
    assert layer(found, "4").dead is None


def test_units_at_the_limits_of_a_bounded_activation_are_saturated():
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Sigmoid(), nn.Linear(5, 2), nn.ReLU())
    with torch.no_grad():
        model[0].bias[:2] = torch.tensor([60.0, -60.0])
        model[0].weight[2] *= 0.01  # stays near zero
        model[2].bias[0] = -50.0
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    found = examine(model, inputs)
    by_hand = ((torch.tanh(model[0](inputs)).abs() > 0.95).float().mean(0) >= 0.9).sum()
    assert layer(found, "0").saturated == layer(found, "1").saturated == by_hand == 2
    assert layer(found, "3").saturated == 1
    assert layer(found, "5").saturated is None
    assert "satur." in str(found)
    assert "satur." not in str(examine(nn.Sequential(nn.Linear(4, 2), nn.ReLU()), inputs))


def test_dead_units_behind_functions_and_in_the_last_dimension():
    model = Functional()
    with torch.no_grad():
        model.conv2.bias[:3] = -100.0
        model.shared.weight.zero_()
        model.shared.bias.copy_(torch.tensor([1.0, -1, 1, -1, -1, 1, 1, 1]))
    found = examine(model, IMAGES)
    assert (layer(found, "conv2").dead, layer(found, "conv2").units) == (3, 8)
    assert layer(found, "shared").dead == 8  # every unit gives one value, whatever the example
    assert layer(found, "shared").calls == 2
    assert "shared ×2" in str(found)


def test_moments_equal_those_of_the_outputs():
    model = Functional().eval()
    found = examine(model, IMAGES)
    with torch.no_grad():
        values = model.conv1(IMAGES)
    assert layer(found, "conv1").mean == pytest.approx(float(values.mean()), abs=1e-6)
    assert layer(found, "conv1").std == pytest.approx(float(values.std(correction=0)), rel=1e-5)


def test_gradients_equal_autograds_and_the_network_is_left_alone():
    model, targets = Functional().eval(), torch.arange(32) % 4
    found = examine(model, IMAGES, targets, Loss(name="cross_entropy"))
    assert all(p.grad is None for p in model.parameters())
    assert not model.training
    assert model.norm.num_batches_tracked == 0
    model.train()
    loss = F.cross_entropy(model(IMAGES), targets)
    loss.backward()
    assert found.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    for path in ("conv1", "norm", "shared", "fc"):
        module = model.get_submodule(path)
        expected = torch.cat([p.grad.flatten() for p in module.parameters()]).norm()
        assert layer(found, path).gradient == pytest.approx(float(expected), rel=1e-4)
        own = torch.cat([p.detach().flatten() for p in module.parameters()]).norm()
        assert layer(found, path).weight == pytest.approx(float(own), rel=1e-4)


def reached(model, shape):
    """Side of the box of inputs that the middle output of a linear `model` depends on, by autograd."""
    example = torch.zeros(1, *shape, requires_grad=True)
    outputs = model(example)
    middle = outputs[(slice(None), slice(None), *(side // 2 for side in outputs.shape[2:]))]
    (gradient,) = torch.autograd.grad(middle.sum(), example)
    places = torch.nonzero(gradient[0, 0])
    return tuple((places.amax(0) - places.amin(0) + 1).tolist())


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 2, 3)],
        [nn.Conv2d(1, 2, 3, stride=2), nn.Conv2d(2, 2, (3, 5), dilation=2)],
        [nn.Conv2d(1, 2, 7, stride=2), nn.AvgPool2d(3, 2), nn.Conv2d(2, 2, 3), nn.AvgPool2d(2), nn.Conv2d(2, 1, 3)],
    ],
)
def test_receptive_field_equals_what_gradients_reach(layers):
    torch.manual_seed(0)
    model = nn.Sequential(*layers)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.uniform_(module.weight, 0.5, 1)
    found = inspect(model, torch.zeros(1, 1, 101, 101))
    assert found.layers[-1].receptive_field == reached(model, (1, 101, 101))


def test_receptive_field_through_functions_sums_and_the_head():
    fields = receptive_fields(trace(Functional(), IMAGES), numbers=True)
    found = inspect(Functional(), IMAGES)
    assert layer(found, "conv1").receptive_field == (5, 5)
    assert layer(found, "conv2").receptive_field == (15, 15)  # 5, pooling of 2 at step 2, then 3 at step 4
    assert layer(found, "fc").receptive_field == "all"
    assert fields[0] == (1, 1)


def test_recurrent_and_attention_see_everything_and_tables_have_no_places():
    tokens = torch.randint(0, 50, (8, 12), generator=torch.Generator().manual_seed(0))
    found = examine(Recurrent(), tokens, torch.zeros(8, dtype=torch.int64), Loss(name="cross_entropy"))
    assert [layer(found, p).receptive_field for p in ("embedding", "lstm", "gru", "out")] == [(1,), "all", "all", "all"]
    assert layer(found, "lstm").gradient > 0
    text = inspect(ZOO["transformer"]((32,), 2, 100), torch.ones(2, 32, dtype=torch.int64))
    assert [part.receptive_field for part in text.layers if part.type == "LayerNorm"][-1] == "all"
    assert all(part.receptive_field is None for part in inspect(ZOO["mlp"]((9,), 3), torch.zeros(2, 9)).layers)


def test_time_shares_are_shares_and_no_module_is_left_out():
    found = examine(Functional(), IMAGES)
    assert sum(found.times.values()) == pytest.approx(1)
    assert all(share >= 0 for share in found.times.values())
    assert {"", "conv1", "fc"} <= set(found.times)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_a_hundred_columns_are_enough(name):
    assert max(map(len, str(examine(ZOO[name]((3, 32, 32), 10), torch.randn(4, 3, 32, 32))).splitlines())) <= 100


PUBLISHED = {"resnet18": (11_689_512, 1.814), "resnet50": (25_557_032, 4.089), "densenet121": (7_978_856, 2.834)}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameters_and_operations(name):
    """Numbers of torchvision's model table, in millions of multiply-accumulates without norms."""
    timm = pytest.importorskip("timm")
    parameters, billions = PUBLISHED[name]
    found = inspect(timm.create_model(name), torch.zeros(1, 3, 224, 224))
    assert found.parameters == parameters
    counted = sum(part.operations for part in found.layers if "orm" not in part.type)
    assert counted / 1e9 == pytest.approx(billions, abs=0.001)
    if name == "resnet18":
        assert layer(found, "layer4.1.conv2").receptive_field == (435, 435)
