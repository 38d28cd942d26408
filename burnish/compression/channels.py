"""Groups of channels that can only go together, and what Torch-Pruning knows of them.

Everything that is said here of a network is checked by `proof` before it is believed.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from burnish.compression.heads import Attention
from burnish.compression.owners import partition
from burnish.errors import NotApplicable

__all__ = ["Group", "Inputs", "Member", "Removed", "called", "find_groups", "head_group", "parts", "why_not"]

Removed = Mapping[str, Sequence[int]]
Inputs = Tensor | tuple[Any, ...]
UNCUTTABLE = (nn.MultiheadAttention, nn.RNNBase)
ENDLESS = 100  # times the widest layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A layer that loses channels with the group's root.

    Attributes:
        layer: Its path; of a parameter outside of layers the path of the parameter.
        side: `out` or `in`: which of its channels; `heads` for whole heads; `parameter`.
        positions: Its channels that belong to the group.
        roots: For each of them the channel of the group it belongs to.
        axis: Of a parameter: the axis the channels are on.
    """

    layer: str
    side: str
    positions: tuple[int, ...]
    roots: tuple[int, ...]
    axis: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Channels that can only be removed together.

    Attributes:
        root: Path of the layer that is first to have them.
        width: Number of channels.
        members: All layers involved, the root among them.
        kind: `channels`, `heads`, `hidden` (units of a recurrent layer) or `embedding`.
        parts: For each channel a number; equally many have to go of each number. Empty for no such condition.
        blocked: Why the group cannot be cut; empty when it may be.
        least: Number of channels that have to stay.
        attention: Of heads: where they are.
    """

    root: str
    width: int
    members: tuple[Member, ...]
    kind: str = "channels"
    parts: tuple[int, ...] = ()
    blocked: str = ""
    least: int = 1
    attention: Attention | None = field(default=None, compare=False)


def find_groups(model: nn.Module, inputs: Inputs) -> list[Group]:
    """The groups of channels of `model`, found by Torch-Pruning from its gradients.

    Raises:
        NotApplicable: the network cannot be traced.
    """
    import torch_pruning

    roots = (_ConvNd, nn.Linear, nn.Embedding)
    given = tuple(inputs) if isinstance(inputs, tuple) else (inputs,)
    try:
        with _quiet(), torch.enable_grad(), _bounded(torch_pruning, model):
            graph = torch_pruning.DependencyGraph().build_dependency(model, example_inputs=given, verbose=False)
            found = list(graph.get_all_groups(root_module_types=roots))
    except Exception as error:  # the tracer raises whatever an operation it does not know leads to
        raise NotApplicable(f"the channels of the network cannot be traced: {error or type(error).__name__}") from error
    tied = shared(model)
    return [_described(model, graph, group, tied) for group in found]


def head_group(attention: Attention) -> Group:
    """The heads of an attention as a group."""
    every = tuple(range(attention.heads))
    member = Member(layer=attention.path, side="heads", positions=every, roots=every)
    return Group(
        root=attention.path or "attention", width=attention.heads, members=(member,), kind="heads", attention=attention
    )


def parts(model: nn.Module, width: int, members: Sequence[Member]) -> tuple[int, ...]:
    """For each channel of a group the number of the part it is in, where layers are divided into equal parts."""
    labels: list[list[tuple[int, int]]] = [[] for _ in range(width)]
    modules = dict(model.named_modules())
    for number, member in enumerate(members):
        module = modules.get(member.layer)
        blocks, size = partition(module, member.side) if module is not None else (1, 0)
        if blocks > 1:
            for position, root in zip(member.positions, member.roots, strict=True):
                labels[root].append((number, position // size))
    keys = [tuple(sorted(label)) for label in labels]
    if not any(keys):
        return ()
    order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    return tuple(order[key] for key in keys)


def why_not(module: nn.Module, path: str, tied: set[str]) -> str:
    """Why a layer cannot be cut; empty when it can."""
    if path in tied:
        return f"the weights of {path} are tied to another layer's"
    if parametrize.is_parametrized(module):
        return f"{path} is parametrized"
    if "weight" not in module._parameters and any(name.startswith("weight_") for name in module._parameters):
        return "" if isinstance(module, nn.RNNBase) else f"the weights of {path} are computed from others"
    return ""


def shared(model: nn.Module) -> set[str]:
    """Layers that share a parameter with another layer; cutting one would silently untie them."""
    owners: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(path)
    return {path for paths in owners.values() if len(paths) > 1 for path in paths}


def called(model: nn.Module, inputs: Inputs) -> Any:
    """What the network computes from one or several inputs."""
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def _described(model: nn.Module, graph: Any, group: Any, tied: set[str]) -> Group:
    members, blocked = [], ""
    root, width = group[0].dep.target.module, len(group[0].idxs)
    for item in group.items:
        dep, module = item.dep, item.dep.target.module
        out = bool(graph.is_out_channel_pruning_fn(dep.handler))
        loose = isinstance(module, nn.Parameter)
        path = graph._param_to_name.get(module, "") if loose else graph._module2name.get(module, "")
        if out and not dep.target.outputs:
            blocked = blocked or "its channels are the network's outputs"
        if isinstance(module, UNCUTTABLE):
            blocked = blocked or f"it is coupled to {path} ({type(module).__name__}), whose width is fixed"
        if path and not loose:
            blocked = blocked or why_not(module, path, tied)
        if path:
            side = "parameter" if loose else ("out" if out else "in")
            axis = dep.target.pruning_dim if loose else 0
            members.append(
                Member(
                    layer=path,
                    side=side,
                    positions=tuple(item.idxs),
                    roots=tuple(item.root_idxs),
                    axis=axis or 0,
                )
            )
    return Group(
        root=graph._module2name[root],
        width=width,
        members=tuple(members),
        kind="embedding" if isinstance(root, nn.Embedding) else "channels",
        parts=parts(model, width, members),
        blocked=blocked,
    )


@contextmanager
def _bounded(torch_pruning: Any, model: nn.Module) -> Iterator[None]:
    """Torch-Pruning without its endless groups: around a loop each flattening multiplies a group's positions anew.

    No layer has more positions than its widest side, so a group with many more is a wrong one; one took 19 GB of
    memory (timm's gcresnext26ts, where channels are pooled by attention over the image).
    """
    flatten = torch_pruning.dependency.index_mapping._FlattenIndexMapping
    plain = flatten.__call__
    most = ENDLESS * max((max(p.shape, default=1) for p in model.parameters()), default=1)

    def call(mapping: Any, positions: Any) -> Any:
        if not mapping.reverse and len(positions) * mapping._stride > most:
            raise NotApplicable(f"a group of more than {most} positions was found, more than any layer has")
        return plain(mapping, positions)

    flatten.__call__ = call
    try:
        yield
    finally:
        flatten.__call__ = plain


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
