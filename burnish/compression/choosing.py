"""Which channels of a group go, given what each is worth and how many should stay."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from burnish.compression.channels import Group

__all__ = ["RATIOS", "chosen", "step_of"]

RATIOS = ("uniform", "global", "sensitivity")
FEWEST = 0.1  # share of a layer's channels that stays whatever a ranking over all layers says


def chosen(
    groups: Sequence[Group], scores: Mapping[str, Tensor], wanted: Mapping[str, float], round_to: int
) -> tuple[dict[str, list[int]], list[dict[str, str]]]:
    """Channels to remove by root, and the groups that stay whole with the reason.

    Args:
        groups: Groups that may be cut.
        scores: What each of their channels is worth.
        wanted: How many channels of each should stay.
        round_to: Widths become multiples of this.
    """
    removed: dict[str, list[int]] = {}
    whole = []
    for group in groups:
        sizes = _sizes(group)
        if sizes and len(set(sizes)) > 1:
            whole.append({"layer": group.root, "reason": "its channels fall into parts of unequal size"})
            continue
        step = step_of(group, round_to)
        kept = _width(group.width, max(wanted[group.root], group.least), step)
        kept = kept if kept >= group.least else min(group.width, kept + step)
        if kept == group.width:
            reason = f"{group.width} {_units(group)} stay {kept} in multiples of {step}"
            whole.append({"layer": group.root, "reason": reason})
        else:
            removed[group.root] = _smallest(scores[group.root], group, group.width - kept)
    return removed, whole


def step_of(group: Group, round_to: int) -> int:
    """What the width of `group` is a multiple of: heads are counted one by one, parts lose equally many."""
    blocks = len(set(group.parts)) or 1
    if group.kind == "heads":
        return blocks
    if group.kind == "hidden":  # every layer and direction of a recurrent network is itself a multiple
        return round_to * blocks
    return math.lcm(round_to, blocks)


def _sizes(group: Group) -> list[int]:
    counts: dict[int, int] = {}
    for part in group.parts:
        counts[part] = counts.get(part, 0) + 1
    return list(counts.values())


def _width(width: int, wanted: float, step: int) -> int:
    """The multiple nearest to `wanted`: flooring would cut more than was asked for, odd widths are slow."""
    if width <= step:
        return width
    return min(width, max(step, math.floor(wanted / step + 0.5) * step))


def _smallest(score: Tensor, group: Group, count: int) -> list[int]:
    """The `count` channels of the smallest score, equally many of each part."""
    labels = torch.tensor(group.parts or (0,) * group.width)
    numbers = labels.unique()
    gone: list[int] = []
    for number in numbers:
        inside = (labels == number).nonzero().flatten()
        order = score[inside].argsort(stable=True)
        gone += inside[order[: count // len(numbers)]].tolist()
    return sorted(gone)


def _units(group: Group) -> str:
    return {"heads": "heads", "hidden": "units", "embedding": "columns"}.get(group.kind, "channels")
