import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from burnish.compression.conversion import Layout, prepared, static
from burnish.compression.quantize import quantize
from burnish.compression.ranges import collect, ranges_of
from burnish.compression.sensitivity import Sensitivity, fall_back, sensitivities
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run, session


class Spiky(nn.Module):
    """A layer in the middle whose activations reach a thousand times further than what matters in them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.spiky, self.last = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 4)
        with torch.no_grad():
            self.spiky.weight[0] *= 3000
            self.last.weight[:, 0] = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.spiky(torch.relu(self.first(x)))))


@pytest.fixture(scope="module")
def spiky(tmp_path_factory):
    torch.manual_seed(0)
    path, rows = tmp_path_factory.mktemp("spiky") / "n.onnx", torch.randn(96, 8)
    export_onnx(Spiky(), rows, path)
    return path, rows.numpy()


def test_the_layer_that_hurts_comes_first_and_falls_back(spiky, tmp_path):
    path, rows = spiky
    model = prepared(path)
    ranges = ranges_of(collect(model, iter([rows])), "minmax")
    ranked = sensitivities(model, ranges, Layout(reduced=True), rows)
    middle = [node.name for node in model.graph.node if node.op_type in ("Gemm", "MatMul")][1]
    assert ranked[0].layer == middle
    assert ranked[0].error > 5 * ranked[1].error
    assert [item.weights for item in ranked[:1]] == [256]
    result = quantize(path, tmp_path / "q.onnx", rows, modality="table", kinds=("static",), agreement=0.95)
    assert result.candidates[0].agreement < 0.95 <= result.agreement
    assert result.float_layers[0] == middle
    assert result.sensitivity[0].layer == middle
    kept = onnx.load(tmp_path / "q.onnx")
    floats = [t for t in kept.graph.initializer if t.data_type == onnx.TensorProto.FLOAT and list(t.dims) == [16, 16]]
    assert len(floats) == 1


@pytest.mark.parametrize("needed", [1, 2, 3, 5, 6, 9, 10])
def test_the_fewest_layers_fall_back(needed, monkeypatch):
    import burnish.compression.sensitivity as module

    monkeypatch.setattr(module, "static", lambda model, ranges, layout: layout)
    ranked = [Sensitivity(layer=str(i), operator="Gemm", weights=1, error=1.0) for i in range(10)]
    tried = []

    def within(layout):
        tried.append(len(layout.excluded))
        return len(layout.excluded) >= needed

    found = fall_back(None, {}, Layout(), ranked, within)
    if needed == 10:  # a model that is float in every layer is no int8 model
        assert found is None
    else:
        assert found[1] == tuple(str(i) for i in range(needed))
    assert len(tried) <= 8


def test_a_float_graph_is_quantized_as_numpy_does_it(tmp_path):
    torch.manual_seed(0)
    net, rows = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), torch.randn(64, 6)
    export_onnx(net, rows, tmp_path / "n.onnx")
    model, x = prepared(tmp_path / "n.onnx"), rows.numpy()
    ranges = ranges_of(collect(model, iter([x])), "minmax")
    given = run(session(static(model, ranges, Layout()).SerializeToString(), optimized=False), x)

    def activation(values, low, high):
        low, high = min(low, 0), max(high, 0)
        scale = (high - low) / 255
        zero = np.round(-low / scale)
        return (np.clip(np.round(values / scale) + zero, 0, 255) - zero) * scale

    def weight(matrix):
        scale = np.abs(matrix).max(1, keepdims=True) / 127
        return np.round(matrix / scale) * scale

    (w1, b1, w2, b2) = (p.detach().numpy() for p in net.parameters())
    hidden = activation(x, x.min(), x.max()) @ weight(w1).T + b1
    exact = np.maximum(x @ w1.T + b1, 0)
    hidden = activation(np.maximum(hidden, 0), 0, exact.max())
    final = exact @ w2.T + b2
    expected = activation(hidden @ weight(w2).T + b2, final.min(), final.max())
    step = (final.max() - final.min()) / 255
    assert np.abs(given - expected).max() < 1.01 * step  # a value in the middle of two steps may fall either way
    assert (np.abs(given - expected) < 1e-4).mean() > 0.98


def test_the_reference_evaluator_computes_the_same(tmp_path):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                        nn.Flatten(), nn.Linear(8, 3)).eval()  # fmt: skip
    rows = torch.randn(8, 2, 6, 6)
    export_onnx(net, rows, tmp_path / "n.onnx")
    model = prepared(tmp_path / "n.onnx")
    converted = static(model, ranges_of(collect(model, iter([rows.numpy()])), "minmax"), Layout(reduced=True))
    plain = run(session(converted.SerializeToString(), optimized=False), rows.numpy())
    reference = ReferenceEvaluator(converted).run(None, {"input": rows.numpy()})[0]
    scales = {t.name: float(onnx.numpy_helper.to_array(t)) for t in converted.graph.initializer if not t.dims}
    step = scales["output_scale"]
    assert np.abs(plain - reference).max() <= 1.01 * step
    assert (np.abs(plain - reference) < 1e-5).mean() > 0.9
