"""Network outputs for a split, the clean way: evaluation mode, no gradient, no augmentation."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from burnish.data.data import Split
from burnish.data.preparation import Preparation
from burnish.data.tensors import network_tensor
from burnish.errors import UsageError

__all__ = ["evaluating", "outputs_on", "predict"]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """`model` in evaluation mode; afterwards every submodule has the mode it had before.

    Each flag is kept on its own, because a frozen part may be in evaluation mode inside a network in training mode.
    """
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, training in before:
            module.training = training


def predict(
    model: nn.Module,
    split: Split,
    preparation: Preparation,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 512,
) -> np.ndarray:
    """Outputs `(n, outputs)`, float32, of `model` for the rows of `split`, in their order.

    The network stays on its device, which has to be `device`. `task.decode` turns outputs into predictions.

    Raises:
        UsageError: the split is empty, or the outputs are not two-dimensional.
    """
    if not len(split):
        raise UsageError("the split has no rows, so there is nothing to predict; check the fractions it was made with")
    rows = (split.rows[start : start + batch_size] for start in range(0, len(split), batch_size))
    return _collected(model, (split.pool_inputs[part] for part in rows), preparation, device)


def outputs_on(
    model: nn.Module,
    stored: np.ndarray,
    preparation: Preparation,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 512,
) -> np.ndarray:
    """The same for an array of stored inputs instead of a split.

    Raises:
        UsageError: the array is empty, or the outputs are not two-dimensional.
    """
    if not len(stored):
        raise UsageError("got no inputs at all, so there is nothing to predict")
    parts = (stored[start : start + batch_size] for start in range(0, len(stored), batch_size))
    return _collected(model, parts, preparation, device)


def _collected(
    model: nn.Module, batches: Iterator[np.ndarray], preparation: Preparation, device: torch.device | str
) -> np.ndarray:
    collected = []
    with evaluating(model), torch.inference_mode():
        for stored in batches:
            outputs = model(network_tensor(preparation, stored, device))
            collected.append(_checked(outputs, len(stored)).float().cpu().numpy())
    return np.concatenate(collected)


def _checked(outputs: object, examples: int) -> torch.Tensor:
    if not isinstance(outputs, torch.Tensor):
        raise UsageError(f"the network returns a {type(outputs).__name__}; expected one tensor (examples, outputs)")
    if outputs.ndim != 2 or len(outputs) != examples:
        raise UsageError(
            f"for {examples} examples the network gives outputs of shape {tuple(outputs.shape)}; expected "
            f"({examples}, outputs): flatten before the last layer, and give single outputs a width of one"
        )
    return outputs
