"""Exchanging a network's activations: modules, functions kept as attributes, and functions called in `forward`.

Modules are replaced where they stand. A function called in some module's `forward` is exchanged by tracing
that module alone with torch.fx, its children untouched, and putting the rewritten module in its place; the rest
of the network keeps its classes. Tracing a `forward` fixes what it decides in Python, so a rewritten
module is taken only when it computes the same as before the exchange, to the bit, in eval and in training mode
and for two batch sizes.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from burnish.errors import NotApplicable
from burnish.model.flow import activation_name, hidden_activations
from burnish.model.roles import ACTIVATIONS, BOUNDED
from burnish.model.surgery import replaced
from burnish.model.tracing import Call, Trace, trace

__all__ = ["FUNCTIONS", "swapped"]

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
}
_KNOWN = {getattr(home, name) for home in (F, torch) for name in ACTIVATIONS if hasattr(home, name)}
_DROPOUTS: dict[Any, type[nn.Module]] = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.dropout3d: nn.Dropout3d,
    F.alpha_dropout: nn.AlphaDropout,
    F.feature_alpha_dropout: nn.FeatureAlphaDropout,
}


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
    changed = bool(paths)
    for owner, sites in found.sites.items():
        rewritten = _rewrite(network, owner, sites, name, inputs)
        network, changed = (network, changed) if rewritten is None else (rewritten, True)
    if not changed:
        raise NotApplicable(
            "the network's activations cannot be exchanged alone: its forward decides in Python what it computes, "
            "or uses a value that an activation has overwritten; use modules such as torch.nn.ReLU() in it"
        )
    _tell_fused_layers(network)
    return network


def _nothing(seen: Trace, name: str) -> str:
    if any(activation_name(c) == name for c in hidden_activations(seen)):
        return f"the network's hidden activations are {name} already"
    return "the network has no hidden activation that can be exchanged (gates and recurrent cells stay)"


def _found(seen: Trace, name: str) -> _Found:
    hidden = {c.index for c in hidden_activations(seen)}
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
    for path in paths:
        if getattr(modules[path], "inplace", False):
            modules[path].register_forward_pre_hook(lambda module, args: (args[0].clone(), *args[1:]))
    return paths if _same(model, probe, inputs) else frozenset()


# -- functions in a forward -----------------------------------------------------------------------


def _rewrite(
    network: nn.Module, path: str, sites: Sequence[tuple[str, bool]], name: str, inputs: Tensor
) -> nn.Module | None:
    """`network` with the functions of the module at `path` exchanged; None where that cannot be done faithfully."""
    owner = network.get_submodule(path)
    if all(free for _, free in sites):
        changed = _swap_attributes(network, path, name)
        if changed is not None:
            return changed
    rewritten = _traced(owner, sites, None)
    if rewritten is None or not _same(network, _with(network, path, rewritten), inputs):
        return None
    exchanged = _traced(owner, sites, name)
    return None if exchanged is None else _with(network, path, exchanged)


def _swap_attributes(network: nn.Module, path: str, name: str) -> nn.Module | None:
    """Functions kept as attributes (`self.act = F.relu`) need no tracing."""
    found = copy.deepcopy(network)
    owner = found.get_submodule(path)
    chosen = [key for key, value in vars(owner).items() if callable(value) and _hashed(value) in _KNOWN]
    for key in chosen:
        setattr(owner, key, FUNCTIONS[name])
    return found if chosen else None


def _hashed(value: Any) -> Any:
    with suppress(TypeError):
        hash(value)
        return value
    return None


class _Shallow(fx.Tracer):
    """Traces one `forward`; every child is a leaf."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def _traced(owner: nn.Module, sites: Sequence[tuple[str, bool]], name: str | None) -> nn.Module | None:
    """A copy of `owner` written anew by tracing, with `name` at the free sites; None: only its overwriting undone."""
    owner = copy.deepcopy(owner)
    training = owner.training
    try:
        graph = _Shallow().trace(owner.train())
    except Exception:  # what a forward may raise when it meets a proxy is not limited
        return None
    nodes = [node for node in graph.nodes if _activation_of(node)]
    if [_activation_of(node) for node in nodes] != [site for site, _ in sites]:
        return None
    for node, (_, free) in zip(nodes, sites, strict=True):
        _exchange(graph, node, name if free else None)
    _dropout_modules(owner, graph)
    module = fx.GraphModule(owner, graph, class_name=type(owner).__name__)
    module._non_persistent_buffers_set |= owner._non_persistent_buffers_set & set(module._buffers)
    for part in module.modules():
        part.training = training if part is module else part.training
    return module


def _activation_of(node: fx.Node) -> str:
    raw = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    name = str(raw).strip("_")
    return name if node.op in ("call_function", "call_method") and name in ACTIVATIONS else ""


def _exchange(graph: fx.Graph, node: fx.Node, name: str | None) -> None:
    source = node.args[0] if node.args else node.kwargs["input"]
    with graph.inserting_before(node):
        if name is None:
            clone = graph.call_method("clone", (source,))
            node.replace_input_with(source, clone)  # type: ignore[arg-type]
            return
        new = graph.call_function(FUNCTIONS[name], (source,))
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def _dropout_modules(owner: nn.Module, graph: fx.Graph) -> None:
    """`F.dropout(x, p, self.training)`: a trace would keep it on for ever; a module follows the mode."""
    for number, node in enumerate([n for n in graph.nodes if n.op == "call_function" and n.target in _DROPOUTS]):
        given = dict(zip(("input", "p", "training", "inplace"), node.args, strict=False)) | node.kwargs
        if given.get("training", True) is not True:
            continue
        key = f"functional_dropout_{number}"
        owner.add_module(key, _DROPOUTS[node.target](given.get("p", 0.5)))
        with graph.inserting_before(node):
            new = graph.call_module(key, (given["input"],))
        node.replace_all_uses_with(new)
        graph.erase_node(node)


def _with(network: nn.Module, path: str, module: nn.Module) -> nn.Module:
    return replaced(network, lambda where, old: where == path, lambda old: module)[0]


def _same(first: nn.Module, second: nn.Module, inputs: Tensor) -> bool:
    """Whether two networks compute the same, to the bit: in both modes, for two batch sizes, from the same seed."""
    for training in (False, True):
        for rows in (len(inputs), len(inputs) // 2 + 1):
            a, b = (_output(network, inputs[:rows], training) for network in (first, second))
            if a is None or b is None or len(a) != len(b):
                return False
            if not all(torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in zip(a, b, strict=True)):
                return False
    return True


def _output(network: nn.Module, inputs: Tensor, training: bool) -> list[Tensor] | None:
    network = copy.deepcopy(network).train(training)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with suppress(Exception):
            return [leaf for leaf in tree_leaves(network(inputs)) if isinstance(leaf, Tensor)]
    return None


def _tell_fused_layers(network: nn.Module) -> None:
    """PyTorch's encoder layer keeps a number for its fused eval path, which would go on with the old function."""
    for layer in network.modules():
        if isinstance(layer, nn.TransformerEncoderLayer):
            act = layer.activation
            relu = act is F.relu or isinstance(act, nn.ReLU)
            gelu = act is F.gelu or (isinstance(act, nn.GELU) and act.approximate == "none")
            layer.activation_relu_or_gelu = 1 if relu else 2 if gelu else 0
