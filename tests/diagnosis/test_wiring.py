"""Faults in how network, loss, metric and augmentation are put together: planted, and absent."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from burnish.data.preparation import Column
from burnish.diagnosis import wiring_augment, wiring_inputs, wiring_loss, wiring_metric, wiring_outputs
from burnish.diagnosis.preflight import preflight
from burnish.diagnosis.subject import Subject
from burnish.losses import Loss
from burnish.metrics import Metric
from burnish.plan import Plan
from burnish.tasks import Classification, Regression
from burnish.training import fit

Make = Callable[..., Any]
MODALITIES = {"image": "cnn", "text": "textcnn", "table": "mlp", "series": "cnn1d"}


def subject(data: Any, *tail: nn.Module, **changes: Any) -> Subject:
    def net(inputs: tuple[int, ...], outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(inputs[0], 16), nn.ReLU(), nn.Linear(16, outputs), *tail)

    return Subject(data, plan=Plan(model=net, data=data, **changes))


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (nn.Softmax(1), "probabilities"),
        (nn.Sigmoid(), "nor above 1"),
        (nn.ReLU(), "never below"),
        (nn.Tanh(), "between"),
    ],
)
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_limited_outputs(make_data: Make, kind: str, tail: nn.Module, words: str) -> None:
    if kind == "regression" and isinstance(tail, nn.Softmax):
        pytest.skip("one output has nothing to sum to one with")
    found = wiring_outputs.check(subject(make_data(kind=kind), tail))
    assert found.state == "fires"
    assert words in found.evidence
    assert wiring_outputs.check(subject(make_data(kind=kind))).state == "clear"


@pytest.mark.parametrize("modality", MODALITIES)
def test_networks_of_the_zoo_are_wired_well(make_data: Make, modality: str) -> None:
    data = make_data(modality)
    sound = Subject(data, plan=Plan(model=MODALITIES[modality], data=data))
    checks = (wiring_outputs, wiring_loss, wiring_metric, wiring_inputs, wiring_augment)
    assert {check.check(sound).state for check in checks} == {"clear"}


def over_batch(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -outputs.log_softmax(0)[torch.arange(len(targets)), targets].mean()


def upside_down(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -nn.functional.cross_entropy(outputs, targets)


def mean_first(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs.mean(0) - targets.mean(0)).square().mean()


@pytest.mark.parametrize(
    ("kind", "function", "state"),
    [
        ("classification", over_batch, "fires"),
        ("classification", upside_down, "fires"),
        ("classification", nn.functional.cross_entropy, "clear"),
        ("regression", mean_first, "fires"),
        ("regression", nn.functional.smooth_l1_loss, "clear"),
    ],
)
def test_losses_of_ones_own(make_data: Make, kind: str, function: Any, state: str) -> None:
    found = wiring_loss.check(subject(make_data(kind=kind), loss=Loss(name="own", function=function)))
    assert found.state == state


class Wrong(Classification):
    __slots__ = ()

    @property
    def primary(self) -> Metric:
        return replace(super().primary, greater_is_better=False)


class WrongValues(Regression):
    __slots__ = ()

    @property
    def primary(self) -> Metric:
        return replace(super().primary, greater_is_better=True)


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss", "brier"])
def test_direction_of_metrics_of_classes(make_data: Make, metric: str) -> None:
    data = make_data()
    right = replace(data, task=Classification(classes=("a", "b", "c", "d"), metric_name=metric))
    assert wiring_metric.check(Subject(right)).state == "clear"
    if metric in ("accuracy", "f1_macro"):
        wrong = replace(data, task=Wrong(classes=("a", "b", "c", "d"), metric_name=metric))
        assert wiring_metric.check(Subject(wrong)).state == "fires"


def test_direction_of_errors(make_data: Make) -> None:
    data = make_data(kind="regression")
    assert wiring_metric.check(Subject(data)).state == "clear"
    task = data.task
    wrong = WrongValues(columns=task.columns, center=task.center, scale=task.scale)
    assert wiring_metric.check(Subject(replace(data, task=wrong))).state == "fires"


def test_inputs_on_a_strange_scale(make_data: Make) -> None:
    data = make_data()
    raw = replace(data, inputs=data.inputs * 1000)
    found = wiring_inputs.check(subject(raw))
    assert found.state == "fires"
    assert found.measured == pytest.approx(np.sqrt((raw.train.inputs.astype(float) ** 2).mean(0)).max(), rel=1e-4)
    tiny = replace(data, inputs=data.inputs * 1e-6)
    assert wiring_inputs.check(subject(tiny)).state == "fires"

    def normed(inputs: tuple[int, ...], outputs: int) -> nn.Module:
        return nn.Sequential(nn.BatchNorm1d(inputs[0]), nn.Linear(inputs[0], outputs))

    assert wiring_inputs.check(Subject(raw, plan=Plan(model=normed, data=raw))).state == "clear"


def test_a_strange_column_is_named(make_data: Make) -> None:
    data = make_data()
    inputs = data.inputs.copy()
    inputs[:, 5] *= 500
    columns = tuple(Column(name=f"c{i}") for i in range(12))
    named = replace(data, inputs=inputs, preparation=replace(data.preparation, columns=columns))
    assert wiring_inputs.check(subject(named)).figure["labels"][0] == "c5"


@dataclass(frozen=True)
class Spoil:
    """Values of other rows in place of a row's own."""

    share: float

    def __call__(self, inputs: torch.Tensor, targets: torch.Tensor, context: Any) -> tuple[torch.Tensor, torch.Tensor]:
        other = inputs[torch.randperm(len(inputs), generator=context.generator)]
        taken = torch.rand(inputs.shape, generator=context.generator) < self.share
        return torch.where(taken, other, inputs), targets


