"""Where a network lacks normalization, and how a norm is put there.

A norm belongs between a layer and its activation. Left out are: output layers; layers whose result is
normalized already, or that layer normalization prepares (Transformers); layers called several times in one
pass (recurrent cells, shared towers), which would mix the statistics of different values; layers that only
decide gates, or whose maps are pooled to one position (squeeze-and-excitation); and linear layers applied to
every position of a sequence, `(B, T, F)`, whose statistics would mix positions and padding.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable
from burnish.model.account import left
from burnish.model.flow import follows_layer_norm, heads, norm_follows, only_gates, role
from burnish.model.roles import dimensions, is_convolution
from burnish.model.surgery import wrapped
from burnish.model.tracing import Call, Trace, trace

__all__ = ["MakeNorm", "batch_statistics", "evaluating", "inserted", "norm_places", "set_affine", "set_statistics"]

MakeNorm = Callable[[int, int], nn.Module]
"""`(channels, spatial dimensions) -> norm`."""


def norm_places(seen: Trace) -> dict[str, tuple[int, int]]:
    """Paths of the layers that lack normalization, with their channels and spatial dimensions, in order of calls."""
    ends, found = heads(seen), {}
    for call in seen.calls:
        if role(call) == "weights" and call.module is not None:
            why = _excuse(seen, call, ends)
            if why:
                left(call.path, why)
            else:
                found[call.path] = (call.shape[1], dimensions(_layer(call)))
    return found


def inserted(model: nn.Module, inputs: Tensor, make: MakeNorm) -> tuple[nn.Module, tuple[str, ...]]:
    """A copy of `model` with a norm after every layer that lacks one, and the paths of those layers.

    Raises:
        NotApplicable: no layer lacks one.
    """
    places = norm_places(trace(model, inputs))
    if not places:
        raise NotApplicable(
            "no layer lacks normalization: every convolution and linear layer but the output layers is normalized "
            "already, or is one that normalization would harm (recurrent, gating, or applied to a sequence)"
        )
    after = {path: partial(_made, make, channels, spatial) for path, (channels, spatial) in places.items()}
    return wrapped(model, after=after), tuple(places)


def batch_statistics(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of each channel of `values`, `(B, channels, ...)`, in double precision."""
    flat = values.double().transpose(0, 1).flatten(1)
    return flat.mean(1), flat.var(1, unbiased=flat.shape[1] > 1)


def set_statistics(norm: Any, values: Tensor) -> None:
    """Give a batch norm the statistics of `values` as its running ones."""
    mean, variance = batch_statistics(values)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients for a while; each module's own mode comes back."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def set_affine(norm: Any, weight: Tensor, bias: Tensor) -> None:
    """Write scale and shift of a norm, `(channels,)` each."""
    with torch.no_grad():
        norm.weight.copy_(weight)
        norm.bias.copy_(bias)


def _layer(call: Call) -> nn.Module:
    assert call.module is not None
    return call.module


def _made(make: MakeNorm, channels: int, spatial: int, _layer: nn.Module) -> nn.Module:
    return make(channels, spatial)


def _excuse(seen: Trace, call: Call, ends: frozenset[int]) -> str:
    """Why a layer with weights gets no norm; empty where it lacks one."""
    layer = _layer(call)
    maps = is_convolution(layer)
    reasons = (
        ("recurrent or attention", not maps and not isinstance(layer, nn.Linear)),
        ("applied to every position of a sequence", not maps and len(call.shape) != 2),
        ("without a batch dimension", maps and len(call.shape) != dimensions(layer) + 2),
        ("its maps have one position", maps and all(size == 1 for size in call.shapes[0][2:])),
        ("an output layer", call.index in ends),
        ("used several times in one pass", seen.times(call.path) != 1),
        ("normalized already", norm_follows(seen, call.index)),
        ("layer normalization prepares its input", follows_layer_norm(seen, call.index)),
        ("decides gates", only_gates(seen, call.index)),
    )
    return next((why for why, holds in reasons if holds), "")
