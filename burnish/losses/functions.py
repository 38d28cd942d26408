"""The losses themselves, each `(outputs, targets) -> (batch,)`, one value per example.

Losses of classes take logits `(batch, classes)` and class indices or probabilities; losses of values take
`(batch, values)` twice.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.errors import UsageError
from burnish.losses.targets import as_probabilities

__all__ = ["bce", "binary_focal", "brier", "cross_entropy", "focal", "huber", "mae", "mse"]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Negative log likelihood of the target distribution."""
    return F.cross_entropy(logits, targets, reduction="none")


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy of each class against the rest, summed over the classes.

    Source: Wightman, Touvron and Jégou 2021, arXiv:2110.00476.
    """
    target = as_probabilities(targets, logits.shape[1]).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1)


def focal(logits: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    """Cross entropy with each class weighed by `(1 - probability) ** gamma`; easy examples count less.

    Source: Lin et al. 2017, arXiv:1708.02002.
    """
    logs = logits.log_softmax(1)
    target = as_probabilities(targets, logits.shape[1])
    # 1 - p, from the logarithm and never zero, so that the power has a finite gradient for gamma < 1
    doubt = -torch.expm1(logs.clamp(max=-1e-6))
    return -(target * doubt.pow(gamma) * logs).sum(1)


def binary_focal(logits: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss of each class or label against the rest, summed over them; its form in detection.

    Source: Lin et al. 2017, arXiv:1708.02002.
    """
    target = as_probabilities(targets, logits.shape[1]).to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    right = logits.sigmoid()
    # never zero, so that the power has a finite gradient for gamma < 1
    doubt = (target * (1 - right) + (1 - target) * right).clamp(min=1e-6)
    return (losses * doubt.pow(gamma)).sum(1)


def brier(logits: Tensor, targets: Tensor) -> Tensor:
    """Squared error of the class probabilities, summed over the classes.

    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    return (logits.softmax(1) - as_probabilities(targets, logits.shape[1])).square().sum(1)


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error, averaged over the values of an example."""
    return F.mse_loss(outputs, _values(outputs, targets), reduction="none").mean(1)


def mae(outputs: Tensor, targets: Tensor) -> Tensor:
    """Absolute error, averaged over the values of an example."""
    return F.l1_loss(outputs, _values(outputs, targets), reduction="none").mean(1)


def huber(outputs: Tensor, targets: Tensor, delta: float = 1.0) -> Tensor:
    """Squared near zero, absolute beyond `delta` (in deviations of the targets); averaged over the values.

    Source: Huber 1964, doi:10.1214/aoms/1177703732.
    """
    return F.huber_loss(outputs, _values(outputs, targets), reduction="none", delta=delta).mean(1)


def _values(outputs: Tensor, targets: Tensor) -> Tensor:
    # (batch,) against (batch, 1) would broadcast to (batch, batch) and train on nonsense
    if targets.shape != outputs.shape or not targets.is_floating_point():
        raise UsageError(
            f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} of type {targets.dtype} do not "
            "match: a loss of values takes float targets of the shape of the outputs; for classes use "
            "cross_entropy, bce, focal or brier"
        )
    return targets.to(outputs.dtype)
