"""The tiny plans of the contract matrix, and their training in several ranks; imported by name in fresh processes."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from burnish.data import load
from burnish.model.zoo import cnn, cnn1d, mlp, textcnn
from burnish.plan import Optimizer, Plan
from burnish.techniques import parse
from burnish.training import fit
from burnish.training.ranks import together

KINDS = tuple(f"{modality} {task}" for task in ("classification", "regression") for modality in (
    "image", "text", "table", "series",
))  # fmt: skip
ROWS = 60


class Branch(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width):
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x):
        return (x + self.second(self.first(x).relu())).relu()


def branched():
    """A small residual network."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), Branch(16), Branch(16), nn.Flatten(),
        nn.Linear(256, 10),
    )  # fmt: skip


def image_net(inputs, outputs):
    return cnn(inputs, outputs, width=4)


def text_net(inputs, outputs, vocabulary):
    network = textcnn(inputs, outputs, vocabulary, width=8)
    network.dropout.p = 0.0  # each rank would draw its own
    return network


def table_net(inputs, outputs):
    return mlp(inputs, outputs, width=8)


def series_net(inputs, outputs):
    return cnn1d(inputs, outputs, width=4)


NETWORKS = {"image": image_net, "text": text_net, "table": table_net, "series": series_net}


@cache
def tiny(kind):
    """A plan of two epochs on a few rows of noise with a signal in it."""
    modality, task = kind.split()
    rng, labels = np.random.default_rng(0), np.arange(ROWS) % 2
    signal = labels[:, None].astype(np.float32)
    inputs = {
        "image": lambda: (rng.integers(0, 128, (ROWS, 8, 8, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8),
        "text": lambda: np.where(rng.random((ROWS, 9)) < 0.5, rng.integers(2, 20, (ROWS, 9)), 20 + labels[:, None]),
        "table": lambda: rng.normal(size=(ROWS, 6)).astype(np.float32) + signal,
        "series": lambda: rng.normal(size=(ROWS, 2, 16)).astype(np.float32) + signal[..., None],
    }[modality]()
    targets = labels if task == "classification" else labels + rng.normal(scale=0.1, size=ROWS)
    inputs = inputs.astype(np.int32) if modality == "text" else inputs
    if (modality, task) == ("image", "classification"):
        targets = np.arange(ROWS) % 10  # as wide as the networks that techniques bring with them
    data = load((inputs, targets), modality=modality, task=task, validation=12, test=0)
    return Plan(model=NETWORKS[modality], data=data, epochs=2, batch_size=12, optimizer=Optimizer(lr=3e-3))


def draws_alone(model):
    """Whether ranks differ by more than rounding: dropout and batch statistics are of each rank's own rows."""
    own = [m for m in model.modules() if isinstance(m, _BatchNorm) or (isinstance(m, _DropoutNd) and m.p > 0)]
    random = any("drop" in type(m).__name__.lower() or "stochastic" in type(m).__name__.lower() for m in model.modules()
                 if not isinstance(m, nn.Dropout))  # fmt: skip
    return bool(own) or random


def train(shared, payload):
    """How the training of one cell went in this rank."""
    torch.set_num_threads(1)
    plan = tiny(payload["kind"])
    plan = replace(plan, model=branched) if payload["branched"] else plan
    with together():
        fitted = fit(plan.then(parse(payload["technique"])), seed=3, device="cpu")
    return {"status": fitted.status, "losses": [line["train_loss"] for line in fitted.curves]}
