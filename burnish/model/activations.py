"""Exchanging a network's activations: modules, functions kept as attributes, and functions called in `forward`.

Modules are replaced where they stand. A function called in some module's `forward` is exchanged by tracing
that module alone with torch.fx, its children untouched, and putting the rewritten module in its place; the rest
of the network keeps its classes. Tracing a `forward` fixes what it decides in Python, so a rewritten
module is taken only when it computes the same as before the exchange, to the bit, in eval and in training mode
and for two batch sizes.
"""

import copy
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from burnish.errors import NotApplicable
from burnish.model.account import changed, left, left_call
from burnish.model.flow import activation_name, hidden_activations, is_gate, role
from burnish.model.rewriting import FUNCTIONS, rewritten, same
from burnish.model.roles import ACTIVATIONS, BOUNDED
from burnish.model.surgery import replaced
from burnish.model.tracing import Call, Trace, trace

__all__ = ["FUNCTIONS", "swapped"]


@dataclass(frozen=True, slots=True)
class _Found:
    """What to exchange.

    Attributes:
        modules: Paths of activation modules.
        sites: Per module whose `forward` calls activations as functions: name and whether to exchange, in order.
    """

    modules: frozenset[str]
    sites: dict[str, tuple[tuple[str, bool], ...]]


def swapped(model: nn.Module, inputs: Tensor, name: str) -> nn.Module:
    """A copy of `model` with its hidden activations exchanged for `name`.

    Stay as they are: gates (a sigmoid or tanh that multiplies), activations after the last layer, bounded ones in
    a `forward` that is called several times (recurrent cells), those with learned parameters, and functions in a
    `forward` that torch.fx cannot trace faithfully.

    Args:
        model: Any network. It is not modified.
        inputs: Network inputs `(B, ...)` to run it on.
        name: One of `FUNCTIONS`.

    Raises:
        NotApplicable: there is nothing to exchange, or it cannot be done without changing more than that.
    """
    seen = trace(model, inputs)
    found = _found(seen, name)
    if not found.modules and not found.sites:
        raise NotApplicable(_nothing(seen, name))
    modules = _without_aliases(model, inputs, found.modules)
    network, paths = replaced(model, lambda path, module: path in modules, lambda old: ACTIVATIONS[name]())
    done = bool(paths)
    for owner, sites in found.sites.items():
        exchanged = rewritten(network, owner, sites, name, inputs)
        _tell(owner, sites, name, done=exchanged is not None)
        network, done = (network, done) if exchanged is None else (exchanged, True)
    if not done:
        raise NotApplicable(
            "the network's activations cannot be exchanged alone: its forward decides in Python what it computes, "
            "or uses a value that an activation has overwritten; use modules such as torch.nn.ReLU() in it"
        )
    _tell_fused_layers(network)
    return network


def _tell(owner: str, sites: tuple[tuple[str, bool], ...], name: str, *, done: bool) -> None:
    functions = ", ".join(dict.fromkeys(site for site, free in sites if free))
    if done:
        changed(owner, f"{functions} → {name} in its forward")
    else:
        left(owner, f"{functions} in its forward cannot be exchanged alone")


def _say_why(seen: Trace, hidden: set[int], name: str) -> None:
    """What is no hidden activation, or is one that stays."""
    for call in seen.calls:
        if role(call) != "activation":
            continue
        reasons = (
            (f"{name} already", activation_name(call) == name),
            ("a gate", is_gate(seen, call)),
            ("after the last layer", call.index not in hidden),
            (f"{call.name or type(call.module).__name__} is not exchanged", not activation_name(call)),
            ("in a forward that is used several times", not _exchangeable(seen, call, hidden)),
        )
        why = next((why for why, holds in reasons if holds), "")
        if why:
            left_call(call, why)


def _nothing(seen: Trace, name: str) -> str:
    if any(activation_name(c) == name for c in hidden_activations(seen)):
        return f"the network's hidden activations are {name} already"
    return "the network has no hidden activation that can be exchanged (gates and recurrent cells stay)"


def _found(seen: Trace, name: str) -> _Found:
    hidden = {c.index for c in hidden_activations(seen)}
    _say_why(seen, hidden, name)
    calls = [(c, _exchangeable(seen, c, hidden)) for c in seen.calls if activation_name(c)]
    kept = {c.path for c, free in calls if c.module is not None and not free}
    modules = {c.path for c, free in calls if c.module is not None and free and activation_name(c) != name}
    owners = dict.fromkeys(c.path for c, free in calls if c.module is None and free and activation_name(c) != name)
    sites = {
        owner: _sites([(c, free) for c, free in calls if c.module is None and c.path == owner], seen, owner, name)
        for owner in owners
    }
    return _Found(frozenset(modules - kept), {owner: found for owner, found in sites.items() if found})


def _sites(calls: list[tuple[Call, bool]], seen: Trace, owner: str, name: str) -> tuple[tuple[str, bool], ...]:
    """The calls of one pass through the owner's `forward`; exchanged only where every pass allows it."""
    passes = max(seen.times(owner), 1)
    count, rest = divmod(len(calls), passes)
    if rest:
        return ()
    rows = [calls[k::count] for k in range(count)]
    if any(len({activation_name(c) for c, _ in row}) > 1 for row in rows):
        return ()
    return tuple((activation_name(row[0][0]), all(free for _, free in row)) for row in rows)


def _exchangeable(seen: Trace, call: Call, hidden: set[int]) -> bool:
    repeated = call.module is None and seen.times(call.path) > 1
    return call.index in hidden and not (repeated and activation_name(call) in BOUNDED)


def _without_aliases(model: nn.Module, inputs: Tensor, paths: frozenset[str]) -> frozenset[str]:
    """`paths`, unless the network reads a value again after one of these modules has overwritten it."""
    probe = copy.deepcopy(model)
    modules = dict(probe.named_modules(remove_duplicate=False))
    overwriting = [path for path in paths if getattr(modules[path], "inplace", False)]
    if not overwriting:
        return paths
    for path in overwriting:
        modules[path].register_forward_pre_hook(lambda module, args: (args[0].clone(), *args[1:]))
    return paths if same(model, probe, inputs) else frozenset()


def _tell_fused_layers(network: nn.Module) -> None:
    """PyTorch's encoder layer keeps a number for its fused eval path, which would go on with the old function."""
    for layer in network.modules():
        if isinstance(layer, nn.TransformerEncoderLayer):
            act = layer.activation
            relu = act is F.relu or isinstance(act, nn.ReLU)
            gelu = act is F.gelu or (isinstance(act, nn.GELU) and act.approximate == "none")
            layer.activation_relu_or_gelu = 1 if relu else 2 if gelu else 0
