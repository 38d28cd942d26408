"""The same network with fewer channels, and fresh weights: a student, or what its size is worth without a teacher.

The shape comes from pruning, so it is right wherever pruning is; the weights are those of a new initialization, whose
size is set again for the smaller number of inputs.
"""

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from burnish.compression.prune import prune
from burnish.compression.rebuild import rebuild_pruned
from burnish.model.surgery import Probe
from burnish.plan import Plan

__all__ = ["Narrow", "narrowed", "ratio_within"]

RATIOS = (0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """A plan whose networks lack the share `ratio` of their channels, like a technique. Changes: `plan.model`."""

    ratio: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise ValueError(f"ratio must be between 0 and 1, got {self.ratio}")

    def __call__(self, plan: Plan) -> Plan:
        return plan.edit_model(functools.partial(_edit, ratio=self.ratio))


def narrowed(model: nn.Module, inputs: torch.Tensor, ratio: float, *, reset: bool = False) -> nn.Module:
    """A copy of `model` with about the share `ratio` of each layer's channels removed, ready to be trained anew.

    Args:
        model: A freshly initialized network; it is not modified.
        inputs: A few network inputs.
        ratio: Share of the channels.
        reset: Initialize anew, for a network that comes with trained weights.

    Raises:
        NotApplicable: there is no channel that can be removed.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3))
        >>> narrowed(net, torch.randn(8, 4), 0.5)[0].out_features
        32
    """
    history = prune(model, inputs, ratio, criterion="random").history
    smaller = rebuild_pruned(copy.deepcopy(model), history)
    before = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in smaller.named_parameters():
            old = before[name]
            if parameter.ndim > 1 and parameter.shape[1:] != old.shape[1:]:
                parameter.mul_(math.sqrt(old[0].numel() / parameter[0].numel()))
    if reset:
        for module in smaller.modules():
            initialize = getattr(module, "reset_parameters", None)
            if callable(initialize):
                initialize()
    return smaller


def ratio_within(fits: Callable[[float], bool], ratios: tuple[float, ...] = RATIOS) -> float | None:
    """The smallest of `ratios` that fits, where what is cut more costs less; None where none does.

    With `fits` measuring the latency of an untrained copy it finds the network that is as fast as a pruned one.

    Example:
        >>> ratio_within(lambda ratio: ratio > 0.55)
        0.6
    """
    low, high = 0, len(ratios)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(ratios[middle]) else (middle + 1, high)
    return ratios[low] if low < len(ratios) else None


def _edit(model: nn.Module, probe: Probe, *, ratio: float) -> nn.Module:
    return narrowed(model, probe.few, ratio, reset=probe.trained)
