"""Inspection against counts by hand and PyTorch's own counter."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from burnish.errors import UsageError
from burnish.model.inspect import inspect
from burnish.model.zoo import ZOO


def counted_by_torch(model, example):
    # the counter knows no fused attention on the CPU
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model.eval()(example)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("model", "shape", "operations"),
    [
        (nn.Conv2d(4, 8, 3, padding=1, groups=2), (4, 6, 6), 8 * 2 * 9 * 36),
        (nn.ConvTranspose2d(4, 6, 2, stride=2), (4, 5, 5), 4 * 25 * 6 * 4),
        (nn.Conv1d(2, 3, 5, dilation=2), (2, 20), 3 * 12 * 2 * 5),
        (nn.Conv3d(1, 2, 3), (1, 5, 5, 5), 2 * 27 * 27),
        (nn.Linear(7, 3), (7,), 21),
        (nn.Linear(7, 3), (4, 7), 84),
        (nn.LSTM(5, 6, batch_first=True, bidirectional=True), (10, 5), 10 * 2 * 4 * (6 * 5 + 6 * 6)),
        (nn.GRU(5, 6, 2, batch_first=True), (10, 5), 10 * 3 * (6 * 5 + 6 * 6 + 2 * 6 * 6)),
        (nn.BatchNorm2d(3), (3, 4, 4), 48),
        (nn.LayerNorm(6), (5, 6), 30),
        (nn.ReLU(), (9,), 0),
    ],
)
def test_operations_by_hand(model, shape, operations):
    for batch in (1, 3):
        assert inspect(model, torch.randn(batch, *shape)).operations == operations


@pytest.mark.parametrize("name", ["mlp", "cnn", "textcnn", "transformer", "cnn1d"])
def test_operations_agree_with_torch(name):
    shape = {"mlp": (9,), "cnn": (3, 16, 16), "textcnn": (8,), "transformer": (8,), "cnn1d": (2, 30)}[name]
    tokens = name in ("textcnn", "transformer")
    model = ZOO[name](shape, 4, 30 if tokens else 0).eval()
    example = torch.ones(1, *shape, dtype=torch.int64) if tokens else torch.randn(1, *shape)
    norms = sum(layer.operations for layer in inspect(model, example).layers if "Norm" in layer.type)
    assert inspect(model, example).operations - norms == counted_by_torch(model, example)


def test_attention_agrees_with_its_parts():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x)[0]

    assert inspect(Attention(), torch.randn(3, 5, 8)).operations == 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8


def test_tied_and_own_parameters_are_counted_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
            self.second.weight = self.first.weight
            self.scale = nn.Parameter(torch.ones(4))
            self.register_buffer("shift", torch.zeros(4))

        def forward(self, x):
            return F.linear(self.second(self.first(x)) * self.scale + self.shift, self.first.weight)

    found = inspect(Tied(), torch.randn(2, 4))
    assert found.parameters == 20
    assert found.bytes == 4 * 24
    assert found.operations == 48
    assert [(layer.path, layer.parameters, layer.operations) for layer in found.layers] == [
        ("first", 16, 16),
        ("second", 0, 16),
        ("", 4, 16),
    ]


def test_layers_have_shapes_in_order_and_a_table():
    model = ZOO["cnn"]((1, 8, 8), 10)
    found = inspect(model, torch.randn(2, 1, 8, 8))
    assert [layer.type for layer in found.layers][:3] == ["Conv2d", "ReLU", "Conv2d"]
    assert found.layers[0].input_shape == (2, 1, 8, 8)
    assert found.layers[0].output_shape == (2, 16, 8, 8)
    assert found.parameters == sum(p.numel() for p in model.parameters()) == sum(x.parameters for x in found.layers)
    lines = str(found).splitlines()
    assert len(lines) == len(found.layers) + 4
    assert lines[2].split()[:4] == ["├", "0", "Conv2d", "16×8×8"]
    assert json.loads(json.dumps(found.to_json()))["layers"][0]["path"] == "0"


def test_the_network_is_left_alone_and_failures_are_explained():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).train()
    inspect(model, torch.randn(1, 4))
    assert model.training
    assert model[1].num_batches_tracked == 0
    assert not model[0]._forward_hooks
    with pytest.raises(UsageError, match=r"fails on a batch of shape \(1, 5\)"):
        inspect(model, torch.randn(1, 5))
