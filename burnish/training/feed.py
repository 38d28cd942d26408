"""Training batches: a slice, then whole-batch transforms on the device."""

from collections.abc import Iterator

import numpy as np
import torch

from burnish.data.data import Data
from burnish.data.tensors import network_tensor
from burnish.plan import BatchContext, Plan
from burnish.training.seeds import generator

__all__ = ["batches", "steps_per_epoch"]


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Steps of one epoch. A last batch of a single example is left out: batch norm cannot train on it."""
    full, rest = divmod(examples, batch_size)
    return max(full + (rest > 1), 1)


def batches(
    plan: Plan, data: Data, *, seed: int, epoch: int, device: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches `(inputs, targets)` of one epoch, shuffled and transformed; a pure function of seed and epoch."""
    order = _order(plan, data, generator(seed, "order", epoch))
    targets = data.task.encode(data.train.targets)
    draws = generator(seed, "batch", epoch)
    steps = steps_per_epoch(len(order), plan.batch_size)
    for step in range(steps):
        chosen = order[step * plan.batch_size : (step + 1) * plan.batch_size]
        rows = data.train.rows[chosen]
        x = network_tensor(data.preparation, data.inputs[rows], device)
        y = torch.from_numpy(np.ascontiguousarray(targets[chosen])).to(device)
        if plan.batch:
            context = BatchContext(
                generator=draws,
                outputs=data.task.outputs,
                kind=data.task.kind,
                modality=data.modality,
                epoch=epoch,
                progress=(epoch + step / steps) / plan.epochs,
            )
            for transform in plan.batch:
                x, y = transform(x, y, context)
        yield x, y


def _order(plan: Plan, data: Data, draws: torch.Generator) -> np.ndarray:
    """Positions of the training rows for one epoch: each once, or drawn by class as `plan.sampling` says."""
    if plan.sampling is None:
        return torch.randperm(len(data.train), generator=draws).numpy()
    chances = np.asarray(plan.sampling)[data.train.targets]
    return torch.multinomial(torch.from_numpy(chances), len(chances), replacement=True, generator=draws).numpy()
