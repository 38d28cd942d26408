"""Where a network lacks normalization, and how a norm is put there.

A norm belongs between a layer and its activation. Left out are: output layers; layers whose result is
normalized already, or that layer normalization prepares (Transformers); layers called several times in one
pass (recurrent cells, shared towers), which would mix the statistics of different values; layers that only
decide gates, or whose maps are pooled to one position (squeeze-and-excitation); and linear layers applied to
every position of a sequence, `(B, T, F)`, whose statistics would mix positions and padding.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable
from burnish.model.flow import follows_layer_norm, heads, norm_follows, only_gates, role
from burnish.model.roles import dimensions, is_convolution
from burnish.model.surgery import wrapped
from burnish.model.tracing import Call, Trace, trace

__all__ = ["MakeNorm", "batch_statistics", "inserted", "norm_places", "set_affine"]

MakeNorm = Callable[[int, int], nn.Module]
"""`(channels, spatial dimensions) -> norm`."""


def norm_places(seen: Trace) -> dict[str, tuple[int, int]]:
    """Paths of the layers that lack normalization, with their channels and spatial dimensions, in order of calls."""
    ends = heads(seen)
    lacking = [c for c in seen.calls if _takes_norm(c) and c.index not in ends and seen.times(c.path) == 1]
    return {c.path: (c.shape[1], dimensions(_layer(c))) for c in lacking if not _excused(seen, c)}


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


def _takes_norm(call: Call) -> bool:
    if role(call) != "weights" or call.module is None:
        return False
    if is_convolution(call.module):
        pooled = all(size == 1 for size in call.shapes[0][2:])
        return len(call.shape) == dimensions(call.module) + 2 and not pooled
    return isinstance(call.module, nn.Linear) and len(call.shape) == 2


def _excused(seen: Trace, call: Call) -> bool:
    return norm_follows(seen, call.index) or follows_layer_norm(seen, call.index) or only_gates(seen, call.index)
