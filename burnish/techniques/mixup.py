"""Training on blends of two examples and of their targets.

Between two training examples the network is asked to answer in between. That keeps it from being certain where
there are no data, and from memorizing wrong labels; it helps most when data are few and classes many.

Source: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
arXiv:1710.09412. Each example draws its own share, as in timm's `elem` mode.
"""

from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from burnish.errors import NotApplicable
from burnish.losses import as_probabilities, mix
from burnish.plan import BatchContext, Plan

__all__ = ["Mixup", "mixup"]


def mixup(inputs: Tensor, targets: Tensor, context: BatchContext, *, alpha: float = 0.2) -> tuple[Tensor, Tensor]:
    """Blend every example of a batch with another one.

    Args:
        inputs: Float inputs `(batch, ...)`.
        targets: Class indices `(batch,)`, probabilities `(batch, classes)` or values `(batch, values)`.
        context: Source of randomness, kind of task and width of the output.
        alpha: Both parameters of the Beta distribution the shares are drawn from.

    Returns:
        Blended inputs of the same shape; class probabilities or values.
    """
    size = len(inputs)
    partner = torch.randperm(size, generator=context.generator).to(inputs.device)
    # torch has no Beta draw that takes a generator; numpy's is seeded from ours
    seed = int(torch.randint(2**62, (), generator=context.generator))
    drawn = np.random.default_rng(seed).beta(alpha, alpha, size)
    share = torch.from_numpy(drawn.astype(np.float32)).to(inputs.device)
    if context.kind == "classification":
        targets = as_probabilities(targets, context.outputs)
    return mix(inputs, inputs[partner], share), mix(targets, targets[partner], share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixup:
    """Blends of two examples and their targets. Changes: `plan.batch`.

    Attributes:
        alpha: Strength: near 0 blends are close to one of the two, at 1 all shares are alike; 0 changes nothing.
    """

    alpha: float = 0.2

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"alpha": 0.2}, {"alpha": 0.4}, {"alpha": 1.0})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Zhang et al. 2018, arXiv:1710.09412"
    modalities: ClassVar[tuple[str, ...]] = ("image", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (isfinite(self.alpha) and self.alpha >= 0):
            raise ValueError(f"alpha must be 0 or more, got {self.alpha}")

    def __call__(self, plan: Plan) -> Plan:
        if plan.data.modality not in self.modalities:
            raise NotApplicable(
                f"mixup blends inputs; {plan.data.modality} inputs are indices, which have no in-between"
            )
        if self.alpha == 0:
            return plan
        if plan.data.task.kind == "classification" and plan.loss is not None:
            plan.loss.check_soft_targets(plan.data.task.outputs)
        return plan.edit_batch(partial(mixup, alpha=self.alpha))
