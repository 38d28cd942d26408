"""Where dropout belongs in a network.

Its places are found from the hidden activations and recurrent layers, each followed to the next layer with
weights. Features `(B, F)` and sequences `(B, T, F)` lose single elements there. Maps of convolutions lose
whole channels, because neighboring positions say nearly the same, and only

- before the resolution falls: after a pooling, or before a strided convolution, and
- inside a residual branch, before its last convolution (as in wide residual networks), never on the identity.

Nothing is dropped after the last layer, inside recurrent cells, on gates, or where a dropout already stands. The
account of an edit names each activation that was left, and why.
"""

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.conv import _ConvNd

from burnish.model.account import left_call
from burnish.model.flow import hidden_activations, is_gate, only_gates, reaches, role, upstream_convolution
from burnish.model.places import place_of
from burnish.model.roles import is_convolution
from burnish.model.tracing import Call, Trace

__all__ = ["DropoutPlace", "dropout_places"]

_CONCATENATIONS = {"cat", "concat", "concatenate", "hstack"}
_REORDERED = {"permute", "transpose", "swapaxes", "movedim", "t", "getitem", "reshape", "view"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DropoutPlace:
    """One place for dropout.

    Attributes:
        path: A module.
        after: After the module; otherwise before it, on its input.
        spatial: Dimensions of the maps whose channels are dropped; 0 for single elements.
    """

    path: str
    after: bool
    spatial: int


def dropout_places(seen: Trace) -> tuple[DropoutPlace, ...]:
    """Where dropout is missing, in order of calls; at most one place for each value."""
    chains = {start.index: _chain(seen, start) for start in _starts(seen)}
    ends = {chain[-1].index: chain for chain in chains.values()}
    found = {index: _place(seen, ends[index]) for index in sorted(ends) if not _unfit(seen, ends[index])}
    for call in seen.calls:
        why = _excuse(seen, call, chains.get(call.index), found)
        if why:
            left_call(call, why)
    return tuple(dict.fromkeys(place for place in found.values() if place is not None))


def _starts(seen: Trace) -> list[Call]:
    recurrent = [c for c in seen.calls if isinstance(c.module, nn.RNNBase)]
    hidden = [c for c in hidden_activations(seen) if not _repeated(seen, c) and not only_gates(seen, c.index)]
    return sorted([*hidden, *recurrent], key=lambda c: c.index)


def _repeated(seen: Trace, call: Call) -> bool:
    """A function in a `forward` that runs several times, as in a recurrent cell."""
    return call.module is None and seen.times(call.path) > 1


def _chain(seen: Trace, start: Call) -> list[Call]:
    """From an activation along single consumers to the value that the next layer takes, or that a dropout takes."""
    chain = [start]
    while True:
        consumers = seen.consumers(chain[-1].index)
        if len(consumers) != 1 or not _carries(consumers[0]):
            return chain
        chain.append(consumers[0])


def _excuse(seen: Trace, call: Call, chain: list[Call] | None, found: dict[int, DropoutPlace | None]) -> str:
    """Why nothing is dropped behind an activation or recurrent layer; empty where it is, and for other calls."""
    if chain is not None:
        unmarked = found.get(chain[-1].index, chain) is None
        return _unfit(seen, chain) or ("no module marks its result alone" if unmarked else "")
    if role(call) == "activation":
        gate = is_gate(seen, call) or only_gates(seen, call.index)
        repeated = "in a forward that is used several times" if _repeated(seen, call) else "after the last layer"
        return "a gate" if gate else repeated
    function = role(call) == "dropout" and call.module is None and bool(call.name)
    return "it keeps its rate" if function else ""


def _carries(call: Call) -> bool:
    return role(call) in ("pool", "norm", "reshape", "same") or call.name in _CONCATENATIONS


def _unfit(seen: Trace, chain: list[Call]) -> str:
    """Why the value at the end of a chain is not to be dropped from; empty where it is."""
    consumers = seen.consumers(chain[-1].index)
    if any(role(c) == "dropout" for c in consumers):
        return "a dropout follows already"
    if not consumers:
        return "after the last layer"
    if not _spatial(seen, chain):
        plain = all(role(c) in ("weights", "reshape", "mixing") for c in consumers)
        return "" if plain else "its result goes elsewhere than into a layer"
    if any(role(c) == "pool" for c in chain):
        return ""
    if len(consumers) == 1 and (_strides(consumers[0]) or _ends_branch(seen, consumers[0])):
        return ""
    return "its maps go on at the same size, and not to the end of a residual branch"


def _strides(call: Call) -> bool:
    layer = call.module
    return isinstance(layer, _ConvNd) and max(layer.stride) > 1 and max(layer.kernel_size) > 1


def _ends_branch(seen: Trace, call: Call) -> bool:
    """Whether a convolution is the last one before a sum with something else."""
    through = {"norm", "dropout", "same", "activation"}
    return is_convolution(call.module) and reaches(
        seen, call.index, lambda c: role(c) == "add" and c.name not in _CONCATENATIONS, through
    )


def _spatial(seen: Trace, chain: list[Call]) -> int:
    """Dimensions of the maps at the end of a chain that began at a convolution; 0 where channels are not the second."""
    start, end = chain[0], chain[-1]
    kept = len(end.shape) == len(start.shape) and not any(c.name in _REORDERED for c in chain)
    dimensions = len(end.shape) - 2
    return dimensions if kept and 1 <= dimensions <= 3 and upstream_convolution(seen, start.index) else 0


def _place(seen: Trace, chain: list[Call]) -> DropoutPlace | None:
    """After the module that gives the value; else before the one layer that takes it; else after an earlier one."""
    end = chain[-1].index
    found = place_of(seen, end)
    if found is not None:
        return DropoutPlace(path=found.path, after=found.after, spatial=_spatial(seen, chain))
    shorter = chain[:-1]
    return _place(seen, shorter) if shorter and len(seen.consumers(shorter[-1].index)) == 1 else None
