"""Recurrent layers lose the little operations around them, and give the same."""

import onnx
import pytest
import torch
from torch import nn

from burnish.exporting.onnx import export_onnx


class Words(nn.Module):
    def __init__(self, kind: type, *, started: bool = False, **options: object) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.layer = kind(8, 12, batch_first=True, **options)
        width = 24 if options.get("bidirectional") else 12
        self.last = nn.Linear(width, 3)
        self.start = nn.Parameter(torch.ones(1, 1, 12)) if started else None

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens)
        given = () if self.start is None else (self.start.expand(1, tokens.shape[0], 12).contiguous(),)
        return self.last(self.layer(x, *given)[0].amax(1))


def exported(model: nn.Module, path) -> tuple[list[str], list[onnx.NodeProto]]:
    torch.manual_seed(0)
    # The export compares the file with the network on four batch sizes, and refuses it where they differ.
    result = export_onnx(model, torch.randint(0, 30, (4, 9)), path)
    assert result.max_abs_difference < 1e-5
    nodes = list(onnx.load(path).graph.node)
    return [node.op_type for node in nodes], [node for node in nodes if node.op_type in ("LSTM", "GRU", "RNN")]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_one_direction_is_squeezed_and_starts_from_zeros_by_default(kind, tmp_path):
    kinds, layers = exported(Words(kind), tmp_path / "m.onnx")
    assert all(len(layer.input) < 6 for layer in layers)
    assert "Squeeze" in kinds
    assert not {"Expand", "Shape", "Mul"} & set(kinds)


def test_two_layers_are_both_lean(tmp_path):
    kinds, layers = exported(Words(nn.LSTM, num_layers=2), tmp_path / "m.onnx")
    assert (len(layers), kinds.count("Squeeze")) == (2, 2)
    assert "Shape" not in kinds


def test_two_directions_keep_their_reshape(tmp_path):
    kinds, layers = exported(Words(nn.LSTM, bidirectional=True), tmp_path / "m.onnx")
    assert "Reshape" in kinds
    assert all(len(layer.input) < 6 for layer in layers)


def test_a_state_that_is_not_zero_stays(tmp_path):
    _, layers = exported(Words(nn.GRU, started=True), tmp_path / "m.onnx")
    assert layers[0].input[5]
