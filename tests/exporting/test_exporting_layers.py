"""What is read from an ONNX file about its layers."""

import numpy as np
import torch
from torch import nn

from burnish.compression.prune import prune
from burnish.compression.quantize import quantize
from burnish.exporting.layers import layer_changes, layers
from burnish.exporting.onnx import export_onnx


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(16, 32, 2, stride=2)
        self.last = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.up(torch.relu(self.first(x))))
        return self.last(x.mean((2, 3)))


def test_channels_and_precision_of_a_pruned_and_quantized_network(tmp_path) -> None:
    torch.manual_seed(0)
    net, inputs = Net().eval(), torch.randn(40, 1, 8, 8)
    smaller = prune(net, inputs, 0.5)
    widths = {item["layer"]: item["after"] for item in smaller.cut}
    export_onnx(net, inputs[:2], tmp_path / "float.onnx")
    export_onnx(smaller.model, inputs[:2], tmp_path / "small.onnx")
    quantize(tmp_path / "small.onnx", tmp_path / "int8.onnx", inputs.numpy(), modality="image")
    found = layers(tmp_path / "float.onnx")
    assert [(item["operator"], item["channels"], item["precision"]) for item in found] == [
        ("Conv", 16, "float32"),
        ("ConvTranspose", 32, "float32"),
        ("Gemm", 5, "float32"),
    ]
    changes = layer_changes(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    assert [item["after"] for item in changes] == [widths["first"], widths["up"], 5]
    assert {item["precision"] for item in changes} <= {"int8", "uint8", "float32"}
    assert changes[0]["precision"] in ("int8", "uint8")


def test_recurrent_layers_and_embeddings_are_counted_in_units(tmp_path) -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(50, 12)
            self.lstm = nn.LSTM(12, 20, batch_first=True)
            self.last = nn.Linear(20, 3)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.last(self.lstm(self.embedding(tokens))[0][:, -1])

    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, 50, (2, 7)))
    export_onnx(Words().eval(), tokens, tmp_path / "words.onnx")
    found = {item["operator"]: item["channels"] for item in layers(tmp_path / "words.onnx")}
    assert found["Gather"] == 12
    assert found["Gemm"] == 3
    assert found.get("LSTM", 20) == 20
