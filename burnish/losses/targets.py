"""Targets as class probabilities, and the two operations on them.

With `t` an example's class probabilities after mixup or CutMix, `z` the outputs and `a` the teacher's, what is
minimized is the mean over the batch of

    (1 - share) * (weights @ t) * loss(z, smooth(t, smoothing)) + share * distillation(z, a)

`loss` may be any of `burnish.losses`, focal among them; `share` is 0 without a teacher, who sees the same mixed inputs.
Mixing happens in the batch, smoothing and weighing in the loss, the teacher beside it. Smoothing and mixing are linear
and commute; a mixed example weighs as much as its parts do together. So there is one target, whatever the order of the
techniques.

Sources: label smoothing, Szegedy et al. 2016, arXiv:1512.00567; mixing, Zhang et al. 2018, arXiv:1710.09412.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.errors import UsageError

__all__ = ["as_probabilities", "check_classes", "mix", "smooth"]


def as_probabilities(targets: Tensor, classes: int) -> Tensor:
    """Class indices `(batch,)` as one-hot rows `(batch, classes)`; class probabilities stay as they are.

    Raises:
        UsageError: the targets are neither.

    Example:
        >>> as_probabilities(torch.tensor([1, 0]), 3).tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    check_classes(targets, classes)
    if targets.ndim == 2:
        return targets
    return F.one_hot(targets.long(), classes).to(torch.get_default_dtype())


def check_classes(targets: Tensor, classes: int) -> None:
    """See that `targets` are class indices `(batch,)` or probabilities `(batch, classes)`.

    Raises:
        UsageError: they are neither.
    """
    indices = targets.ndim == 1 and not targets.is_floating_point()
    rows = targets.ndim == 2 and targets.is_floating_point() and targets.shape[1] == classes
    if not (indices or rows):
        raise UsageError(
            f"targets of shape {tuple(targets.shape)} and type {targets.dtype} are no classes: give class indices "
            f"(batch,) as int64 or probabilities (batch, {classes}) as float"
        )


def smooth(probabilities: Tensor, alpha: float) -> Tensor:
    """Move the share `alpha` of each row of `(batch, classes)` to the uniform distribution.

    Example:
        >>> smooth(torch.tensor([[1.0, 0.0]]), 0.5).tolist()
        [[0.75, 0.25]]
    """
    return probabilities if alpha == 0 else probabilities * (1 - alpha) + alpha / probabilities.shape[1]


def mix(a: Tensor, b: Tensor, share: Tensor | float) -> Tensor:
    """`share` of `a` and the rest of `b`; a tensor of shares `(batch,)` holds one for each example.

    Example:
        >>> mix(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.75).tolist()
        [[0.75, 0.25]]
    """
    if isinstance(share, Tensor):
        share = share.to(a).view(-1, *([1] * (a.ndim - 1)))
    return a * share + b * (1 - share)
