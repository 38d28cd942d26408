"""Residual branches of a traced network: what is computed beside a shortcut and added to it."""

from dataclasses import dataclass

from burnish.model.flow import is_gate, role
from burnish.model.tracing import Call, Trace

__all__ = ["Branch", "branches", "endings", "gated"]

_SUMS = {"add", "radd", "iadd"}
_SCALES = {"mul", "rmul", "imul", "multiply"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One residual branch.

    Attributes:
        start: The call whose result goes both ways.
        end: The call whose result is added to the shortcut.
        sum: The addition.
        calls: Calls of the branch, from after `start` to `end`.
    """

    start: int
    end: int
    sum: int
    calls: frozenset[int]


def branches(seen: Trace) -> tuple[Branch, ...]:
    """The innermost residual branches, in order of their sums.

    A sum of two values that come from one is residual where one way has at least twice as many layers with weights
    as the other, a projection. Parallel ways that are about equally deep are no shortcut and its branch.
    """
    before = _before(seen)
    found = [branch for call in seen.calls if (branch := _branch(seen, call, before)) is not None]
    sums = {branch.sum for branch in found}
    return tuple(branch for branch in found if not branch.calls & sums)


def gated(seen: Trace, branch: Branch) -> bool:
    """Whether the branch is multiplied with a gate that it computes: squeeze-and-excitation is there already."""
    return any(is_gate(seen, seen.calls[index]) for index in branch.calls)


def endings(seen: Trace, branch: Branch) -> list[int]:
    """Calls, last first, whose result is only scaled, dropped from or reshaped until the sum: a zero stays zero."""
    found: list[int] = []
    index, taker = branch.end, branch.sum
    while [c.index for c in seen.consumers(index)] == [taker] and index not in seen.outputs:
        found.append(index)
        call = seen.calls[index]
        if len(call.inputs) != 1 or not (role(call) in ("dropout", "reshape") or call.name in _SCALES):
            break
        index, taker = call.inputs[0], index
    return found


def _before(seen: Trace) -> list[frozenset[int]]:
    """For each call, itself and all calls that it depends on."""
    found: list[frozenset[int]] = []
    for call in seen.calls:
        found.append(frozenset({call.index}).union(*(found[i] for i in call.inputs)))
    return found


def _branch(seen: Trace, call: Call, before: list[frozenset[int]]) -> Branch | None:
    if role(call) != "add" or call.name not in _SUMS or len(call.inputs) != 2:
        return None
    shared = before[call.inputs[0]] & before[call.inputs[1]]
    if not shared:
        return None
    start = max(shared)
    ways = {end: before[end] - before[start] for end in call.inputs}
    weights = {end: sum(role(seen.calls[i]) == "weights" for i in way) for end, way in ways.items()}
    short, long = sorted(call.inputs, key=lambda end: weights[end])
    if weights[long] < max(1, 2 * weights[short]):
        return None
    return Branch(start=start, end=long, sum=call.index, calls=ways[long])
