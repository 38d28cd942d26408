"""Which channels of a network belong together, and what becomes of it when they are silenced.

Torch-Pruning traces the groups; everything it says is checked by `prune` before it is believed.
"""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

from burnish.errors import NotApplicable

__all__ = ["Group", "Member", "cut", "find_groups", "importance", "silenced"]

Removed = Mapping[str, Sequence[int]]
UNCUTTABLE = (nn.MultiheadAttention, nn.RNNBase)
SCALES = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A layer that loses channels with the group's root.

    Attributes:
        layer: Its path.
        side: `out` or `in`: which of its channels.
        positions: Its channels that belong to the group.
        roots: For each of them the channel of the root it belongs to.
    """

    layer: str
    side: str
    positions: tuple[int, ...]
    roots: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Channels that can only be removed together.

    Attributes:
        root: Path of the layer whose outputs they are.
        width: Number of its output channels.
        members: All layers involved, the root among them.
        tiled: Groups of a grouped convolution inside: each has to lose the same relative channels.
        chunks: Groups of a group norm inside: each has to lose equally many.
        blocked: Why the group cannot be cut; empty when it may be.
    """

    root: str
    width: int
    members: tuple[Member, ...]
    tiled: int = 1
    chunks: int = 1
    blocked: str = ""


def find_groups(model: nn.Module, inputs: torch.Tensor) -> list[Group]:
    """The groups of channels of `model`, found by tracing it on `inputs`.

    Raises:
        NotApplicable: the network cannot be traced.
    """
    try:
        graph = _graph(model, inputs)
        with _quiet():
            found = list(graph.get_all_groups())
    except Exception as error:  # the tracer raises whatever an operation it does not know leads to
        raise NotApplicable(f"the channels of the network cannot be traced: {error or type(error).__name__}") from error
    tied = _tied(model)
    return [_described(graph, group, tied) for group in found]


def cut(model: nn.Module, inputs: torch.Tensor, removed: Removed) -> nn.Module:
    """A copy of `model` without the channels `removed`, by root; raises what the tracer or the forward raises."""
    smaller = copy.deepcopy(model)
    graph = _graph(smaller, inputs)
    modules = dict(smaller.named_modules())
    with _quiet():
        for root, positions in removed.items():
            layer = modules[root]
            handler = graph.get_pruner_of_module(layer).prune_out_channels
            graph.get_pruning_group(layer, handler, list(positions)).prune()
    return smaller


def silenced(model: nn.Module, groups: Sequence[Group], removed: Removed) -> nn.Module:
    """A copy of `model` of the old size in which the channels `removed` neither speak nor are heard.

    It computes what the cut network has to compute.
    """
    quiet = copy.deepcopy(model)
    modules = dict(quiet.named_modules())
    with torch.no_grad():
        for group in groups:
            gone = set(removed.get(group.root, ()))
            for member in group.members:
                positions = [p for p, root in zip(member.positions, member.roots, strict=True) if root in gone]
                _silence(modules.get(member.layer), member.side, positions)
    return quiet


def importance(model: nn.Module, group: Group) -> torch.Tensor:
    """Mean squared weight of each channel of `group` over its layers, `(width,)`, with mean one.

    Every layer's share is divided by its mean, so that wide and narrow layers count alike.

    Source: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, arXiv:2301.12900.
    """
    modules = dict(model.named_modules())
    shares = []
    for member in group.members:
        energy = _energy(modules.get(member.layer), member.side)
        if energy is None or max(member.positions) >= len(energy):
            continue
        total = torch.zeros(group.width)
        total.index_add_(0, torch.tensor(member.roots), energy[list(member.positions)])
        shares.append(total / total.mean().clamp(min=1e-12))
    return torch.stack(shares).mean(0)


def _graph(model: nn.Module, inputs: torch.Tensor) -> Any:
    import torch_pruning

    with _quiet(), torch.enable_grad():
        return torch_pruning.DependencyGraph().build_dependency(model, example_inputs=inputs, verbose=False)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _tied(model: nn.Module) -> set[str]:
    """Layers that share a parameter with another layer; cutting one would silently untie them."""
    owners: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(path)
    return {path for paths in owners.values() if len(paths) > 1 for path in paths}


def _described(graph: Any, group: Any, tied: set[str]) -> Group:
    members, blocked = [], ""
    tiled = chunks = 1
    root, width = group[0].dep.target.module, len(group[0].idxs)
    for item in group.items:
        dep, module = item.dep, item.dep.target.module
        out = bool(graph.is_out_channel_pruning_fn(dep.handler))
        path = graph._module2name.get(module, "") if isinstance(module, nn.Module) else ""
        blocked = blocked or _blocked(module, path, out, dep.target, tied)
        if isinstance(module, _ConvNd) and 1 < module.groups < module.in_channels:
            tiled = max(tiled, module.groups)
        if isinstance(module, nn.GroupNorm):
            chunks = max(chunks, module.num_groups)
        if path:
            member = Member(
                layer=path, side="out" if out else "in", positions=tuple(item.idxs), roots=tuple(item.root_idxs)
            )
            members.append(member)
    return Group(
        root=graph._module2name[root],
        width=width,
        members=tuple(members),
        tiled=tiled,
        chunks=chunks,
        blocked=blocked,
    )


def _blocked(module: Any, path: str, out: bool, node: Any, tied: set[str]) -> str:
    if out and not node.outputs:
        return "its channels are the network's outputs"
    if isinstance(module, UNCUTTABLE):
        return f"it is coupled to {path} ({type(module).__name__}), whose width is fixed"
    if path and path in tied:
        return f"the weights of {path} are tied to another layer's"
    if isinstance(module, nn.Module) and parametrize.is_parametrized(module):
        return f"{path} is parametrized"
    return ""


def _silence(module: nn.Module | None, side: str, positions: list[int]) -> None:
    weight = getattr(module, "weight", None)
    if not positions or not isinstance(weight, torch.Tensor):
        return
    if isinstance(module, nn.Embedding):
        weight[:, positions] = 0
    elif side == "out" or isinstance(module, SCALES) or _depthwise(module):
        weight.movedim(_out_axis(module), 0)[positions] = 0
        bias = getattr(module, "bias", None)
        if isinstance(bias, torch.Tensor):
            bias[positions] = 0
    elif isinstance(module, _ConvNd) and module.groups > 1:
        _silence_grouped(module, positions)
    elif isinstance(module, _ConvNd | nn.Linear):
        weight.movedim(1 - _out_axis(module), 0)[positions] = 0


def _silence_grouped(layer: _ConvNd, positions: list[int]) -> None:
    """Inputs of a grouped convolution: each reaches the outputs of its own group only."""
    if isinstance(layer, _ConvTransposeNd):
        layer.weight[positions] = 0
        return
    size, rows = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for position in positions:
        group = position // size
        layer.weight[group * rows : (group + 1) * rows, position % size] = 0


def _depthwise(module: nn.Module | None) -> bool:
    return isinstance(module, _ConvNd) and module.groups == module.in_channels == module.out_channels > 1


def _out_axis(module: nn.Module | None) -> int:
    return 1 if isinstance(module, _ConvTransposeNd) else 0


def _energy(module: nn.Module | None, side: str) -> torch.Tensor | None:
    """Squared weights of each channel of one side; None for layers that have nothing to say."""
    if not isinstance(module, _ConvNd | nn.Linear):
        return None
    if side == "in" and isinstance(module, _ConvNd) and module.groups > 1:
        return None
    axis = _out_axis(module) if side == "out" else 1 - _out_axis(module)
    return module.weight.detach().float().movedim(axis, 0).flatten(1).square().sum(1)