@dataclass(frozen=True)
class Turn:
    """The opposite of the input, which in these data is the sum of another class's pattern and noise."""

    shift: torch.Tensor

    def __call__(self, inputs: torch.Tensor, targets: torch.Tensor, context: Any) -> tuple[torch.Tensor, torch.Tensor]:
        turned = (targets == 0) & (torch.rand(len(inputs), generator=context.generator) < 0.6)
        return torch.where(turned[:, None], inputs + self.shift, inputs), targets


def trained(data: Any, **changes: Any) -> Subject:
    plain = subject(data, epochs=30, batch_size=32, **changes)
    assert plain.plan is not None
    return replace(plain, model=fit(plain.plan, seed=0, device="cpu").model)


def test_augmentation_that_takes_the_answer_away(make_data: Make) -> None:
    data = make_data(n=800)
    found = wiring_augment.check(trained(data, batch=(Spoil(0.85),)))
    assert (found.state, found.threshold) == ("fires", 0.4)
    assert wiring_augment.check(trained(data, batch=(Spoil(0.1),))).state == "clear"
    assert wiring_augment.check(subject(data, batch=(Spoil(0.9),))).state == "cannot tell"


def test_augmentation_that_makes_one_class_another(make_data: Make) -> None:
    data = make_data(n=800)
    labels = data.train.targets
    inputs = data.train.inputs
    shift = torch.from_numpy(inputs[labels == 2].mean(0) - inputs[labels == 0].mean(0))
    turning = (Turn(shift),)
    found = wiring_augment.check(replace(trained(data), plan=subject(data, batch=turning).plan))
    assert (found.state, found.threshold) == ("fires", 0.3)
    assert "'a' are taken for 'c'" in found.evidence


def test_layers_frozen_by_mistake_are_named(make_data: Make) -> None:
    class Half(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))
            self[0].requires_grad_(False)

    data = make_data()
    found = {f.rule: f for f in preflight(Plan(model=Half, data=data))}["P4"]
    assert found.state == "fires"
    assert found.detail["frozen"] == ["0.weight", "0.bias"]
    meant = Plan(model=Half, data=data, freeze=("0",))
    assert {f.rule: f for f in preflight(meant)}["P4"].state == "clear"
