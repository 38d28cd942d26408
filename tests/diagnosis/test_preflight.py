"""True bugs stop with a message that says what to do; everything else is a finding."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from burnish.data.data import Data
from burnish.diagnosis.preflight import preflight
from burnish.errors import DataError, UsageError
from burnish.losses import Loss
from burnish.plan import Plan

Make = Callable[..., Any]


class Net(nn.Module):
    """A small network with one planted fault."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.first, self.norm, self.last = nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)
        if fault == "batch statistics":
            self.norm = nn.BatchNorm1d(8, track_running_stats=False)
        if fault == "unused":
            self.spare = nn.Linear(3, 3)
        if fault == "frozen":
            self.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fault == "log":
            x = x.log()
        if self.fault == "root":
            x = x + (x * 0 * self.first.weight[0]).sum().clamp_min(0).sqrt()
        if self.fault == "ignored":
            x = x * 0
        x = torch.relu(self.norm(self.first(x)))
        x = functional.dropout(x, 0.5) if self.fault == "dropout" else x
        x = x.detach() if self.fault == "detached" else x
        x = x - x.mean(0) if self.fault == "mean" else x
        x = x.view(8, -1).t().contiguous() if self.fault == "reshape" else x
        x = self.last(x)
        return x[:, 0] if self.fault == "flat" else x[:, :3] if self.fault == "narrow" else x


def plan_with(data: Data, fault: str, **changes: Any) -> Plan:
    return Plan(model=lambda: Net(fault), data=data, **changes)


def states(plan: Plan) -> dict[str, str]:
    return {finding.rule: finding.state for finding in preflight(plan)}


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize(
    ("modality", "network"), [("image", "resnet"), ("text", "transformer"), ("table", "mlp"), ("series", "cnn1d")]
)
def test_sound_networks_pass(make_data: Make, modality: str, network: str, kind: str) -> None:
    found = preflight(Plan(model=network, data=make_data(modality, kind)))
    assert [finding.rule for finding in found] == [f"P{i}" for i in range(1, 8)]
    assert {finding.state for finding in found} == {"clear"}, [str(f) for f in found]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("narrow", "4 wide"),
        ("flat", "shape"),
        ("log", "not finite"),
        ("root", "gradient of"),
        ("frozen", "nothing to train"),
        ("mean", "other examples"),
        ("batch statistics", "other examples|for any number of rows"),
        ("reshape", "other examples"),
    ],
)
def test_true_bugs_stop(make_data: Make, fault: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        preflight(plan_with(make_data(), fault))


@pytest.mark.parametrize(
    ("fault", "rule"), [("detached", "P4"), ("unused", "P4"), ("dropout", "P5"), ("ignored", "P7")]
)
def test_lesser_faults_are_findings(make_data: Make, fault: str, rule: str) -> None:
    found = states(plan_with(make_data(), fault))
    assert [r for r, state in found.items() if state == "fires"] == [rule]


def test_token_examples_that_see_one_another_are_found(make_data: Make) -> None:
    class Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.last = nn.Embedding(50, 8), nn.Linear(8, 4)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            x = self.embed(tokens).mean(1)
            return self.last(x + torch.softmax(x, dim=0))

    with pytest.raises(UsageError, match="other examples"):
        preflight(Plan(model=Mixing, data=make_data("text")))


@pytest.mark.parametrize("wrong", [-1, 4])
def test_labels_out_of_range(make_data: Make, wrong: int) -> None:
    data = make_data()
    targets = data.targets.copy()
    targets[3] = wrong
    with pytest.raises(DataError, match="4 classes"):
        preflight(plan_with(replace(data, targets=targets), ""))


def test_targets_that_are_not_finite(make_data: Make) -> None:
    data = make_data(kind="regression")
    targets = data.targets.copy()
    targets[-1] = np.nan
    with pytest.raises(DataError, match="validation targets"):
        preflight(Plan(model="mlp", data=replace(data, targets=targets)))


def test_targets_of_another_width(make_data: Make) -> None:
    data = make_data(kind="regression")
    two = np.stack([data.targets, data.targets], 1)
    with pytest.raises(DataError, match=r"shape \(200, 2\)"):
        preflight(Plan(model="mlp", data=replace(data, targets=two)))


def test_a_loss_that_fails_is_named(make_data: Make) -> None:
    def broken(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.no_such_thing

    with pytest.raises(UsageError, match="broken"):
        preflight(plan_with(make_data(), "", loss=Loss(name="broken", function=broken)))


def test_frozen_parts_are_not_missed_and_random_state_is_kept(make_data: Make) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    assert states(plan_with(make_data(), "detached", freeze=("first", "norm")))["P4"] == "clear"
    assert torch.equal(torch.rand(1), expected)
