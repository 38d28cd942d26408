"""Structured pruning: channels, heads and hidden units are really removed, and the smaller network is proved right.

A group of channels is only cut where the cut network computes, on real inputs, exactly what the old network
computes with those channels silenced. Groups that fail are left whole and named.

Source: Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, arXiv:1608.08710; groups of coupled
channels: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, arXiv:2301.12900.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from burnish.compression.channels import Inputs
from burnish.compression.choosing import RATIOS, chosen
from burnish.compression.criteria import CRITERIA, Batches, LossFunction
from burnish.compression.knife import silenced
from burnish.compression.proof import DOUBLE, TOLERANCE, Trial, compared, proved
from burnish.compression.ratios import wanted_widths
from burnish.compression.rebuild import pruning_history
from burnish.compression.subject import Subject, subjects
from burnish.errors import NotApplicable, UsageError

__all__ = ["Cut", "Pruned", "find_cut", "prune", "pruned_in_steps", "result_of"]

ROWS = 16
MANY = 3  # groups that could not be proved: the others are tried one by one from then on


@dataclass(frozen=True, kw_only=True, eq=False)
class Pruned:
    """A smaller network.

    Attributes:
        model: The cut network, with the weights that are left; fine-tune it before it is judged.
        history: What was removed, as plain JSON types; `rebuild_pruned` cuts a fresh network the same way.
        cut: `layer, kind, before, after` of each group that lost channels, with its coupled layers cut alike.
        excluded: `layer, reason` of each group that was left whole.
        parameters_before: Number of parameters of the network handed in.
        parameters_after: Of the cut one.
        proof: `exact` where the cut network equals the silenced one, `exact apart from normalization` where
            layers that normalize over several channels had to be left out of the comparison.
        difference: Largest difference found in the comparison, relative to the largest output.
        found_by: How the groups were found: `gradients` (Torch-Pruning) or `marks`.
        silenced: Makes the network of the old size in which what was removed is silenced: what the cut one equals.
    """

    model: nn.Module
    history: dict[str, Any]
    cut: tuple[dict[str, Any], ...]
    excluded: tuple[dict[str, str], ...] = field(default=())
    parameters_before: int = 0
    parameters_after: int = 0
    proof: str = "exact"
    difference: float = 0.0
    found_by: str = "gradients"
    silenced: Callable[[], nn.Module] | None = field(default=None, repr=False)

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
    inputs: Inputs,
    ratio: float,
    *,
    criterion: str = "l2",
    ratios: str | Mapping[str, float] = "uniform",
    round_to: int = 8,
    batches: Batches | None = None,
    loss: LossFunction | None = None,
    score: Callable[[nn.Module], float] | None = None,
    keep: tuple[str, ...] = (),
    seed: int = 0,
) -> Pruned:
    """Remove about the share `ratio` of the channels of each layer, the least important ones.

    Args:
        model: Any network; it is not modified, and its weights should be trained.
        inputs: A few network inputs `(n, ...)`, at least two, or a tuple where it takes several, to compare on.
        ratio: Share of channels to remove, in (0, 1).
        criterion: What a channel is worth: `l2` and `l1`, the size of its weights; `taylor`, by how much the loss on
            `batches` would change to first order; `bn_scale`, the scale of its batch norm; `random` is the control.
        ratios: `uniform` cuts all layers alike; `global` ranks channels over all layers; `sensitivity` cuts layers
            more whose loss costs less of `score`; or a ratio for each layer by path, 0 for the others.
        round_to: Widths become multiples of this, the nearest; kernels are slower on odd widths. Layers no wider
            than this stay whole. Heads are counted one by one.
        batches: A few training batches `(inputs, targets)`, for `taylor`.
        loss: `(outputs, targets) -> scalar`, for `taylor`.
        score: What a network is worth, higher is better, measured on validation data, never on test; for `sensitivity`.
        keep: Paths of layers that must stay whole.
        seed: Seed of `random`.

    Raises:
        ValueError: an argument is out of range.
        UsageError: there are not two inputs, or `taylor` or `sensitivity` lack what they need.
        NotApplicable: nothing can be removed; the message says why, group by group.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
        >>> smaller = prune(net, torch.randn(8, 4), 0.5)
        >>> smaller.model[0].out_features, smaller.model[2].in_features, smaller.verified
        (16, 16, True)
    """
    options = {"criterion": criterion, "ratios": ratios, "round_to": round_to, "batches": batches, "loss": loss}
    return result_of(model, find_cut(model, inputs, ratio, score=score, keep=keep, seed=seed, **options))  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """A cut that has been proved.

    Attributes:
        subject: The network and its groups.
        removed: Channels to remove by group, the least important first.
        trial: The cut network and its comparison.
        excluded: `layer, reason` of each group that is left whole.
    """

    subject: Subject
    removed: dict[str, list[int]]
    trial: Trial
    excluded: list[dict[str, str]]


def find_cut(
    model: nn.Module,
    inputs: Inputs,
    ratio: float,
    *,
    criterion: str = "l2",
    ratios: str | Mapping[str, float] = "uniform",
    round_to: int = 8,
    batches: Batches | None = None,
    loss: LossFunction | None = None,
    score: Callable[[nn.Module], float] | None = None,
    keep: tuple[str, ...] = (),
    seed: int = 0,
) -> Cut:
    """Which channels `prune` removes with the same arguments, with the proof that they can be."""
    _check(ratio, criterion, ratios, round_to)
    rows = _rows(inputs)
    if batches is not None:
        batches = tuple(batches)
    best: Cut | None = None
    reasons: list[dict[str, str]] = []
    for subject in subjects(model, rows, keep=keep):
        free = [group for group in subject.groups if not group.blocked]
        scores = subject.scores(free, criterion, batches=batches, loss=loss, seed=seed)
        wanted = wanted_widths(subject, free, scores, ratio, ratios, round_to, score)
        removed, whole = chosen(free, scores, wanted, round_to)
        trial, removed, failed = _verified(subject, removed)
        blocked = [{"layer": group.root, "reason": group.blocked} for group in subject.groups if group.blocked]
        excluded = [*subject.refused, *blocked, *whole, *failed]
        if trial.model is not None and (best is None or _count(trial.model) < _count(best.trial.model)):
            ranked = {root: sorted(gone, key=lambda i, s=scores[root]: float(s[i])) for root, gone in removed.items()}  # type: ignore[misc]
            best = Cut(subject=subject, removed=ranked, trial=trial, excluded=excluded)
        reasons = excluded
        if not failed:
            break
    if best is None:
        raise NotApplicable(f"no channels can be removed: {_listed(reasons)}")
    return best


def pruned_in_steps(
    model: nn.Module,
    inputs: Inputs,
    ratio: float,
    retrain: Callable[[nn.Module], nn.Module],
    *,
    steps: int = 3,
    **options: Any,
) -> Pruned:
    """Prune a little, retrain, and prune on, until about the share `ratio` of the channels is gone.

    Args:
        model: As for `prune`.
        inputs: As for `prune`.
        ratio: Share of channels to remove in the end.
        retrain: Trains the network it is given and returns it; called after every step but the last.
        steps: Number of steps; each removes the same share of what is left.
        options: Further arguments of `prune`.

    Raises:
        NotApplicable: not even the first step can remove anything.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    share = 1 - (1 - ratio) ** (1 / steps)
    done: list[Pruned] = []
    current = model
    for step in range(steps):
        try:
            done.append(prune(current, inputs, share, **options))
        except NotApplicable:
            if not done and step == steps - 1:
                raise
            continue
        current = done[-1].model
        if step < steps - 1:
            current = retrain(current)
    if not done:
        raise NotApplicable(
            f"no channels can be removed in steps of {share:.0%}; take fewer steps or a smaller round_to"
        )
    first, last = done[0], done[-1]
    return Pruned(
        model=last.model,
        history=pruning_history(model, last.model, {}),
        cut=_joined(done),
        excluded=last.excluded,
        parameters_before=first.parameters_before,
        parameters_after=last.parameters_after,
        proof=max((p.proof for p in done), key=len),
        difference=max(p.difference for p in done),
        found_by=last.found_by,
    )


