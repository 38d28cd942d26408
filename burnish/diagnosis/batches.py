"""Rows as tensors, and a network set up for looking at: what the rules that run the network share."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from burnish.data.data import Data, Split
from burnish.data.tensors import network_tensor

__all__ = ["device_of", "distinct_rows", "norm_layers", "quiet_copy", "seeded", "some_rows", "tensors"]


def device_of(model: nn.Module) -> torch.device:
    """Where the parameters are; the CPU for a network without any."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def some_rows(split: Split, count: int, *, seed: int = 0) -> Split:
    """At most `count` rows of the split, at random, in their order."""
    if len(split) <= count:
        return split
    return split.take(np.sort(np.random.default_rng(seed).choice(len(split), count, replace=False)))


def distinct_rows(data: Data, count: int, *, seed: int = 0) -> Split:
    """At most `count` training rows with different inputs, spread evenly over the classes."""
    split = some_rows(data.train, 2000, seed=seed)
    inputs, targets = split.inputs, split.targets
    _, first = np.unique(inputs.reshape(len(inputs), -1), axis=0, return_index=True)
    first = np.random.default_rng(seed).permutation(np.sort(first))
    if data.task.kind == "classification":  # round robin: the k-th example of every class before any (k+1)-th
        turn = np.zeros(len(first), dtype=int)
        for c in np.unique(targets):
            mine = np.flatnonzero(targets[first] == c)
            turn[mine] = np.arange(len(mine))
        first = first[np.argsort(turn, kind="stable")]
    return split.take(first[:count])


def tensors(data: Data, split: Split, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Network inputs and encoded targets of all rows of the split."""
    targets = torch.from_numpy(data.task.encode(split.targets)).to(device)
    return network_tensor(data.preparation, split.inputs, device), targets


def quiet_copy(model: nn.Module) -> nn.Module:
    """A copy in training mode whose dropout layers do nothing, so that only the use of batch statistics differs."""
    model = copy.deepcopy(model).train()
    for module in model.modules():
        if isinstance(module, _DropoutNd):
            module.eval()
    return model


def norm_layers(model: nn.Module) -> list[_BatchNorm]:
    """The batch normalizations that keep running statistics."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Torch's random numbers from `seed`; afterwards the global state is as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
