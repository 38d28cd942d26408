"""Functions in a module's `forward` exchanged by tracing that module alone, and the proof that nothing else changed."""

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from burnish.model.roles import ACTIVATIONS
from burnish.model.surgery import replaced

__all__ = ["FUNCTIONS", "rewritten", "same"]

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
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


def rewritten(
    network: nn.Module, path: str, sites: Sequence[tuple[str, bool]], name: str, inputs: Tensor
) -> nn.Module | None:
    """A copy of `network` with activation functions that the module at `path` calls exchanged for `name`.

    Args:
        network: Any network. It is not modified.
        path: The module whose `forward` calls them.
        sites: Its activation functions in order, and whether each is to be exchanged.
        name: One of `FUNCTIONS`.
        inputs: What the proof is run on.

    Returns:
        None where tracing fails, or computes anything else than the module did.
    """
    owner = network.get_submodule(path)
    if all(free for _, free in sites):
        changed = _swap_attributes(network, path, name)
        if changed is not None:
            return changed
    plain = _traced(owner, sites, None)
    if plain is None or not same(network, _with(network, path, plain), inputs):
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


def same(first: nn.Module, second: nn.Module, inputs: Tensor) -> bool:
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
