"""Small data of every modality, made here, and runs with whatever curves a test wants."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from burnish.data.data import Data
from burnish.data.preparation import Preparation
from burnish.records import Run
from burnish.tasks import Classification, Regression

SHAPES = {"image": (1, 8, 8), "table": (12,), "series": (2, 24), "text": (10,)}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _inputs(modality: str, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stored inputs in which the label can be seen, linearly but with noise."""
    n = len(labels)
    if modality == "text":
        tokens = rng.integers(2, 50, (n, 10))
        tokens[:, :3] = 5 + labels[:, None]
        tokens[:, 8:] = 0
        return tokens.astype(np.int32)
    shape = SHAPES[modality]
    pattern = np.random.default_rng(9).normal(size=(4, *shape))
    strength = 1.0 if modality == "table" else 0.6  # fewer numbers, so each has to say more
    values = rng.normal(size=(n, *shape)) + strength * pattern[labels]
    if modality == "image":
        return np.clip(np.moveaxis(values, 1, -1) * 40 + 128, 0, 255).astype(np.uint8)
    return values.astype(np.float32)


@pytest.fixture
def make_data() -> Callable[..., Data]:
    def make(modality: str = "table", kind: str = "classification", n: int = 400, **changes: Any) -> Data:
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 4, n)
        inputs = _inputs(modality, labels, rng)
        image = modality == "image"
        preparation = Preparation(
            modality=modality,
            input_shape=SHAPES[modality],
            mean=(128.0,) if image else None,
            std=(40.0,) if image else None,
            vocabulary=tuple(map(str, range(50))) if modality == "text" else (),
        )
        if kind == "classification":
            targets, task = labels, Classification(classes=("a", "b", "c", "d"))
        else:
            targets = 10 + 3 * labels + rng.normal(size=n)
            task = Regression.for_targets(("y",), targets)
        fields = {
            "inputs": inputs,
            "targets": targets,
            "train_rows": np.arange(n // 2),
            "validation_rows": np.arange(n // 2, n),
            "task": task,
            "preparation": preparation,
        }
        return Data(**(fields | changes))

    return make


@pytest.fixture
def make_run() -> Callable[..., Run]:
    def make(score: float, train: float | None = None, primary: str = "accuracy", **changes: Any) -> Run:
        fields: dict[str, Any] = {
            "id": "run",
            "stage": "pilot",
            "techniques": (),
            "seed": 0,
            "split": 0,
            "status": "done",
            "primary": primary,
            "scores": {primary: score},
            "train_scores": {} if train is None else {primary: train},
        }
        return Run(**(fields | changes))

    return make
