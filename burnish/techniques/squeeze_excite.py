"""Squeeze-and-excitation: channels weighted by what the whole example shows.

A convolution sees a small neighborhood. Each channel's mean over all positions goes through a small
network that gives every channel a weight, so that what the example shows elsewhere decides which channels count.

Helps: convolutional networks with many channels and enough data.
Does not: small networks and few examples.
Costs: few operations, but latency for its pooling.

Source: Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018, arXiv:1709.01507.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from burnish.errors import NotApplicable
from burnish.model.account import left, left_call
from burnish.model.branches import Branch, branches, endings, gated
from burnish.model.flow import convolves, hidden_activations, only_gates, role
from burnish.model.places import Place, place_of
from burnish.model.surgery import Probe, wrapped
from burnish.model.tracing import Trace, trace
from burnish.plan import Plan

__all__ = ["Excitation", "SqueezeExcite", "with_squeeze_excite"]

FEWEST = 4  # hidden units of the small network
THROUGH = ("norm", "dropout", "activation", "pool", "same", "add")  # what keeps channels second


class Excitation(nn.Module):
    """Channels of `(B, C, ...)` times a gate between 0 and 2 that their means decide; 1 for a new layer.

    Twice the sigmoid of the source, with the last layer at zero, is one at the start: put into a
    trained network, it changes nothing before it is trained.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, x: Tensor) -> Tensor:
        gate = 2 * torch.sigmoid(self.excite(F.relu(self.squeeze(x.flatten(2).mean(2)))))
        return x * gate.reshape(*gate.shape, *[1] * (x.ndim - 2))


def with_squeeze_excite(model: nn.Module, *, probe: Probe, reduction: int = 16) -> nn.Module:
    """Return a copy of `model` with squeeze-and-excitation on the maps of its convolutions, in 1-D, 2-D and 3-D.

    In a residual network it goes to the end of each branch, before the sum, as in the source; elsewhere behind the
    activation of each convolution. Branches and maps that have gates already are left alone. It starts as the identity.

    Args:
        model: Any network. It is not modified.
        probe: Inputs to run it on.
        reduction: Channels for each hidden unit of the small network, at least 1; it has 4 units or more.

    Raises:
        ValueError: `reduction` is below 1.
        NotApplicable: there are no maps of convolutions, or all have gates.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 2))
        >>> with_squeeze_excite(net, probe=Probe(inputs=torch.randn(4, 3, 8, 8)))[1].after.squeeze
        Linear(in_features=32, out_features=4, bias=True)
    """
    _check(reduction)
    places = _places(trace(model, probe.few))
    if not places:
        raise NotApplicable(
            "no maps to weight: the network has no convolution before the output layer whose result a module "
            "marks, or all of them have gates already"
        )
    makers = {place: _maker(channels, reduction) for place, channels in places.items()}
    after = {place.path: make for place, make in makers.items() if place.after}
    before = {place.path: make for place, make in makers.items() if not place.after}
    return wrapped(model, after=after, before=before)


def _check(reduction: int) -> None:
    if reduction < 1:
        raise ValueError(f"reduction must be at least 1, got {reduction}")


def _maker(channels: int, reduction: int) -> Callable[[nn.Module], nn.Module]:
    return lambda layer: Excitation(channels, max(FEWEST, channels // reduction))


def _places(seen: Trace) -> dict[Place, int]:
    """Where to put it, and how many channels there are: at branches if there are any, else behind activations."""
    residual = [branch for branch in branches(seen) if _maps(seen, branch.end)]
    for branch in (b for b in residual if gated(seen, b)):
        left(seen.calls[branch.sum].path, "its residual branch has gates already")
    ends = [_ending(seen, b) for b in residual if not gated(seen, b)] if residual else _behind_activations(seen)
    _say_why(seen, residual, [end for end in ends if end is not None])
    found = {_place(seen, end): seen.calls[end].shape[1] for end in ends if end is not None}
    return {place: channels for place, channels in found.items() if place is not None}


def _say_why(seen: Trace, residual: list[Branch], ends: list[int]) -> None:
    """Of activations whose maps are not weighted; those inside a residual branch are, at its end."""
    inside = {index for branch in residual for index in branch.calls}
    sums = {branch.sum for branch in residual}
    for call in hidden_activations(seen):
        if call.index in inside or sums & set(call.inputs):
            continue
        reasons = (
            ("no maps of convolutions", not _maps(seen, call.index)),
            ("weights go to the ends of residual branches", bool(residual)),
            ("its result is multiplied already", call.index not in ends),
            ("no module marks its result", _place(seen, call.index) is None),
        )
        why = next((why for why, holds in reasons if holds), "")
        if why:
            left_call(call, why)


def _ending(seen: Trace, branch: Branch) -> int | None:
    """The last call of the branch whose result a module marks."""
    return next((end for end in endings(seen, branch) if _maps(seen, end) and place_of(seen, end) is not None), None)


def _place(seen: Trace, end: int) -> Place | None:
    """Behind an activation; before one that no module marks: a gate above zero passes through a ReLU."""
    before = seen.producers(end)
    activated = role(seen.calls[end]) == "activation" and len(before) == 1
    if activated and place_of(seen, end) is None and len(seen.consumers(before[0].index)) == 1:
        return place_of(seen, before[0].index)
    return place_of(seen, end)


def _behind_activations(seen: Trace) -> list[int]:
    return [
        call.index
        for call in hidden_activations(seen)
        if _maps(seen, call.index)
        and not only_gates(seen, call.index)
        and not any(role(c) == "product" for c in seen.consumers(call.index))
    ]


def _maps(seen: Trace, index: int) -> bool:
    """Whether the result is channels over positions: a convolution's, with nothing in between that moves channels."""
    call = seen.calls[index]
    if not 3 <= len(call.shape) <= 5 or all(size == 1 for size in call.shape[2:]):
        return False
    return _convolved(seen, index)


def _convolved(seen: Trace, index: int) -> bool:
    call = seen.calls[index]
    if role(call) == "weights":
        return convolves(call)
    return role(call) in THROUGH and bool(call.inputs) and all(_convolved(seen, i) for i in call.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqueezeExcite:
    """Channels weighted by what the whole example shows. Changes: `plan.model`.

    Attributes:
        reduction: Channels for each hidden unit of the small network that decides.
    """

    reduction: int = 16

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, int], ...]] = ({"reduction": 16}, {"reduction": 8}, {"reduction": 4})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Hu, Shen and Sun 2018, arXiv:1709.01507"
    modalities: ClassVar[tuple[str, ...]] = ("image", "series", "text")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.reduction)

    def __call__(self, plan: Plan) -> Plan:
        return plan.edit_model(partial(with_squeeze_excite, reduction=self.reduction))
