"""A network ready to be pruned: a workable copy, its groups, and what it is proved against."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from burnish.compression.channels import Group, Inputs, find_groups, head_group
from burnish.compression.criteria import Batches, LossFunction, importance, slopes
from burnish.compression.heads import Attention, attentions, forms
from burnish.compression.marks import marked_groups
from burnish.compression.proof import Proof, compared, prepared, proved
from burnish.errors import NotApplicable

__all__ = ["Subject", "subjects", "workable"]

TRACED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A network and one account of its groups.

    Attributes:
        source: A copy that can be traced and cut, in evaluation mode on the processor.
        groups: Its groups of channels, and of heads.
        refused: `layer, reason` of attentions that are left whole.
        proof: What cuts are proved against.
        found_by: `gradients` or `marks`.
    """

    source: nn.Module
    groups: tuple[Group, ...]
    refused: tuple[dict[str, str], ...]
    proof: Proof
    found_by: str

    def scores(
        self, groups: list[Group], criterion: str, *, batches: Batches | None, loss: LossFunction | None, seed: int
    ) -> dict[str, Tensor]:
        """What each channel of each group is worth."""
        generator = torch.Generator().manual_seed(seed)
        gradients = slopes(self.source, batches, loss) if criterion == "taylor" else {}
        return {
            group.root: importance(self.source, group, criterion, gradients=gradients, generator=generator)
            for group in groups
        }

    def line(self, root: str, gone: int) -> dict[str, Any]:
        """What a cut of `gone` channels of a group comes to; of a recurrent layer, by hidden size."""
        group = next(group for group in self.groups if group.root == root)
        blocks = len(set(group.parts)) if group.kind == "hidden" and group.parts else 1
        return {
            "layer": root,
            "kind": group.kind,
            "before": group.width // blocks,
            "after": (group.width - gone) // blocks,
        }


def subjects(model: nn.Module, inputs: Inputs, *, keep: tuple[str, ...] = ()) -> Iterator[Subject]:
    """The network with its groups as Torch-Pruning finds them, then as marks show them.

    Raises:
        NotApplicable: it cannot be pruned at all.
    """
    source = workable(model)
    proof = prepared(source, inputs)
    gate = proved(proof, (), {})
    if gate.model is None:
        raise NotApplicable(f"the network is not the same after a copy: {gate.reason}")
    heads, refused = _heads(proof)
    few = tree_map(lambda x: x[:TRACED] if isinstance(x, Tensor) else x, inputs)
    recurrent = any(isinstance(module, nn.RNNBase) for module in source.modules())
    # Torch-Pruning does not know recurrent layers, and loses itself in their steps.
    tracers = (("gradients", find_groups), ("marks", marked_groups))[recurrent:]
    failure = None
    for found_by, find in tracers:
        try:
            groups = find(source, few)
        except NotApplicable as error:
            failure = failure or error
            if found_by != tracers[-1][0]:
                continue
            if tracers[0][0] == "gradients" and failure is error:
                return  # Torch-Pruning's account has been given
            if not heads:
                raise failure from error
            groups = []
        own = [group for group in groups if not _inside(group, heads)]
        yield Subject(
            source=source,
            groups=tuple(_kept(group, keep) for group in (*map(head_group, heads), *own)),
            refused=tuple(refused),
            proof=proof,
            found_by=found_by,
        )


def workable(model: nn.Module) -> nn.Module:
    """A copy the tracer can see through: it follows gradients, so frozen layers would go unnoticed."""
    try:
        copied = copy.deepcopy(model).cpu().eval()
    except Exception as error:  # layers may hold whatever cannot be copied
        raise NotApplicable(f"the network cannot be copied: {str(error).splitlines()[0]}") from error
    for parameter in copied.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)
    return copied


def _heads(proof: Proof) -> tuple[list[Attention], list[dict[str, str]]]:
    """Attentions of which one head could be cut and proved, in the first form for which that holds; the others."""
    found, refused = attentions(proof.source)
    usable = []
    reasons = [{"layer": path or "attention", "reason": reason} for path, reason in refused.items()]
    for attention in found:
        reason = ""
        for form in forms(attention, proof.source.get_submodule(attention.path)):
            group = head_group(form)
            trial = compared(proof, (group,), {group.root: [attention.heads - 1]})
            if not trial.reason:
                usable.append(form)
                break
            reason = reason or trial.reason
        else:
            reasons.append({"layer": attention.path or "attention", "reason": f"its heads cannot be cut: {reason}"})
    return usable, reasons


def _inside(group: Group, heads: list[Attention]) -> bool:
    """Whether the group would cut into heads, which only go as a whole."""
    sides = {side for attention in heads for side in attention.sides}
    return any((member.layer, member.side) in sides for member in group.members)


def _kept(group: Group, keep: tuple[str, ...]) -> Group:
    if group.blocked or not any(member.layer in keep for member in group.members):
        return group
    return replace(group, blocked="it is to be kept")
