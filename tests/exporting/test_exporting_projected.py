"""Projected LSTMs, which ONNX has no operator for."""

import itertools

import pytest
import torch
from torch import nn

from burnish.exporting.onnx import export_onnx
from burnish.exporting.projected import spelled_out

SHAPES = list(itertools.product((1, 2), (False, True), (False, True), (False, True)))


@pytest.mark.parametrize(("layers", "bidirectional", "batch_first", "bias"), SHAPES)
def test_step_by_step_computes_what_torch_does(layers, bidirectional, batch_first, bias) -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 5, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional, proj_size=2)
    network = spelled_out(nn.ModuleDict({"cells": lstm}))
    assert not isinstance(network["cells"], nn.LSTM)
    x, count = torch.randn(4, 7, 3), layers * (2 if bidirectional else 1)
    batch = 4 if batch_first else 7
    for state in (None, (torch.randn(count, batch, 2), torch.randn(count, batch, 5))):
        (ours, ends), (theirs, expected) = network["cells"](x, state), lstm(x, state)
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(ends, expected)


def test_others_are_left_and_shared_ones_stay_shared() -> None:
    plain, projected = nn.LSTM(3, 5), nn.LSTM(3, 5, proj_size=2)
    network = spelled_out(nn.ModuleList([plain, projected, nn.Sequential(projected)]))
    assert isinstance(network[0], nn.LSTM)
    assert network[1] is network[2][0]
    alone = nn.ModuleList([plain])
    assert spelled_out(alone) is alone


def test_it_is_exported_with_a_free_batch(tmp_path) -> None:
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.cells = nn.LSTM(3, 6, batch_first=True, proj_size=4)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.cells(x)[0][:, -1])

    torch.manual_seed(0)
    model = Reader()
    found = export_onnx(model, torch.randn(5, 9, 3), tmp_path / "model.onnx")  # compares several batch sizes
    assert found.max_abs_difference < 1e-5
    assert isinstance(model.cells, nn.LSTM)
