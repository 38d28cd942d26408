import copy
import logging
import re

import numpy as np
import pytest
import torch
from exporting_networks import KINDS, inputs, network
from torch import nn

from burnish.errors import BurnishError, ExportMismatch, UsageError
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run


@pytest.mark.parametrize("kind", KINDS)
def test_exported_network_computes_the_same_for_any_batch(kind, tmp_path):
    model, rows = network(kind), inputs(kind)
    result = export_onnx(model, rows, tmp_path / "model.onnx")
    assert result.exporter == "dynamo"
    assert result.max_abs_difference < 1e-4
    assert result.agreement == 1.0
    assert 18 <= result.opset <= 20
    assert result.bytes == (tmp_path / "model.onnx").stat().st_size
    model.eval()
    for size in (1, 2, 5, 16):
        with torch.no_grad():
            expected = model(rows[:size]).numpy()
        np.testing.assert_allclose(run(tmp_path / "model.onnx", rows[:size].numpy()), expected, atol=1e-5)


def test_network_stays_as_it_is_and_nothing_is_printed(tmp_path, capfd):
    model = network("cnn").train()
    before = copy.deepcopy(model.state_dict())
    level = logging.root.manager.disable
    export_onnx(model, inputs("cnn"), tmp_path / "model.onnx")
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert logging.root.manager.disable == level
    assert capfd.readouterr().out == ""


def test_one_file_the_same_each_time_without_traces_of_the_machine(tmp_path):
    for name in ("a", "b"):
        export_onnx(network("mlp"), inputs("mlp"), tmp_path / f"{name}.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    content = (tmp_path / "a.onnx").read_bytes()
    assert content == (tmp_path / "b.onnx").read_bytes()
    assert not re.search(rb"/home/|/root/|site-packages|stack_trace", content)


class TwoFaced(nn.Module):
    """Computes something else when it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x) * (2 if torch.compiler.is_exporting() or torch.jit.is_tracing() else 1)


def test_a_difference_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ExportMismatch, match="differ by"):
        export_onnx(TwoFaced(), torch.randn(4, 4), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return {True: x, False: -x}[bool(np.asarray(x.detach().tolist()).sum() > 0)]


def test_what_cannot_be_exported_says_so(tmp_path):
    with pytest.raises(BurnishError, match="cannot be exported|differ by"):
        export_onnx(Branching(), torch.tensor([[1.0, 2.0], [-3.0, -4.0]]), tmp_path / "model.onnx")
    with pytest.raises(UsageError, match="no rows"):
        export_onnx(network("mlp"), torch.zeros(0, 6), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
