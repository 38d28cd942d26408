"""Weights that shrink a little at every step.

Small weights make smooth functions. With AdamW the decay is decoupled: it does not pass through the optimizer's
scaling, so one value fits all parameters. Biases and normalization parameters are left alone.

Helps: networks with many weights for their examples; it fits with nearly everything else.
Does not: short trainings, in which it has no time to act.
Costs: nothing.

Sources: Krogh and Hertz, "A Simple Weight Decay Can Improve Generalization", NeurIPS 1991; Loshchilov and Hutter,
"Decoupled Weight Decay Regularization", ICLR 2019, arXiv:1711.05101.
"""

from dataclasses import dataclass, replace
from math import isfinite
from typing import ClassVar

from burnish.errors import NotApplicable
from burnish.plan import Optimizer, Plan

__all__ = ["WeightDecay", "decayed"]

COUPLED_LIMIT = 0.01  # as an L2 penalty a decay beyond this outweighs the loss


def decayed(optimizer: Optimizer, *, value: float = 0.05) -> Optimizer:
    """`optimizer` with the decay `value` on matrices and kernels.

    Raises:
        NotApplicable: the optimizer does not decouple its decay, and `value` is far too much for it.

    Example:
        >>> decayed(Optimizer(name="sgd", lr=0.1), value=5e-4).weight_decay
        0.0005
    """
    if optimizer.name != "adamw" and value > COUPLED_LIMIT:
        raise NotApplicable(
            f"a decay of {value} is meant for adamw, which decouples it; with {optimizer.name} it is an L2 penalty: "
            f"take WeightDecay(value=0.0005) or another value up to {COUPLED_LIMIT}"
        )
    return replace(optimizer, weight_decay=float(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightDecay:
    """Weights that shrink at every step. Changes: `plan.optimizer`.

    Attributes:
        value: Share of a weight taken off per step, times the learning rate; 0 takes nothing off.
    """

    value: float = 0.05

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"value": 0.05}, {"value": 0.2}, {"value": 0.0005})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Krogh and Hertz 1991; Loshchilov and Hutter 2019, arXiv:1711.05101"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (isfinite(self.value) and self.value >= 0):
            raise ValueError(f"value must be 0 or more, got {self.value}")

    def __call__(self, plan: Plan) -> Plan:
        return replace(plan, optimizer=decayed(plan.optimizer, value=self.value))
