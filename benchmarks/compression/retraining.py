"""Calibration against quantize and retrain: the same float networks, both int8 files, validation accuracy, paired.

python benchmarks/compression/retraining.py --out runs/retraining [--data digits,cifar10] [--seeds 3]
The network is a small one of depthwise separable convolutions, which int8 hurts most. One line of JSON for each seed;
what is in the file is not repeated.
"""

import argparse
import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import burnish as bu
from burnish.compression.qat import retrain, trainer
from burnish.compression.quantize import quantize
from burnish.data import Data
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run
from burnish.plan import Optimizer, Plan, Schedule
from burnish.training import fit

DATA = Path(os.environ.get("BURNISH_DATA", "../shared/data"))
SETTINGS = {"digits": (12, 32), "cifar10": (8, 64)}  # epochs, batch size
ROWS_PER_CLASS = 250


def separable(inputs: tuple[int, ...], outputs: int, width: int = 16) -> nn.Module:
    """A thin network of depthwise separable convolutions with ReLU6."""

    def block(channels: int, out: int, stride: int) -> list[nn.Module]:
        depthwise = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
        pointwise = nn.Conv2d(channels, out, 1, bias=False)
        return [depthwise, nn.BatchNorm2d(channels), nn.ReLU6(), pointwise, nn.BatchNorm2d(out), nn.ReLU6()]

    first = [nn.Conv2d(inputs[0], width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU6()]
    blocks = [*block(width, width, 2), *block(width, 2 * width, 2), *block(2 * width, 4 * width, 1)]
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, outputs))


def cifar10(folder: Path) -> Data:
    """The first 250 training images of each class, split by Burnish."""
    file = folder / "cifar10.npz"
    if not file.exists():
        images, labels = [], []
        with tarfile.open(DATA / "cifar10.tar.gz") as archive:
            for member in archive:
                parts = Path(member.name).parts
                if member.name.endswith(".jpg") and parts[-3] == "train" and labels.count(parts[-2]) < ROWS_PER_CLASS:
                    content = archive.extractfile(member)
                    assert content is not None
                    images.append(np.asarray(Image.open(io.BytesIO(content.read())).convert("RGB")))
                    labels.append(parts[-2])
        np.savez(file, x=np.stack(images), y=np.unique(labels, return_inverse=True)[1])
    return bu.load(file, seed=0)


def measured(name: str, data: Data, seed: int, folder: Path) -> dict[str, object]:
    """One float network and its two int8 files."""
    epochs, batch = SETTINGS[name]
    plan = Plan(model=separable, data=data, epochs=epochs, batch_size=batch, optimizer=Optimizer(lr=5e-3))
    network = fit(replace(plan, schedule=Schedule(kind="cosine")), seed=seed).model
    inputs, targets = data.preparation.network_input(data.validation.inputs), data.validation.targets
    calibration = data.preparation.network_input(data.train.inputs[:1024])
    paths = {kind: folder / f"{name}-{seed}-{kind}.onnx" for kind in ("float", "calibrated", "retrained")}
    export_onnx(network, torch.from_numpy(calibration[:64]), paths["float"])
    quantized = quantize(paths["float"], paths["calibrated"], calibration, modality="image", agreement=0.0)
    shorter = replace(plan, epochs=max(3, epochs // 3), optimizer=Optimizer(lr=1.5e-3))
    found = retrain(
        network,
        trainer(shorter, network, seed=seed),
        paths["retrained"],
        torch.from_numpy(calibration),
        modality="image",
        judged=inputs,
    )
    answers = {kind: run(path, inputs).argmax(1) for kind, path in paths.items()}
    return {
        "data": name,
        "seed": seed,
        "n": len(targets),
        "accuracy": {kind: float((answer == targets).mean()) for kind, answer in answers.items()},
        "agreement_with_float": {k: float((a == answers["float"]).mean()) for k, a in answers.items()},
        "bytes": {kind: path.stat().st_size for kind, path in paths.items()},
        "calibrated": quantized.kind,
        "relative_error": quantized.relative_error,
        "simulated_against_shipped": {"agreement": found.agreement, "difference": found.difference},
    }


def main() -> None:
    """All seeds of all data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", default="digits,cifar10")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "results.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["data"], row["seed"]) for row in rows}
    for name in asked.data.split(","):
        data = bu.load("digits", seed=0) if name == "digits" else cifar10(asked.out)
        for seed in range(asked.seeds):
            if (name, seed) not in done:
                line = json.dumps(measured(name, data, seed, asked.out))
                with file.open("a") as out:
                    print(line, file=out)
                print(line, flush=True)


if __name__ == "__main__":
    main()
