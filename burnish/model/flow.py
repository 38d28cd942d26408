"""Questions about how values flow through a traced network: where it ends, what follows what, what is a gate."""

from collections.abc import Callable, Collection

from torch import nn

from burnish.model.roles import ACTIVATIONS, BOUNDED, is_convolution, role_of_function, role_of_module
from burnish.model.tracing import Call, Trace

__all__ = [
    "activation_name",
    "convolves",
    "follows_layer_norm",
    "heads",
    "hidden_activations",
    "is_gate",
    "leads_to",
    "norm_follows",
    "only_gates",
    "reaches",
    "role",
    "upstream_convolution",
]

_CARRIED = frozenset({"dropout", "pool", "reshape", "same"})  # what leaves the meaning of a value as it is
_GATING = {*BOUNDED, "hardsigmoid", "softmax"}


def role(call: Call) -> str:
    """What a call does; see `roles`."""
    if call.module is not None:
        return role_of_module(call.module)
    return role_of_function(call.name, weights=call.weights, tensors=len(call.inputs))


def activation_name(call: Call) -> str:
    """The name under which `ACTIVATIONS` has it; empty for anything else."""
    if call.module is None:
        return call.name if call.name in ACTIVATIONS else ""
    return next((name for name, kind in ACTIVATIONS.items() if type(call.module) is kind), "")


def reaches(trace: Trace, start: int, goal: Callable[[Call], bool], through: Collection[str]) -> bool:
    """Whether a value goes from call `start` to a call that `goal` accepts, by calls whose role is in `through`."""
    waiting, seen = list(trace.consumers(start)), set()
    while waiting:
        call = waiting.pop()
        if goal(call):
            return True
        if call.index not in seen and role(call) in through:
            seen.add(call.index)
            waiting.extend(trace.consumers(call.index))
    return False


def leads_to(trace: Trace, wanted: str) -> frozenset[int]:
    """Calls from which some later call with role `wanted` can be reached, by any way."""
    found: set[int] = set()
    for call in reversed(trace.calls):
        if any(role(c) == wanted or c.index in found for c in trace.consumers(call.index)):
            found.add(call.index)
    return frozenset(found)


def heads(trace: Trace) -> frozenset[int]:
    """Layers with weights after which no other comes: the output layers."""
    more = leads_to(trace, "weights")
    return frozenset(c.index for c in trace.calls if role(c) == "weights" and c.index not in more)


def norm_follows(trace: Trace, index: int) -> bool:
    """Whether the result of call `index` is normalized before the next layer with weights.

    Sums and concatenations count as on the way (networks that normalize first do so), and so does one
    activation right before the norm.
    """

    def goal(call: Call) -> bool:
        if role(call) == "norm":
            return True
        return role(call) == "activation" and reaches(trace, call.index, lambda c: role(c) == "norm", _CARRIED)

    return reaches(trace, index, goal, _CARRIED | {"add"})


def follows_layer_norm(trace: Trace, index: int) -> bool:
    """Whether call `index` takes a value that layer normalization has just prepared, as in Transformers."""
    waiting = list(trace.producers(index))
    while waiting:
        call = waiting.pop()
        if isinstance(call.module, nn.LayerNorm | nn.RMSNorm) or call.name in ("layer_norm", "rms_norm"):
            return True
        if role(call) in ("dropout", "reshape", "same"):
            waiting.extend(trace.producers(call.index))
    return False


def is_gate(trace: Trace, call: Call) -> bool:
    """Whether a bounded activation is multiplied with another value: an attention, not a hidden layer."""
    name = activation_name(call) or call.name or type(call.module).__name__.lower()
    bounded = name in _GATING
    return bounded and reaches(trace, call.index, lambda c: role(c) == "product", {"reshape", "same"})


def only_gates(trace: Trace, index: int) -> bool:
    """Whether the result of call `index` does nothing but decide gates (squeeze-and-excitation, gated units)."""
    waiting, seen = [trace.calls[index]], set()
    while waiting:
        call = waiting.pop()
        if call.index in trace.outputs:
            return False
        if call.index not in seen and not is_gate(trace, call):
            seen.add(call.index)
            waiting.extend(trace.consumers(call.index))
    return True


def hidden_activations(trace: Trace) -> list[Call]:
    """Activations between layers: no gates, and none after the last layer."""
    inside = leads_to(trace, "weights")
    return [c for c in trace.calls if role(c) == "activation" and c.index in inside and not is_gate(trace, c)]


def convolves(call: Call) -> bool:
    """A convolution, as a module or as a function."""
    return is_convolution(call.module) or call.name.startswith("conv")


def upstream_convolution(trace: Trace, index: int) -> bool:
    """Whether the last layer with weights before call `index` is a convolution."""
    waiting, seen = list(trace.producers(index)), set()
    while waiting:
        call = waiting.pop()
        if role(call) == "weights":
            return convolves(call)
        if call.index not in seen:
            seen.add(call.index)
            waiting.extend(trace.producers(call.index))
    return False
