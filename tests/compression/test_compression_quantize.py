import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from burnish.compression.conversion import Layout, prepared, saturates
from burnish.compression.graph import pooled
from burnish.compression.quantize import Way, candidate, quantize, ways
from burnish.compression.ranges import collect
from burnish.errors import NotApplicable, UsageError
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(60, 16)
        self.lstm = nn.LSTM(16, 64, batch_first=True)
        self.head = nn.Linear(64, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.embed(tokens))[0][:, -1])


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("float")
    torch.manual_seed(0)
    rows = {
        "image": torch.randn(64, 3, 8, 8),
        "table": torch.randn(64, 20),
        "text": torch.randint(1, 60, (64, 12)),
    }
    models = {
        "image": convolutional(),
        "table": nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1)),
        "text": Recurrent(),
    }
    for kind, model in models.items():
        export_onnx(model, rows[kind], folder / f"{kind}.onnx")
    return folder, {kind: values.numpy() for kind, values in rows.items()}


@pytest.mark.parametrize("kind", ["image", "table", "text"])
def test_int8_is_small_and_close_to_float(kind, exported, tmp_path):
    folder, rows = exported
    result = quantize(folder / f"{kind}.onnx", tmp_path / "int8.onnx", rows[kind], modality=kind)
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]
    assert result.bytes == (tmp_path / "int8.onnx").stat().st_size < 0.55 * result.float_bytes
    reference, outputs = run(folder / f"{kind}.onnx", rows[kind]), run(tmp_path / "int8.onnx", rows[kind])
    spread = np.sqrt(((reference - reference.mean(0)) ** 2).mean())
    error = np.sqrt(((outputs - reference) ** 2).mean()) / spread
    assert result.relative_error == pytest.approx(error, rel=1e-4)
    assert error < 0.15
    for size in (1, 2, 7):
        np.testing.assert_allclose(run(tmp_path / "int8.onnx", rows[kind][:size]), outputs[:size], atol=spread * 0.1)
    assert {c.kind for c in result.candidates} >= {"static", "static weights", "static unsigned"}
    assert not [c for c in result.candidates if c.error]


def test_choice_is_among_the_closest_and_repeatable(exported, tmp_path, capfd):
    folder, rows = exported
    for name in ("a", "b"):
        result = quantize(folder / "image.onnx", tmp_path / name, rows["image"], modality="image")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    best = min(c.relative_error for c in result.candidates)
    assert result.relative_error <= max(0.1, 1.5 * best)
    assert "dynamic" not in {c.kind for c in result.candidates}
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "W:onnxruntime" not in printed.err


def test_recurrent_weights_really_become_int8(exported, tmp_path):
    folder, rows = exported
    result = quantize(folder / "text.onnx", tmp_path / "q.onnx", rows["text"], modality="text")
    assert result.kind == "dynamic"
    assert "DynamicQuantizeLSTM" in {node.op_type for node in onnx.load(tmp_path / "q.onnx").graph.node}


def test_ranges_come_from_the_calibration_rows(exported, tmp_path):
    folder, rows = exported
    narrow = quantize(
        folder / "image.onnx", tmp_path / "n", 0.1 * rows["image"], modality="image", evaluation=rows["image"]
    )
    wide = quantize(folder / "image.onnx", tmp_path / "w", rows["image"], modality="image", evaluation=rows["image"])
    assert narrow.relative_error > 2 * wide.relative_error  # inputs ten times larger than calibrated are clipped


def test_no_rows_and_no_model(exported, tmp_path):
    folder, rows = exported
    with pytest.raises(UsageError, match="calibrate"):
        quantize(folder / "image.onnx", tmp_path / "q", rows["image"][:0], modality="image")
    with pytest.raises(UsageError, match="no file"):
        quantize(folder / "none.onnx", tmp_path / "q", rows["image"], modality="image")
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize("keeps", [0, 1])
@pytest.mark.parametrize("axes", [(2, 3), (-1, -2), (1, 2)])
def test_image_means_become_pooling(keeps, axes, tmp_path):
    shape = {"keep": ["batch", 4, 1, 1]}.get("keep" if keeps and axes != (1, 2) else "")
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=keeps)],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 5, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [helper.make_tensor("axes", TensorProto.INT64, [2], axes)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 6)).astype(np.float32)
    rewritten = pooled(model)
    kinds = [node.op_type for node in rewritten.graph.node]
    assert ("GlobalAveragePool" in kinds) == (axes != (1, 2))
    given = run(rewritten.SerializeToString(), x)
    np.testing.assert_allclose(given, x.mean(axis=axes, keepdims=bool(keeps)), atol=1e-6)


def test_saturation_follows_the_processor(monkeypatch):
    import burnish.compression.conversion as module

    kinds = lambda: {way.kind for way in ways("image")}  # noqa: E731
    monkeypatch.setattr(module.platform, "machine", lambda: "arm64")
    assert saturates() is False
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(module.Path, "read_text", lambda *_, **__: "flags : sse avx2")
    assert saturates() is True
    assert "static 7-bit" not in kinds()
    assert all(way.layout.reduced or way.layout.unsigned for way in ways("image"))
    monkeypatch.setattr(module.Path, "read_text", lambda *_, **__: "flags : avx2 avx512_vnni")
    assert saturates() is False
    assert "static 7-bit" in kinds()


@pytest.mark.skipif(not saturates(), reason="this processor has dot products of int8 that do not overflow")
def test_the_saturation_of_full_eight_bit_weights_is_seen(exported):
    folder, rows = exported
    model, inputs = prepared(folder / "image.onnx"), rows["image"]
    ranges = collect(model, iter([inputs]))
    reference = run(folder / "image.onnx", inputs)
    errors = {
        reduced: candidate(Way(kind="x", layout=Layout(reduced=reduced)), model, ranges, inputs, reference)[0]
        for reduced in (True, False)
    }
    assert errors[False].kernel_error > 5 * errors[True].kernel_error


def test_only_what_was_asked_for_is_tried(exported, tmp_path):
    folder, rows = exported
    result = quantize(
        folder / "table.onnx", tmp_path / "q", rows["table"], modality="table", kinds=("static unsigned",)
    )
    assert [c.kind for c in result.candidates] == ["static unsigned"]
    with pytest.raises(NotApplicable, match="no candidate"):
        quantize(folder / "table.onnx", tmp_path / "r", rows["table"], modality="table", kinds=("four bits",))