def _check(ratio: float, criterion: str, ratios: str | Mapping[str, float], round_to: int) -> None:
    if not 0 < ratio < 1:
        raise ValueError(f"ratio must be between 0 and 1, got {ratio}")
    if criterion not in CRITERIA:
        raise ValueError(f"unknown criterion {criterion!r}; one of {', '.join(CRITERIA)}")
    if isinstance(ratios, str) and ratios not in RATIOS:
        raise ValueError(f"unknown ratios {ratios!r}; {', '.join(RATIOS)}, or a ratio for each layer")
    if round_to < 1:
        raise ValueError(f"round_to must be at least 1, got {round_to}")


def _rows(inputs: Inputs) -> Inputs:
    """A few inputs, on the processor."""
    tensors = [x for x in (inputs if isinstance(inputs, tuple) else (inputs,)) if isinstance(x, torch.Tensor)]
    if not tensors or min(len(x) for x in tensors) < 2:
        given = min((len(x) for x in tensors), default=0)
        raise UsageError(f"pruning is checked on at least two network inputs, got {given}")
    return tree_map(lambda x: x[:ROWS].detach().cpu() if isinstance(x, torch.Tensor) else x, inputs)


def _verified(
    subject: Subject, removed: dict[str, list[int]]
) -> tuple[Trial, dict[str, list[int]], list[dict[str, str]]]:
    """The cut network with all groups that can be proved; all at once first, by halves when that fails."""
    kept: dict[str, list[int]] = {}
    failed: list[dict[str, str]] = []
    alone: set[str] = set()

    def tried(roots: list[str]) -> str:
        return compared(subject.proof, subject.groups, kept | {root: removed[root] for root in roots}).reason

    def sound(root: str) -> bool:
        reason = "" if root in alone else tried([root])
        if reason:
            failed.append({"layer": root, "reason": reason})
        else:
            alone.add(root)
        return not reason

    def settle(roots: list[str]) -> None:
        nonlocal kept
        if len(failed) >= MANY and len(roots) > 1:  # one by one is quicker than by halves then
            roots = [root for root in roots if sound(root)]
        if not roots:
            return
        reason = tried(roots)
        if not reason:
            kept = kept | {root: removed[root] for root in roots}
        elif len(roots) == 1:
            failed.append({"layer": roots[0], "reason": reason})
        else:
            settle(roots[: len(roots) // 2])
            settle(roots[len(roots) // 2 :])

    settle(list(removed))
    if not kept:
        return Trial(reason="nothing to cut"), {}, failed
    return proved(subject.proof, subject.groups, kept), kept, failed


def result_of(model: nn.Module, found: Cut) -> Pruned:
    """What `prune` returns for a cut of `model`."""
    subject, trial, smaller = found.subject, found.trial, found.trial.model
    assert smaller is not None
    removed = {root: sorted(gone) for root, gone in found.removed.items()}
    history = pruning_history(subject.source, smaller, removed)
    return Pruned(
        model=_like(smaller, model),
        history=history,
        cut=tuple(subject.line(root, len(gone)) for root, gone in removed.items()),
        excluded=tuple(found.excluded),
        parameters_before=_count(model),
        parameters_after=_count(smaller),
        proof=trial.how,
        difference=trial.difference if subject.proof.tolerance > DOUBLE else min(trial.difference, DOUBLE),
        found_by=subject.found_by,
        silenced=lambda: silenced(subject.source, subject.groups, removed),
    )


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


def _joined(done: list[Pruned]) -> tuple[dict[str, Any], ...]:
    """First and last width of each group over several steps."""
    lines: dict[str, dict[str, Any]] = {}
    for pruned in done:
        for line in pruned.cut:
            lines.setdefault(line["layer"], dict(line))["after"] = line["after"]
    return tuple(lines.values())


def _count(model: nn.Module | None) -> int:
    assert model is not None
    return sum(parameter.numel() for parameter in model.parameters())


def _listed(excluded: list[dict[str, str]]) -> str:
    shown = "; ".join(f"{item['layer']}: {item['reason']}" for item in excluded[:6])
    more = f"; and {len(excluded) - 6} more" if len(excluded) > 6 else ""
    return (shown + more) or "it has no convolution or linear layer between others"
