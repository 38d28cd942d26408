"""How many channels of each group should stay."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from burnish.compression.channels import Group
from burnish.compression.choosing import FEWEST, chosen
from burnish.compression.knife import silenced
from burnish.compression.subject import Subject
from burnish.errors import UsageError

__all__ = ["sensitivities", "wanted_widths"]

LEVELS = (0.25, 0.5, 0.75)
MOST = 0.9


def wanted_widths(
    subject: Subject,
    groups: Sequence[Group],
    scores: Mapping[str, Tensor],
    ratio: float,
    ratios: str | Mapping[str, float],
    round_to: int,
    score: Callable[[nn.Module], float] | None,
) -> dict[str, float]:
    """By group, how many of its channels should stay.

    Raises:
        UsageError: `sensitivity` without a score.
    """
    if isinstance(ratios, Mapping):
        return {group.root: group.width * (1 - ratios.get(group.root, 0.0)) for group in groups}
    if ratios == "global" and scores:
        threshold = torch.quantile(torch.cat(list(scores.values())), ratio)
        return {
            group.root: max(float((scores[group.root] > threshold).sum()), FEWEST * group.width) for group in groups
        }
    if ratios == "sensitivity":
        if score is None:
            raise UsageError("ratios='sensitivity' needs score=, which measures a network on validation data")
        found = _spread(groups, sensitivities(subject, groups, scores, score, round_to), ratio)
        return {group.root: group.width * (1 - found[group.root]) for group in groups}
    return {group.root: group.width * (1 - ratio) for group in groups}


def sensitivities(
    subject: Subject,
    groups: Sequence[Group],
    scores: Mapping[str, Tensor],
    score: Callable[[nn.Module], float],
    round_to: int,
    levels: Sequence[float] = LEVELS,
) -> dict[str, tuple[float, ...]]:
    """By group, what silencing the share `levels` of its channels costs, with all other groups whole.

    A silenced network gives the outputs of the cut one, so nothing has to be cut to know.
    """
    whole = score(subject.source)
    found = {}
    for group in groups:
        costs = []
        for level in levels:
            removed, _ = chosen([group], scores, {group.root: group.width * (1 - level)}, round_to)
            costs.append(whole - score(silenced(subject.source, groups, removed)) if removed else 0.0)
        found[group.root] = tuple(costs)
    return found


def _spread(groups: Sequence[Group], costs: Mapping[str, Sequence[float]], ratio: float) -> dict[str, float]:
    """A ratio for each group so that all are expected to cost the same and `ratio` of all channels go."""
    total = sum(group.width for group in groups) or 1

    def at(allowed: float) -> dict[str, float]:
        return {group.root: _affordable(costs[group.root], allowed) for group in groups}

    low, high = min(min(c) for c in costs.values()), max(max(c) for c in costs.values())
    for _ in range(50):
        middle = (low + high) / 2
        share = sum(at(middle)[group.root] * group.width for group in groups) / total
        low, high = (low, middle) if share > ratio else (middle, high)
    return at(high)


def _affordable(costs: Sequence[float], allowed: float) -> float:
    """The largest ratio whose cost, between the measured levels on a line, is not above `allowed`."""
    ratios, known = [0.0, *LEVELS, MOST], [0.0]
    for cost in costs:  # cutting more never costs less: what looks so is noise
        known.append(max(known[-1], cost))
    known.append(max(2 * known[-1] - known[-2], known[-1]))
    best = 0.0
    for i in range(1, len(ratios)):
        if known[i] <= allowed:
            best = ratios[i]
        elif known[i - 1] <= allowed:
            return ratios[i - 1] + (ratios[i] - ratios[i - 1]) * (allowed - known[i - 1]) / (known[i] - known[i - 1])
        else:
            break
    return best
