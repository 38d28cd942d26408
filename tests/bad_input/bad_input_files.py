"""Files that a user might hand in."""

from pathlib import Path

import numpy as np

NETWORKS = """
import sys
import torch
from torch import nn


class Good(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        return self.layer(x.flatten(1))


def width(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
def inputs(): return nn.Sequential(nn.Flatten(), nn.Linear(63, 10))
def wants(depth, outputs): return Good()
def raises(): raise RuntimeError("no such\\nlayer")
def exits(): sys.exit(3)
def nothing(): return None
number = 3


class ReturnsTuple(Good):
    def forward(self, x):
        return super().forward(x), x


class ReturnsTupleInTraining(Good):
    def forward(self, x):
        return (super().forward(x), x) if self.training else super().forward(x)


class FailsInTraining(Good):
    def forward(self, x):
        if self.training:
            raise ValueError("lost the mask")
        return super().forward(x)


class FailsInEvaluation(Good):
    def forward(self, x):
        if not self.training:
            raise ValueError("lost the mask")
        return super().forward(x)


class FailsOnOne(Good):
    def forward(self, x):
        return self.layer(x.squeeze().flatten(1))


class SqueezesOne(Good):
    def forward(self, x):
        return super().forward(x).squeeze()


class NotFinite(Good):
    def forward(self, x):
        return super().forward(x) / 0


class NotFiniteInTraining(Good):
    def forward(self, x):
        return super().forward(x) * (float("nan") if self.training else 1)


class NoGradient(Good):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


class MixesExamples(Good):
    def forward(self, x):
        return super().forward(x) - super().forward(x).mean(0)


class FailsLater(Good):
    steps = 0

    def forward(self, x):
        self.steps += self.training
        if self.steps > 15:
            raise RuntimeError("out of steps")
        return super().forward(x)


class NotFiniteLater(Good):
    steps = 0

    def forward(self, x):
        self.steps += self.training
        return super().forward(x) * (1 if self.steps < 12 else float("nan"))
"""


def rows(text, count: int = 60) -> str:
    """`count` lines of a table; `text` makes one from its number."""
    return "\n".join(text(i) for i in range(count)) + "\n"


def write_arrays(file: Path, rows: int = 60, **changes) -> Path:
    """An NPZ file of 60 rows with two classes that can be learned, but for `changes`."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 2
    x = rng.normal(size=(rows, 4)).astype(np.float32) + y[:, None]
    np.savez(file, **{"x": x, "y": y} | changes)
    return file
