"""Where a network can be given residual connections, and the two small modules that make one.

A shortcut leads past two layers with weights, from the input of the first to before the activation behind the
second, as in residual networks; past one layer and its activation where there is no pair. It never starts at the
network's input, nor ends at its output, and lies nowhere where values go more than one way already: inside
residual branches, before sums, concatenations and gates. Where the shape changes, a projection without bias leads
past: linear for features, a strided convolution of size 1 for maps.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from burnish.model.account import left
from burnish.model.branches import branches
from burnish.model.flow import convolves, heads, only_gates, role
from burnish.model.places import Place, place_of
from burnish.model.tracing import Call, Trace

__all__ = ["Join", "Span", "Tap", "spans"]

_BETWEEN = ("activation", "norm", "dropout", "pool", "same")
_CONVOLUTIONS: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One place for a shortcut.

    Attributes:
        start: Where its input is.
        end: Where it is added.
        given: Shape of its input.
        wanted: Shape of what it is added to.
        maps: Both are maps of convolutions, channels second.
        strides: Step along each dimension of the maps.
    """

    start: Place
    end: Place
    given: tuple[int, ...]
    wanted: tuple[int, ...]
    maps: bool
    strides: tuple[int, ...]

    def projection(self) -> nn.Module | None:
        """What changes the shape; None where it stays."""
        if self.given == self.wanted:
            return None
        if not self.maps:
            return nn.Linear(self.given[-1], self.wanted[-1], bias=False)
        kind = _CONVOLUTIONS[len(self.strides) - 1]
        return kind(self.given[1], self.wanted[1], 1, stride=self.strides, bias=False)


class Tap(nn.Module):
    """Passes a value on and holds it until the join of the same pass takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.held[:] = [x]
        return x

    def take(self) -> Tensor:
        """The value of this pass, no longer held."""
        return self.held.pop()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"held": []}  # a pass that failed may have left its value


class Join(nn.Module):
    """Adds what a tap holds: a new network starts with the shortcut alone, a trained one without it.

    Either way one learned number, at first zero, decides how much of the other there is.

    Args:
        tap: Of the same pass.
        project: Changes the shape of what it holds; None where it fits.
        trained: The network's function is to stay.
    """

    tap: Tap

    def __init__(self, tap: Tap, project: nn.Module | None, *, trained: bool) -> None:
        super().__init__()
        object.__setattr__(self, "tap", tap)  # it is a part of another module already
        self.project, self.trained = project, trained
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        skip = self.tap.take()
        skip = skip if self.project is None else self.project(skip)
        return x + self.weight * skip if self.trained else skip + self.weight * x

    def extra_repr(self) -> str:
        return f"trained={self.trained}"


def spans(seen: Trace) -> tuple[Span, ...]:
    """Places for shortcuts that do not overlap, from the input to the output; pairs of layers are taken first."""
    ends = heads(seen)
    beside = {index for branch in branches(seen) for index in branch.calls}
    layers = [c for c in seen.calls if _is_layer(seen, c) and c.index not in ends | beside]
    for call in seen.calls:
        if call.module is not None and call.index in beside and role(call) == "weights":
            left(call.path, "a shortcut leads past it already")
    found: list[Span] = []
    free = 1  # calls before this one lie under a shortcut, or are the input
    for layer in layers:
        span, last = _from(seen, layer, ends | beside) if layer.inputs[0] >= free else (None, 0)
        if span is not None:
            found.append(span)
            free = last
        elif layer.index >= free:
            left(layer.path, _excuse(seen, layer))
    for call in (c for c in seen.calls if c.index in ends and c.module is not None):
        left(call.path, "an output layer")
    return tuple(found)


def _excuse(seen: Trace, layer: Call) -> str:
    """Why no shortcut starts before a layer that none leads past."""
    source = seen.calls[layer.inputs[0]]
    if not _starts_inside(seen, source):
        return "it takes the network's input"
    if len(seen.consumers(source.index)) != 1 or only_gates(seen, layer.index):
        return "its input goes more than one way, or it decides gates"
    return "behind it the shape changes by other than whole strides, no module marks the place, or an output follows"


def _is_layer(seen: Trace, call: Call) -> bool:
    kind = isinstance(call.module, nn.Linear) or convolves(call)
    return kind and call.module is not None and seen.times(call.path) == 1 and len(call.inputs) == 1


def _from(seen: Trace, layer: Call, barred: frozenset[int]) -> tuple[Span | None, int]:
    """The shortcut that starts at what `layer` takes, past no layer in `barred`, and the call it ends at."""
    source = seen.calls[layer.inputs[0]]
    if not _starts_inside(seen, source) or len(seen.consumers(source.index)) != 1 or only_gates(seen, layer.index):
        return None, 0
    chain = _single_way(seen, layer)
    places = [i for i, c in enumerate(chain) if role(c) == "weights"]
    if len(places) > 1 and chain[places[1]].index not in barred and _is_layer(seen, chain[places[1]]):
        pair = _span(seen, source, _with_norm(chain, places[1]))
        if pair is not None:
            return pair, _with_norm(chain, places[1]).index
    activated = next((c for c in chain[: places[1] if len(places) > 1 else None] if role(c) == "activation"), None)
    if activated is None:
        return None, 0
    end = _reachable(seen, activated)
    return _span(seen, source, end), end.index


def _starts_inside(seen: Trace, call: Call) -> bool:
    """Whether a layer with weights or an embedding comes before: a shortcut from the raw input would say little."""
    waiting = [call]
    while waiting:
        current = waiting.pop()
        if role(current) in ("weights", "embedding"):
            return True
        waiting.extend(seen.producers(current.index))
    return False


def _single_way(seen: Trace, layer: Call) -> list[Call]:
    """The layer and what follows it while each result goes one way, through layers of known kinds."""
    chain = [layer]
    while True:
        consumers = seen.consumers(chain[-1].index)
        if len(consumers) != 1 or chain[-1].index in seen.outputs or len(consumers[0].inputs) != 1:
            return chain
        if role(consumers[0]) not in (*_BETWEEN, "weights"):
            return chain
        chain.append(consumers[0])


def _reachable(seen: Trace, call: Call) -> Call:
    """The call, or what dropout makes of it, where a module marks only that."""
    consumers = seen.consumers(call.index)
    if place_of(seen, call.index) is None and len(consumers) == 1 and role(consumers[0]) in ("dropout", "same"):
        return _reachable(seen, consumers[0])
    return call


def _with_norm(chain: list[Call], place: int) -> Call:
    """The norm that follows the layer at `place`, or the layer."""
    following = chain[place + 1] if place + 1 < len(chain) else None
    return following if following is not None and role(following) == "norm" else chain[place]


def _span(seen: Trace, source: Call, end: Call) -> Span | None:
    start, stop = place_of(seen, source.index), place_of(seen, end.index)
    given, wanted = source.shape, end.shape
    if start is None or stop is None or len(given) != len(wanted) or len(seen.consumers(end.index)) != 1:
        return None
    maps = _is_map(seen, end)
    strides = tuple(ceil(a / b) for a, b in zip(given[2:], wanted[2:], strict=True)) if maps else ()
    reached = tuple(ceil(size / step) for size, step in zip(given[2:], strides, strict=True)) if maps else wanted[1:-1]
    if reached != (wanted[2:] if maps else given[1:-1]) or given[0] != wanted[0]:
        return None
    return Span(start=start, end=stop, given=given, wanted=wanted, maps=maps, strides=strides)


def _is_map(seen: Trace, call: Call) -> bool:
    while role(call) != "weights":
        call = seen.producers(call.index)[0]
    return convolves(call)
