"""From where channels arrive to which of them can only go together.

Channels that arrive in the same slot of a later layer are one component; components of the same make are ranked
against one another and form a group.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from burnish.compression.channels import Group, Member, parts, shared, why_not
from burnish.compression.owners import channels_of, units_of

__all__ = ["OUTPUT", "Slot", "grouped"]

Slot = tuple[str, int]  # a layer and one of its channels
Item = tuple[str, str, int]  # a layer, a side, one of its channels
Arrivals = Mapping[Slot, set[int]]
OUTPUT = "(output)"


def grouped(model: nn.Module, heard: Mapping[str, tuple[Arrivals, Arrivals]]) -> list[Group]:
    """The groups of channels.

    Args:
        model: The network.
        heard: By layer that speaks: for slots of layers that hear, and for slots of layers that work channel by
            channel, which of its channels arrive there.
    """
    order = {path: index for index, (path, _) in enumerate(model.named_modules())}
    classes: dict[Any, list[list[Item]]] = defaultdict(list)
    for items in _components(model, heard):
        items.sort(key=lambda item: (order.get(item[0], -1), item))
        speaking = Counter(path for path, side, _ in items if side == "out")
        if speaking:
            classes[tuple(sorted(speaking.items())), any(item[0] == OUTPUT for item in items)].append(items)
    tied = shared(model)
    found = sorted((_group(model, components, tied) for components in classes.values()), key=lambda g: order[g.root])
    seen: Counter[str] = Counter()
    unique = []
    for group in found:
        seen[group.root] += 1
        unique.append(group if seen[group.root] == 1 else replace(group, root=f"{group.root}#{seen[group.root]}"))
    return unique


def _components(model: nn.Module, heard: Mapping[str, tuple[Arrivals, Arrivals]]) -> list[list[Item]]:
    parent: dict[Item, Item] = {}

    def find(item: Item) -> Item:
        while parent.setdefault(item, item) != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for path, arrivals in heard.items():
        for unit in range(channels_of(model.get_submodule(path))):
            find((path, "out", unit))
        for side, slots in zip(("in", "scale"), arrivals, strict=True):
            for (layer, channel), units in slots.items():
                for unit in units:
                    parent[find((path, "out", unit))] = find((layer, side, channel))
    members: dict[Item, list[Item]] = defaultdict(list)
    for item in list(parent):
        members[find(item)].append(item)
    return list(members.values())


def _group(model: nn.Module, components: Sequence[list[Item]], tied: set[str]) -> Group:
    components = sorted(components, key=lambda items: [channel for _, side, channel in items if side == "out"])
    root = next(path for path, side, _ in components[0] if side == "out")
    module = model.get_submodule(root)
    places: dict[tuple[str, str], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, items in enumerate(components):
        for path, side, channel in items:
            positions, roots = places[path, "in" if side == "in" else "out"]
            positions.append(channel)
            roots.append(number)
    members = tuple(
        Member(layer=path, side=side, positions=tuple(positions), roots=tuple(roots))
        for (path, side), (positions, roots) in places.items()
        if path != OUTPUT
    )
    kinds = {nn.RNNBase: "hidden", nn.Embedding: "embedding"}
    mixed = "an operation between layers mixes its channels" if len(components) == 1 < channels_of(module) else ""
    return Group(
        root=root,
        width=len(components),
        members=members,
        kind=next((name for cls, name in kinds.items() if isinstance(module, cls)), "channels"),
        parts=parts(model, len(components), members),
        blocked=_blocked(model, {path for path, _ in places}, tied) or mixed,
        least=_least(module),
    )


def _blocked(model: nn.Module, paths: set[str], tied: set[str]) -> str:
    if OUTPUT in paths:
        return "its channels are the network's outputs"
    for path in sorted(paths):
        module = model.get_submodule(path)
        if isinstance(module, nn.MultiheadAttention):
            return f"it is coupled to {path} (MultiheadAttention), whose width is fixed"
        reason = why_not(module, path, tied)
        if reason:
            return reason
    return ""


def _least(module: nn.Module) -> int:
    """PyTorch wants more hidden units than the projection has outputs."""
    if isinstance(module, nn.RNNBase) and module.proj_size:
        return units_of(module) // module.hidden_size * (module.proj_size + 1)
    return 1
