"""What a network costs: size, operations, training speed."""

import torch
from torch import nn

from burnish.model.inspect import inspect
from burnish.records import Cost

__all__ = ["cost"]


def cost(
    model: nn.Module,
    example: torch.Tensor,
    *,
    train_seconds: float | None = None,
    examples: int | None = None,
    peak_memory: int | None = None,
) -> Cost:
    """Size, operations and training cost of `model`.

    Args:
        model: The network as it is served. It is not changed.
        example: One or more network inputs; operations are counted for the first.
        train_seconds: Wall clock of its training.
        examples: How many examples the training went through (rows times epochs), for examples per second.
        peak_memory: Bytes, where they were measured.

    Raises:
        UsageError: the network cannot compute the example.
    """
    seen = inspect(model, example[:1])
    speed = examples / train_seconds if train_seconds and examples else None
    return Cost(
        parameters=seen.parameters,
        bytes=seen.bytes,
        operations=seen.operations,
        train_seconds=train_seconds,
        examples_per_second=speed,
        peak_memory=peak_memory,
    )
