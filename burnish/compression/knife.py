"""Channels silenced, weighed and cut out: the same weights each time."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from burnish.compression.attention import FewerHeads
from burnish.compression.channels import Group, Member, Removed
from burnish.compression.heads import head_owners, take_heads
from burnish.compression.owners import owners, resize

__all__ = ["by_channel", "cut", "silence", "silenced"]


def cut(model: nn.Module, groups: Sequence[Group], removed: Removed) -> nn.Module:
    """A copy of `model` without the channels `removed`, by root of their group.

    Raises:
        ValueError: unequal parts of a layer would be left.
    """
    smaller = copy.deepcopy(model)
    chosen = [group for group in groups if removed.get(group.root)]
    for group in chosen:
        _freed(smaller, group)
    dead = _dead(smaller, chosen, removed)
    for name, mask in dead.items():
        _replace(smaller, name, mask)
    lost: dict[str, dict[str, set[int]]] = {}
    for group in chosen:
        gone = set(removed[group.root])
        for member in group.members:
            if member.side in ("in", "out"):
                lost.setdefault(member.layer, {"in": set(), "out": set()})[member.side].update(_gone(member, gone))
        if group.attention is not None:
            take_heads(group.attention, smaller, len(gone))
    for layer, sides in lost.items():
        resize(smaller.get_submodule(layer), {side: len(positions) for side, positions in sides.items()})
    return smaller


def silenced(model: nn.Module, groups: Sequence[Group], removed: Removed) -> nn.Module:
    """A copy of `model` of the old size in which the channels `removed` neither speak nor are heard.

    It computes what the cut network has to compute.
    """
    quiet = copy.deepcopy(model)
    silence(quiet, groups, removed)
    return quiet


@torch.no_grad()
def silence(model: nn.Module, groups: Sequence[Group], removed: Removed) -> None:
    """Silence channels of `model` in place."""
    chosen = [group for group in groups if removed.get(group.root)]
    for name, mask in _dead(model, chosen, removed).items():
        value = _value(model, name)
        value[mask.to(value.device)] = 0


def by_channel(model: nn.Module, group: Group, worth: Callable[[str, Tensor], Tensor | None]) -> list[Tensor]:
    """For each member of `group` what its weights are worth, summed up by channel of the group, `(width,)` each.

    Args:
        model: The network.
        group: One of its groups.
        worth: From a parameter's name and value to what its elements are worth, or None to leave it out.
    """
    shares = []
    for member in group.members:
        total, found = torch.zeros(group.width), False
        for name, owner in _owned(model, member, group):
            value = worth(name, _value(model, name).detach())
            if value is None:
                continue
            roots = torch.full((1 + max(int(owner.max()), *member.positions),), -1)
            roots[list(member.positions)] = torch.tensor(member.roots)
            index = roots[owner].expand(value.shape).flatten()
            total.index_add_(0, index.clamp(min=0), torch.where(index >= 0, value.flatten().float().cpu(), 0.0))
            found = True
        if found:
            shares.append(total)
    return shares


# -- elements -------------------------------------------------------------------------------------


def _freed(model: nn.Module, group: Group) -> None:
    """Put an attention whose number of heads is free in the place of PyTorch's."""
    if group.attention is None or group.attention.output:
        return
    source = model.get_submodule(group.attention.path)
    if isinstance(source, nn.MultiheadAttention):
        parent, _, leaf = group.attention.path.rpartition(".")
        setattr(model.get_submodule(parent), leaf, FewerHeads(source).train(source.training))


def _owned(model: nn.Module, member: Member, group: Group) -> Iterator[tuple[str, Tensor]]:
    """By full name of a parameter or buffer, the channel of the member that each element belongs to."""
    if member.side == "parameter":
        value = _value(model, member.layer)
        shape = [1] * value.ndim
        shape[member.axis] = -1
        yield member.layer, torch.arange(value.shape[member.axis]).view(shape)
        return
    module = model.get_submodule(member.layer)
    heads = member.side == "heads" and group.attention is not None
    found = head_owners(group.attention, module) if heads else owners(module, member.side)  # type: ignore[arg-type]
    for name, owner in found:
        yield (f"{member.layer}.{name}" if member.layer else name), owner


def _dead(model: nn.Module, groups: Sequence[Group], removed: Removed) -> dict[str, Tensor]:
    """By parameter or buffer, which of its elements go."""
    dead: dict[str, Tensor] = {}
    for group in groups:
        gone = set(removed[group.root])
        for member in group.members:
            positions = _gone(member, gone)
            if not positions:
                continue
            for name, owner in _owned(model, member, group):
                lost = torch.zeros(max(int(owner.max()), *positions) + 1, dtype=torch.bool)
                lost[positions] = True
                shape = _value(model, name).shape
                mask = lost[owner].expand(shape)
                dead[name] = dead[name] | mask if name in dead else mask
    return dead


def _gone(member: Member, gone: set[int]) -> list[int]:
    return sorted({p for p, root in zip(member.positions, member.roots, strict=True) if root in gone})


def _value(model: nn.Module, name: str) -> Tensor:
    path, _, leaf = name.rpartition(".")
    value = getattr(model.get_submodule(path), leaf)
    assert isinstance(value, Tensor)
    return value


def _replace(model: nn.Module, name: str, dead: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    module, value = model.get_submodule(path), _value(model, name)
    part = _compact(value.detach(), dead.to(value.device), name)
    keep = isinstance(value, nn.Parameter)
    setattr(module, leaf, nn.Parameter(part, requires_grad=value.requires_grad) if keep else part)


def _compact(value: Tensor, dead: Tensor, name: str) -> Tensor:
    """The elements that are left, as a box."""
    shape, block = [], ~dead
    for _ in range(value.ndim):
        counts = block.flatten(1).sum(1) if block.ndim > 1 else block.long()
        alive = counts > 0
        if not alive.any() or len(counts[alive].unique()) != 1:
            raise ValueError(f"{name} cannot be cut: unequal parts would be left of it")
        shape.append(int(alive.sum()))
        block = block[int(alive.nonzero()[0])] if block.ndim > 1 else block
    left = value[~dead]
    if len(left) != math.prod(shape):
        raise ValueError(f"{name} cannot be cut: unequal parts would be left of it")
    return left.view(shape).clone()
