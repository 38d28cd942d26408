"""What a channel is worth.

Source: magnitude, Li et al. 2017, arXiv:1608.08710; first-order Taylor, Molchanov et al. 2019, arXiv:1906.10771; scale
of a batch norm, Liu et al. 2017, arXiv:1708.06519; over coupled layers, Fang et al. 2023, arXiv:2301.12900.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map

from burnish.compression.channels import Group, Inputs, called
from burnish.compression.knife import by_channel
from burnish.errors import UsageError
from burnish.model.backward import backward

__all__ = ["CRITERIA", "Batches", "LossFunction", "importance", "slopes"]

CRITERIA = ("l2", "l1", "taylor", "bn_scale", "random")
STATISTICS = ("running_mean", "running_var")

Batches = Iterable[tuple[Inputs, Any]]
LossFunction = Callable[[Any, Any], Tensor]


def slopes(model: nn.Module, batches: Batches | None, loss: LossFunction | None) -> dict[str, Tensor]:
    """Weight times gradient of the mean loss over `batches`, by parameter.

    Raises:
        UsageError: there are no batches, or no loss.
    """
    if batches is None or loss is None:
        raise UsageError("criterion taylor needs batches=[(inputs, targets), ...] of training data and loss=")
    network = copy.deepcopy(model).eval()
    count = 0
    for inputs, targets in batches:
        place = tree_map(lambda x: x.detach().cpu() if isinstance(x, Tensor) else x, (inputs, targets))
        backward(loss(called(network, place[0]), place[1]), network)
        count += 1
    if not count:
        raise UsageError("criterion taylor needs at least one batch of training data, got none")
    found = ((name, p) for name, p in network.named_parameters() if p.grad is not None)
    return {name: p.detach() * p.grad / count for name, p in found if p.grad is not None}


def importance(
    model: nn.Module, group: Group, criterion: str, *, gradients: dict[str, Tensor], generator: torch.Generator
) -> Tensor:
    """What each channel of `group` is worth, `(width,)`, with mean one except for `taylor` and `bn_scale`.

    Every layer's share of a magnitude is divided by its mean, so that wide and narrow layers count alike. Groups
    without a batch norm are weighed by `l2` where `bn_scale` is asked for.
    """
    if criterion == "random":
        return torch.rand(group.width, generator=generator)
    if criterion == "taylor":
        worth = by_channel(model, group, lambda name, value: gradients.get(name))
        return torch.stack(worth).square().mean(0) if worth else torch.zeros(group.width)
    if criterion == "bn_scale":
        scales = _scales(model, group)
        if scales:
            return torch.stack(scales).mean(0)
    power = 1 if criterion == "l1" else 2
    shares = by_channel(model, group, lambda name, value: _magnitude(name, value, power))
    if not shares:
        return torch.ones(group.width)
    return torch.stack([share / share.mean().clamp(min=1e-12) for share in shares]).mean(0)


def _magnitude(name: str, value: Tensor, power: int) -> Tensor | None:
    """Size of the weights; biases, scales and statistics are on another scale and are left out."""
    if value.ndim < 2 or name.endswith(STATISTICS):
        return None
    return value.abs() if power == 1 else value.square()


def _scales(model: nn.Module, group: Group) -> list[Tensor]:
    modules = dict(model.named_modules())
    found = []
    for member in group.members:
        module = modules.get(member.layer)
        if isinstance(module, _BatchNorm) and module.affine:
            size = module.weight.detach().abs().float()[list(member.positions)]
            found.append(torch.zeros(group.width).index_add_(0, torch.tensor(member.roots), size))
    return found
