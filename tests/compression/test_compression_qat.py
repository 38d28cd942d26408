from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import burnish as bu
from burnish.compression.qat import retrain, simulated, trainer
from burnish.errors import BurnishError, NotApplicable
from burnish.exporting.runtime import run
from burnish.plan import Optimizer, Plan
from burnish.training import fit


def make_net(outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, outputs),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    plan = Plan(model=make_net, data=bu.load("digits", seed=0), epochs=4, batch_size=32, optimizer=Optimizer(lr=0.01))
    network = fit(plan, seed=0).model
    rows = torch.from_numpy(plan.data.preparation.network_input(plan.data.train.inputs))
    return plan, network, rows


def test_what_was_trained_is_what_ships(trained, tmp_path):
    plan, network, rows = trained
    before = {name: value.clone() for name, value in network.state_dict().items()}
    short = replace(plan, epochs=2)
    judged = plan.data.preparation.network_input(plan.data.validation.inputs)
    result = retrain(
        network, trainer(short, network), tmp_path / "q.onnx", rows, modality="image", judged=judged, freeze_after=9
    )
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert result.agreement > 0.97
    assert result.difference < 0.03
    assert result.unmatched == ()
    assert result.roundings == 9  # input, two layers, two poolings, the output; the weights of three layers
    kinds = {node.op_type for node in onnx.load(tmp_path / "q.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert result.bytes == (tmp_path / "q.onnx").stat().st_size
    outputs, teacher = run(tmp_path / "q.onnx", judged), simulated(network, judged)
    assert (outputs.argmax(1) == teacher.argmax(1)).mean() > 0.8
    retrained = simulated(result.model, judged)
    assert not np.allclose(retrained, teacher, atol=1e-3)  # weights did change
    assert (retrained.argmax(1) == outputs.argmax(1)).mean() > 0.97


@pytest.mark.slow
def test_the_same_seed_gives_the_same_file(trained, tmp_path):
    plan, network, rows = trained
    short = replace(plan, epochs=1)
    for name in ("a", "b"):
        retrain(network, trainer(short, network, seed=3), tmp_path / name, rows, modality="image")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_recurrent_network_is_not_retrained(tmp_path):
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(4, 8, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lstm(x)[0][:, -1]

    with pytest.raises(NotApplicable, match="nothing to retrain"):
        retrain(Recurrent(), lambda net: net, tmp_path / "q", torch.randn(16, 5, 4), modality="series")
    assert not (tmp_path / "q").exists()


def test_a_training_that_diverges_is_no_result(trained, tmp_path):
    plan, network, rows = trained
    wild = replace(plan, epochs=1, optimizer=Optimizer(name="sgd", lr=1e12))
    with pytest.raises(BurnishError, match="smaller learning rate"):
        retrain(network, trainer(wild, network), tmp_path / "q", rows, modality="image")
