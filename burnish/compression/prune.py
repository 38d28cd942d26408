"""Structured pruning: channels are really removed, and the smaller network is proved equal to the silenced one.

A group of channels is only cut where the cut network computes, on real inputs, exactly what the old network
computes with those channels silenced. Groups that fail are left whole and named.

Source: Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, arXiv:1608.08710; groups of coupled
channels: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, arXiv:2301.12900.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from burnish.compression.channels import Group, cut, find_groups, importance, silenced
from burnish.compression.rebuild import pruning_history
from burnish.errors import NotApplicable, UsageError

__all__ = ["Pruned", "prune"]

CRITERIA = ("l2", "random")
FEWEST = 0.1  # share of a layer's channels that stays whatever the global ranking says
TOLERANCE = 2e-5  # relative to the largest output; float32 rounding stays below, wrong indices far above
ROWS = 32
MIXING = (nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pruned:
    """A smaller network.

    Attributes:
        model: The cut network, with the weights that are left; fine-tune it before it is judged.
        history: What was removed, as plain JSON types; `rebuild_pruned` cuts a fresh network the same way.
        cut: `layer, before, after` of each layer that lost output channels, with its coupled layers cut alike.
        excluded: `layer, reason` of each group that was left whole.
        parameters_before: Number of parameters of the network handed in.
        parameters_after: Of the cut one.
        proof: `exact` where the cut network equals the silenced one, `exact apart from normalization` where
            layers that normalize over several channels had to be left out of the comparison.
        difference: Largest difference found in the comparison, relative to the largest output.
    """

    model: nn.Module
    history: dict[str, Any]
    cut: tuple[dict[str, Any], ...]
    excluded: tuple[dict[str, str], ...] = field(default=())
    parameters_before: int = 0
    parameters_after: int = 0
    proof: str = "exact"
    difference: float = 0.0

    @property
    def verified(self) -> bool:
        """Always true: what cannot be verified is not cut."""
        return self.difference <= TOLERANCE

    @property
    def coverage(self) -> float:
        """Share of the groups of channels that were cut."""
        return len(self.cut) / (len(self.cut) + len(self.excluded))


def prune(
    model: nn.Module,
    inputs: torch.Tensor,
    ratio: float,
    *,
    criterion: str = "l2",
    round_to: int = 8,
    global_: bool = False,
    seed: int = 0,
) -> Pruned:
    """Remove about the share `ratio` of the channels of each layer, the least important ones.

    Args:
        model: Any network; it is not modified, and its weights should be trained.
        inputs: A few network inputs `(n, ...)`, at least two, to trace it and to compare on.
        ratio: Share of channels to remove, in (0, 1).
        criterion: `l2` removes the channels with the smallest weights, `random` is the control for it.
        round_to: Widths become multiples of this, the nearest; kernels are slower on odd widths. Layers no wider
            than this stay whole.
        global_: Rank channels over all layers instead of within each.
        seed: Seed of `random`.

    Raises:
        ValueError: an argument is out of range.
        UsageError: there are not two inputs.
        NotApplicable: nothing can be removed; the message says why, group by group.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
        >>> smaller = prune(net, torch.randn(8, 4), 0.5)
        >>> smaller.model[0].out_features, smaller.model[2].in_features, smaller.verified
        (16, 16, True)
    """
    if not 0 < ratio < 1:
        raise ValueError(f"ratio must be between 0 and 1, got {ratio}")
    if criterion not in CRITERIA:
        raise ValueError(f"unknown criterion {criterion!r}; one of {', '.join(CRITERIA)}")
    if round_to < 1:
        raise ValueError(f"round_to must be at least 1, got {round_to}")
    if len(inputs) < 2:
        raise UsageError(f"pruning is checked on at least two network inputs, got {len(inputs)}")
    source = _workable(model)
    rows = inputs[:ROWS].detach().cpu()
    groups = find_groups(source, rows[:2])
    removed, excluded = _chosen(source, groups, ratio, criterion, round_to, global_, seed)
    smaller, removed, proof, difference, failed = _verified(source, rows, groups, removed)
    excluded += failed
    if smaller is None:
        raise NotApplicable(f"no channels can be removed: {_listed(excluded)}")
    width = {group.root: group.width for group in groups}
    return Pruned(
        model=_like(smaller, model),
        history=pruning_history(source, smaller, removed),
        cut=tuple(
            {"layer": root, "before": width[root], "after": width[root] - len(gone)} for root, gone in removed.items()
        ),
        excluded=tuple(excluded),
        parameters_before=_count(model),
        parameters_after=_count(smaller),
        proof=proof,
        difference=difference,
    )


# -- choosing -------------------------------------------------------------------------------------


def _chosen(
    model: nn.Module, groups: list[Group], ratio: float, criterion: str, round_to: int, global_: bool, seed: int
) -> tuple[dict[str, list[int]], list[dict[str, str]]]:
    """Channels to remove by root, and the groups that stay whole with the reason."""
    generator = torch.Generator().manual_seed(seed)
    removed: dict[str, list[int]] = {}
    excluded = [{"layer": group.root, "reason": group.blocked} for group in groups if group.blocked]
    free = [group for group in groups if not group.blocked]
    scores = {}
    for group in free:
        drawn = torch.rand(group.width, generator=generator) if criterion == "random" else importance(model, group)
        scores[group.root] = _tiled(drawn, group.tiled)
    threshold = torch.quantile(torch.cat(list(scores.values())), ratio) if global_ and scores else None
    for group in free:
        score = scores[group.root]
        wanted = group.width * (1 - ratio)
        if threshold is not None:
            wanted = max(float((score > threshold).sum()), FEWEST * group.width)
        kept = _width(group, wanted, round_to)
        if kept == group.width:
            reason = f"{group.width} channels stay {kept} in multiples of {_step(group, round_to)}"
            excluded.append({"layer": group.root, "reason": reason})
        else:
            removed[group.root] = _smallest(score, group.width - kept, math.lcm(group.tiled, group.chunks))
    return removed, excluded


def _step(group: Group, round_to: int) -> int:
    return math.lcm(round_to, group.tiled, group.chunks)


def _width(group: Group, wanted: float, round_to: int) -> int:
    """The multiple nearest to `wanted`: flooring would cut more than was asked for, odd widths are slow."""
    step = _step(group, round_to)
    if group.width <= step:
        return group.width
    return min(group.width, max(step, math.floor(wanted / step + 0.5) * step))


def _tiled(score: torch.Tensor, tiles: int) -> torch.Tensor:
    """The mean over the groups of a grouped convolution, which all lose the same relative channels."""
    return score.view(tiles, -1).mean(0).repeat(tiles) if tiles > 1 else score


def _smallest(score: torch.Tensor, count: int, chunks: int) -> list[int]:
    """The `count` channels of the smallest score, equally many in each of `chunks` consecutive parts."""
    size = len(score) // chunks
    order = score.view(chunks, size).argsort(dim=1, stable=True)[:, : count // chunks]
    return sorted((order + torch.arange(chunks)[:, None] * size).flatten().tolist())


# -- proving --------------------------------------------------------------------------------------


def _verified(
    source: nn.Module, rows: torch.Tensor, groups: list[Group], removed: dict[str, list[int]]
) -> tuple[nn.Module | None, dict[str, list[int]], str, float, list[dict[str, str]]]:
    """The cut network with all groups that can be proved; all at once first, one by one when that fails."""
    if not removed:
        return None, {}, "", 0.0, []
    smaller, proof, difference, _ = _tried(source, rows, groups, removed)
    if smaller is not None:
        return smaller, removed, proof, difference, []
    kept: dict[str, list[int]] = {}
    failed = []
    for root, gone in removed.items():
        trial, how, distance, reason = _tried(source, rows, groups, kept | {root: gone})
        if trial is None:
            failed.append({"layer": root, "reason": reason})
        else:
            smaller, proof, difference, kept = trial, how, distance, kept | {root: gone}
    return smaller, kept, proof, difference, failed


def _tried(
    source: nn.Module, rows: torch.Tensor, groups: list[Group], removed: dict[str, list[int]]
) -> tuple[nn.Module | None, str, float, str]:
    """One cut and its comparison: the network or None, the proof, the difference, and why not."""
    try:
        smaller = cut(source, rows[:2], removed)
        reference = silenced(source, groups, removed)
        expected, given = _outputs(reference, rows), _outputs(smaller, rows)
        if expected.shape != given.shape:
            return None, "", 0.0, f"outputs of shape {tuple(expected.shape)} would become {tuple(given.shape)}"
        difference = _distance(expected, given)
        if difference <= TOLERANCE:
            return smaller, "exact", difference, ""
        if any(isinstance(module, MIXING) for module in source.modules()):
            without = _distance(_outputs(_bare(reference), rows), _outputs(_bare(smaller), rows))
            if without <= TOLERANCE:
                return smaller, "exact apart from normalization", without, ""
    except Exception as error:  # a network that was cut wrongly fails in whatever way its forward does
        return None, "", 0.0, f"the cut network fails: {str(error).strip().splitlines()[0] if str(error) else error!r}"
    return None, "", 0.0, f"the cut network differs from the silenced one by {difference:.2g} of the largest output"


def _outputs(model: nn.Module, rows: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(rows)


def _distance(expected: torch.Tensor, given: torch.Tensor) -> float:
    if not torch.isfinite(expected).all():
        raise UsageError("the network's outputs are not finite, so pruning cannot be checked")
    return float((expected - given).abs().max() / expected.abs().max().clamp(min=1e-6))


def _bare(model: nn.Module) -> nn.Module:
    """A copy without the norms that mix channels: silent channels change their statistics, removed ones do not."""
    bare = copy.deepcopy(model)
    for module in bare.modules():
        for name, child in module.named_children():
            if isinstance(child, MIXING):
                setattr(module, name, nn.Identity())
    return bare


# -- copies ---------------------------------------------------------------------------------------


def _workable(model: nn.Module) -> nn.Module:
    """A copy the tracer can see through: it follows gradients, so frozen layers would go unnoticed."""
    copied = copy.deepcopy(model).cpu().eval()
    for parameter in copied.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)
    return copied


def _like(smaller: nn.Module, model: nn.Module) -> nn.Module:
    """`smaller` with the device, the modes and the frozen parameters of `model`."""
    first = next(model.parameters())
    smaller = smaller.to(first.device)
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    for name, parameter in smaller.named_parameters():
        parameter.requires_grad_(flags[name])
        parameter.grad = None
    modes = {name: module.training for name, module in model.named_modules()}
    for name, module in smaller.named_modules():
        module.training = modes[name]
    return smaller


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _listed(excluded: Sequence[dict[str, str]]) -> str:
    shown = "; ".join(f"{item['layer']}: {item['reason']}" for item in excluded[:6])
    more = f"; and {len(excluded) - 6} more" if len(excluded) > 6 else ""
    return (shown + more) or "it has no convolution or linear layer between others"
