import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from burnish.compression.conversion import Layout, dynamic, prepared, static
from burnish.compression.ranges import collect, ranges_of
from burnish.errors import UsageError
from burnish.exporting.bench import bench
from burnish.exporting.footprint import footprint
from burnish.exporting.memory import peak_memory
from burnish.exporting.onnx import export_onnx

WITHOUT_TORCH = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
from burnish.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.out = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = (self.q(x) @ self.k(x).transpose(1, 2)).softmax(-1)
        return self.out((weights @ x).mean(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(5, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=2), nn.ReLU(), nn.ConvTranspose2d(8, 6, 2, stride=2), nn.ReLU(),
        nn.Conv2d(6, 6, 3, stride=2, groups=6), nn.Flatten(), nn.Linear(6 * 7 * 7, 5),
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bench")
    made = {
        "conv": (convolutional(), torch.randn(16, 4, 8, 8)),
        "attention": (Attending(), torch.randn(16, 7, 6)),
        "lstm": (Recurrent(), torch.randn(16, 9, 5)),
    }
    for name, (model, rows) in made.items():
        export_onnx(model, rows, folder / f"{name}.onnx")
    return folder, made


def macs(model, row):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(row)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", ["conv", "attention"])
def test_work_and_size_are_what_pytorch_counts(name, exported):
    folder, made = exported
    model, rows = made[name]
    found = footprint(folder / f"{name}.onnx")
    assert found.operations == macs(model, rows[:1])
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert found.bytes == (folder / f"{name}.onnx").stat().st_size


def test_int8_does_the_same_work_in_fewer_bytes(exported, tmp_path):
    folder, made = exported
    model, rows = prepared(folder / "conv.onnx"), made["conv"][1].numpy()
    small = static(model, ranges_of(collect(model, iter([rows])), "minmax"), Layout(reduced=True))
    (tmp_path / "int8.onnx").write_bytes(small.SerializeToString())
    before, after = footprint(folder / "conv.onnx"), footprint(tmp_path / "int8.onnx")
    assert (after.operations, after.parameters) == (before.operations, before.parameters)


def test_recurrent_layers_are_counted_step_by_step(exported, tmp_path):
    folder, made = exported
    by_hand = 9 * (4 * 16 * 5 + 4 * 16 * 16) + 16 * 3  # nine steps, four gates
    assert footprint(folder / "lstm.onnx").operations == by_hand
    small = dynamic(prepared(folder / "lstm.onnx"), reduced=True)
    assert "DynamicQuantizeLSTM" in {node.op_type for node in small.graph.node}
    (tmp_path / "int8.onnx").write_bytes(small.SerializeToString())
    assert footprint(tmp_path / "int8.onnx").operations == by_hand


def test_memory_grows_with_the_model(exported, tmp_path):
    folder, _ = exported
    export_onnx(nn.Sequential(nn.Flatten(), nn.Linear(64, 160_000)), torch.randn(2, 64), tmp_path / "large.onnx")
    small, big = peak_memory(folder / "conv.onnx"), peak_memory(tmp_path / "large.onnx")
    assert small > 10_000_000
    assert big - small > 30_000_000  # 41 MB of weights
    with pytest.raises(UsageError, match="no file"):
        peak_memory(folder / "none.onnx")


def test_the_whole_list_without_torch(exported, tmp_path):
    folder, made = exported
    model, rows = prepared(folder / "conv.onnx"), made["conv"][1].numpy()
    small = static(model, ranges_of(collect(model, iter([rows])), "minmax"), Layout(reduced=True))
    (tmp_path / "int8.onnx").write_bytes(small.SerializeToString())
    files = [str(folder / "conv.onnx"), str(tmp_path / "int8.onnx")]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "bench", *files, "--batch", "2", "--repeats", "30", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["latency"]
    assert [(row["model"], row["batch"]) for row in rows] == [(file, 2) for file in files]
    for row in rows:
        assert row["p50_ms"]["value"] <= row["p95_ms"]["value"] <= row["p99_ms"]["value"]
        assert row["p50_ms"]["low"] <= row["p50_ms"]["value"] <= row["p50_ms"]["high"]
        assert row["examples_per_second"] == pytest.approx(2000 / row["p50_ms"]["value"])
        assert min(row[name] for name in ("bytes", "parameters", "operations", "peak_memory")) > 0
    assert rows[0]["ratio"]["value"] == 1


def test_a_file_is_measured_once(exported):
    folder, _ = exported
    with pytest.raises(UsageError, match="measured once"):
        bench([folder / "conv.onnx", folder / "conv.onnx"])
