"""Slot values of a plan -> optimizers and learning-rate multipliers."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from burnish.errors import UsageError
from burnish.plan import Optimizer, Schedule

__all__ = ["OPTIMIZERS", "build_optimizer", "multiplier", "set_rate"]

RISING = 0.3  # share of a cycle
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")


def build_optimizer(
    spec: Optimizer, model: nn.Module, freeze: tuple[str, ...] = (), rates: tuple[tuple[str, float], ...] = ()
) -> torch.optim.Optimizer:
    """The optimizer of `spec` over the trainable parameters of `model`.

    Weight decay acts on matrices and kernels only: biases and normalization parameters are left alone.

    Args:
        spec: Which optimizer.
        model: What it trains. Parameters that are frozen lose `requires_grad`.
        freeze: Prefixes of parameter names.
        rates: `(prefix, factor)` of parameters that learn at another rate; the longest prefix counts.

    Raises:
        UsageError: the name is unknown, or nothing is trainable.
    """
    groups = _groups(model, spec.weight_decay, freeze, rates)
    for group in groups:
        group["lr"] = spec.lr * group["rate_factor"]
    if not groups:
        raise UsageError(
            "no parameter is trainable: all have requires_grad=False or are frozen; unfreeze the last layer at least"
        )
    optimizer = _bare(spec, groups)
    for wrapper in spec.wrappers:
        optimizer = wrapper(optimizer, model)
    return optimizer


def _bare(spec: Optimizer, groups: Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
    if spec.name == "adamw":
        return torch.optim.AdamW(groups, lr=spec.lr, fused=True)
    if spec.name == "adam":
        return torch.optim.Adam(groups, lr=spec.lr, fused=True)
    if spec.name == "sgd":
        return torch.optim.SGD(groups, lr=spec.lr, momentum=spec.momentum, nesterov=spec.momentum > 0, fused=True)
    if spec.name == "rmsprop":
        return torch.optim.RMSprop(groups, lr=spec.lr, momentum=spec.momentum)
    raise UsageError(f"unknown optimizer {spec.name!r}; one of {', '.join(OPTIMIZERS)}")


def _groups(
    model: nn.Module, weight_decay: float, freeze: tuple[str, ...], rates: tuple[tuple[str, float], ...]
) -> list[dict[str, Any]]:
    """One group for each pair of decay and rate, in the order of the network, matrices first."""
    found: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if name.startswith(freeze):
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            found.setdefault((_rate_factor(name, rates), parameter.ndim > 1), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if matrix else 0.0, "rate_factor": factor}
        for (factor, matrix), parameters in sorted(found.items(), key=lambda item: (-item[0][0], not item[0][1]))
    ]


def _rate_factor(name: str, rates: tuple[tuple[str, float], ...]) -> float:
    fitting = [(len(prefix), factor) for prefix, factor in rates if name.startswith(prefix)]
    return max(fitting)[1] if fitting else 1.0


def multiplier(schedule: Schedule | None, progress: float) -> float:
    """What the learning rate is multiplied with when the share `progress` of the training is done.

    Source: cosine, Loshchilov and Hutter 2017, arXiv:1608.03983; one cycle, Smith 2018, arXiv:1803.09820.

    Raises:
        UsageError: the kind is unknown.
    """
    if schedule is None:
        return 1.0
    if schedule.cycles > 1:
        progress = progress * schedule.cycles % 1.0
    if schedule.kind == "one_cycle":
        return _one_cycle(progress)
    rising = schedule.warmup
    if progress < rising:
        return max(progress / rising, 1e-3)
    left = (progress - rising) / max(1 - rising, 1e-9)
    if schedule.kind == "constant":
        return 1.0
    if schedule.kind == "linear":
        return 1 - left
    if schedule.kind == "cosine":
        return 0.5 * (1 + math.cos(math.pi * left))
    raise UsageError(f"unknown schedule {schedule.kind!r}; one of constant, cosine, linear, one_cycle")


def _one_cycle(progress: float) -> float:
    """A cosine from a twenty-fifth up to the full rate in 30 % of the training, another one down to almost nothing."""
    first, last = 1 / 25, 1 / 25e4
    if progress < RISING:
        return first + (1 - first) * (1 - math.cos(math.pi * progress / RISING)) / 2
    return last + (1 - last) * (1 + math.cos(math.pi * (progress - RISING) / (1 - RISING))) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of `optimizer` the learning rate `rate`, times the group's own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate_factor", 1.0)
