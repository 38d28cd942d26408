"""Examples of a batch mixed with one another, and their targets with them.

Where mixup and CutMix are both asked for, each batch draws one of them. Either way the new target is the mean of the
two old ones, weighed by how much of each example is seen.

Sources: Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899; drawing one of the two, as in timm.
"""

from dataclasses import dataclass, replace
from math import isfinite, prod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from burnish.errors import Conflict
from burnish.losses import as_probabilities, mix
from burnish.plan import BatchContext, Plan
from burnish.techniques._image_lines import boxes, from_lines, lines, within

__all__ = ["Mixing", "blend", "check_alpha", "drawn_shares", "mixed_targets", "mixing", "paste", "takes_soft_targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """The batch transform of `Mixup` and `CutMix`; it comes after all that change single examples.

    Attributes:
        blended: The Beta distribution's parameters for blends; 0 blends nothing.
        pasted: The same for pasted boxes.
    """

    blended: float = 0.0
    pasted: float = 0.0

    mixes: ClassVar[bool] = True

    def __call__(self, inputs: Tensor, targets: Tensor, context: BatchContext) -> tuple[Tensor, Tensor]:
        paste_now = self.pasted > 0
        if self.blended and self.pasted:
            paste_now = bool(torch.rand((), generator=context.generator) < 0.5)
        if paste_now:
            return paste(inputs, targets, context, alpha=self.pasted)
        return blend(inputs, targets, context, alpha=self.blended)


def check_alpha(alpha: float) -> None:
    """Refuse what is no parameter of a Beta distribution.

    Raises:
        ValueError: `alpha` is negative or not finite.
    """
    if not (isfinite(alpha) and alpha >= 0):
        raise ValueError(f"alpha must be 0 or more, got {alpha}")


def takes_soft_targets(plan: Plan) -> None:
    """Refuse a loss of classes that cannot be given probabilities as targets.

    Raises:
        Conflict: it cannot.
    """
    if plan.data.task.kind == "classification":
        plan.loss.check_soft_targets(plan.data.task.outputs)


def mixing(plan: Plan, way: str, alpha: float, said: str) -> Plan:
    """`plan` whose batches are also mixed by `way`, `blended` or `pasted`, in one transform with the other.

    Raises:
        Conflict: they are already; the message begins with "the plan already" and what is `said`.
    """
    before = next((t for t in plan.batch if isinstance(t, Mixing)), Mixing())
    if getattr(before, way):
        raise Conflict(f"the plan already {said}; drop one of the two")
    others = replace(plan, batch=tuple(t for t in plan.batch if t is not before))
    return others.edit_batch(replace(before, **{way: float(alpha)}))


def blend(inputs: Tensor, targets: Tensor, context: BatchContext, *, alpha: float) -> tuple[Tensor, Tensor]:
    """Every example blended with another one, by a share of its own."""
    size = len(inputs)
    partner = torch.randperm(size, generator=context.generator).to(inputs.device)
    share = drawn_shares(size, alpha, context).to(inputs.device)
    mixed = _with_partner(inputs, partner, (1 - share).view(-1, *[1] * (inputs.ndim - 1)))
    return mixed, mixed_targets(targets, partner, share, context)


def paste(inputs: Tensor, targets: Tensor, context: BatchContext, *, alpha: float) -> tuple[Tensor, Tensor]:
    """Every example `(batch, channels, *places)` with a box of another one, at the same place, in place of its own.

    Box and share are the example's own. The share counted is that of the places that were replaced, after the box was
    cut off at the edge.
    """
    size, places = len(inputs), inputs.shape[2:]
    partner = torch.randperm(size, generator=context.generator).to(inputs.device)
    share = drawn_shares(size, alpha, context)
    centre = torch.rand(len(places), size, generator=context.generator)
    box, area = [], torch.ones(size)
    for middle, length in zip(centre, places, strict=True):
        half = (((1 - share) ** (1 / len(places)) * length).floor() / 2).floor()
        first, last = ((middle * length).floor() + side for side in (-half, half))
        box.append((first, last))
        area *= last.clamp(max=length) - first.clamp(min=0)
    kept = (1 - area / prod(places)).to(inputs.device)
    return _with_partner(inputs, partner, _inside(inputs, box)), mixed_targets(targets, partner, kept, context)


def _inside(inputs: Tensor, box: list[tuple[Tensor, Tensor]]) -> Tensor:
    """1 in a box of each example, else 0; beside their lines for images."""
    if inputs.ndim == 4:
        return boxes(inputs, box[1], box[0])
    inside = torch.ones(len(inputs), *[1] * (inputs.ndim - 1))
    for axis, (side, length) in enumerate(zip(box, inputs.shape[2:], strict=True)):
        shape = [length if axis == other else 1 for other in range(len(box))]
        inside = inside * within(side, length).view(-1, 1, *shape)
    return inside.to(inputs)


def _with_partner(inputs: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Inputs with the share `share` of their partners' in them; shares of 0 and 1 take one or the other as it is."""
    whole = lines(inputs) if inputs.ndim == 4 else inputs
    other = whole.index_select(0, partner)
    mixed = torch.lerp(whole, other, share.to(whole), out=other)
    return from_lines(mixed, inputs) if inputs.ndim == 4 else mixed


def drawn_shares(size: int, alpha: float, context: BatchContext) -> Tensor:
    """Shares `(size,)` of the first of two examples, from Beta(alpha, alpha), on the CPU."""
    # torch has no Beta draw that takes a generator; numpy's is seeded from ours
    seed = int(torch.randint(2**62, (), generator=context.generator))
    drawn = np.random.default_rng(seed).beta(alpha, alpha, size)
    return torch.from_numpy(drawn.astype(np.float32))


def mixed_targets(targets: Tensor, partner: Tensor, share: Tensor, context: BatchContext) -> Tensor:
    """`share` of the targets and the rest of the partners'; class indices become probabilities."""
    if context.kind == "classification":
        targets = as_probabilities(targets, context.outputs)
    return mix(targets, targets[partner], share)
