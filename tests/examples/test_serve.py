"""The stand-alone example says what `burnish predict` says, where neither Burnish nor PyTorch can be imported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import burnish as bu
from burnish.exporting.onnx import export_onnx
from burnish.exporting.package import ModelPackage, predict_files, write_package
from burnish.model.build import probe_inputs

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "serve" / "predict_image.py"
BLOCKED = """
import runpy, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "burnish"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("channels", ["L", "RGB"])
def test_ten_lines_serve_the_model(channels, tmp_path):
    generator = np.random.default_rng(0)
    for label in ("cat", "dog", "owl"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(8):
            height, width = generator.integers(10, 20, 2)
            shape = (height, width) if channels == "L" else (height, width, 3)
            pixels = generator.integers(0, 256, shape).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    data = bu.load(tmp_path / "photos", seed=0)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(len(channels), 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )
    run = tmp_path / "run"
    run.mkdir()
    export_onnx(net, probe_inputs(data), run / "model.onnx")
    write_package(run, ModelPackage(task=data.task, preparation=data.preparation, temperature=1.5))
    files = sorted(str(path) for path in (tmp_path / "photos").rglob("*.png"))[:9]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(SCRIPT), str(run), *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = predict_files(run, files)
    lines = [line.rpartition(": ")[2].split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == [row["prediction"] for row in expected]
    assert [float(line[1]) for line in lines] == pytest.approx([row["probability"] for row in expected], abs=2e-4)
