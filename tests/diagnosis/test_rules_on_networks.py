"""Rules that run the network, with planted faults."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from burnish.diagnosis import (
    rule_01_start,
    rule_14_gradients,
    rule_15_dead_units,
    rule_16_batch_norm,
)
from burnish.diagnosis.rule_15_dead_units import dead_units
from burnish.diagnosis.subject import Subject
from burnish.plan import Plan

Make = Callable[..., Any]
DEFAULTS = {"image": "cnn", "text": "textcnn", "table": "mlp", "series": "cnn1d"}


@pytest.mark.parametrize("modality", DEFAULTS)
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_zoo_networks_start_well_and_learn_a_batch(make_data: Make, modality: str, kind: str) -> None:
    data = make_data(modality, kind)
    found = rule_01_start.check(Subject(data, plan=Plan(model=DEFAULTS[modality], data=data)))
    assert found.state == "clear", found


def test_a_network_that_cannot_learn_is_found(make_data: Make) -> None:
    data = make_data()

    def blind(inputs: tuple[int, ...], outputs: int) -> nn.Module:
        net = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, outputs))
        return nn.Sequential(nn.Threshold(1e9, 0.0), net)  # nothing of the input passes

    found = rule_01_start.check(Subject(data, plan=Plan(model=blind, data=data)))
    assert found.state == "fires"
    assert found.measured > 0.3


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_loud_last_layer_is_found(make_data: Make, kind: str) -> None:
    data = make_data(kind=kind)

    def loud(inputs: tuple[int, ...], outputs: int) -> nn.Module:
        net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, outputs))
        with torch.no_grad():
            net[2].weight.mul_(20)
        return net

    found = rule_01_start.check_quick(Subject(data, plan=Plan(model=loud, data=data)))
    assert found.state == "fires"


def test_a_network_too_large_is_not_trained_to_see(make_data: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_01_start, "FIT_OPERATIONS", 1e6)
    data = make_data()
    monkeypatch.setattr(rule_01_start, "_fit", None)
    assert rule_01_start.check(Subject(data, plan=Plan(model="mlp", data=data))).state == "clear"


def test_a_trained_network_has_no_start(make_data: Make) -> None:
    data = make_data()
    subject = Subject(data, plan=Plan(model=nn.Linear(12, 4), data=data))
    assert rule_01_start.check(subject).state == "cannot tell"


def test_gradients_vanish_through_many_sigmoids(make_data: Make) -> None:
    data = make_data()

    def deep(activation: type[nn.Module]) -> Callable[[int], nn.Module]:
        def make(outputs: int) -> nn.Module:
            middle = [layer for _ in range(8) for layer in (nn.Linear(16, 16), activation())]
            return nn.Sequential(nn.Linear(12, 16), activation(), *middle, nn.Linear(16, outputs))

        return make

    sigmoid = rule_14_gradients.check(Subject(data, plan=Plan(model=deep(nn.Sigmoid), data=data)))
    assert (sigmoid.state, sigmoid.measured < 1e-3) == ("fires", True)
    shallow = rule_14_gradients.check(Subject(data, plan=Plan(model="mlp", data=data)))
    assert shallow.state == "clear"


class Mixed(nn.Module):
    """ReLUs as a module, as functions and as a method, behind convolutions and linears."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.first, self.second, self.last = nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 4)
        with torch.no_grad():
            self.norm.bias[:3] = -100  # three dead channels
            self.first.bias[:4] = -100  # four dead units
            self.second.bias.fill_(100)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.conv(x))).mean((2, 3))
        return self.last(self.second(functional.relu(self.first(x), inplace=True)).relu())


def test_dead_units_are_counted_wherever_they_are(make_data: Make) -> None:
    model = Mixed().train()
    batches = list(torch.randn(40, 1, 8, 8).split(16))
    found = dead_units(model, batches)
    expected_first = int((torch.relu(model.first(torch.zeros(1, 4))) == 0).sum())
    assert found[0] == (3, 4)
    assert 4 <= found[1][0] <= expected_first + 4
    assert found[1][1] == 6
    assert found[2] == (0, 5)
    assert model.training
    subject = Subject(make_data("image"), model=model)
    assert rule_15_dead_units.check(subject).state == "fires"
    assert rule_15_dead_units.check(Subject(make_data())).state == "cannot tell"
    smooth = nn.Sequential(nn.Linear(12, 8), nn.GELU(), nn.Linear(8, 4))
    assert rule_15_dead_units.check(Subject(make_data(), model=smooth)).state == "cannot tell"


def test_a_sequence_unit_is_a_feature_not_a_place() -> None:
    model = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(30, 2))
    with torch.no_grad():
        model[1].bias.copy_(torch.tensor([-100.0, 100.0, 100.0]))
    assert dead_units(model, [torch.randint(0, 50, (8, 10))]) == [(1, 3)]


def plan_with(size: int, model: nn.Module) -> Any:
    return SimpleNamespace(batch_size=size, probe=lambda: model)


def test_batch_norm(make_data: Make) -> None:
    data = make_data()
    net = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    inputs = torch.from_numpy(data.train.inputs)
    net.train()
    for _ in range(60):
        net(inputs)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert rule_16_batch_norm.check(Subject(data, plan=plan_with(8, net))).state == "fires"
    assert rule_16_batch_norm.check(Subject(data, plan=plan_with(64, net), model=net)).state == "clear"
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    with torch.no_grad():
        net[1].running_var.mul_(0.01)  # statistics of other data
    assert rule_16_batch_norm.check(Subject(data, plan=plan_with(64, net), model=net)).state == "fires"
    plain = nn.Linear(12, 4)
    assert rule_16_batch_norm.check(Subject(data, plan=plan_with(4, plain), model=plain)).state == "clear"
