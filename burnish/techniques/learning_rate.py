"""A learning rate other than the baseline's.

Techniques change which rate is best: a network with batch norm bears a higher one, strong augmentation may want a
lower one. Varied beside the techniques, the rate keeps one from looking good only because it suits the baseline's.

Helps: a baseline whose rate was guessed.
Does not: the rate was searched, as the main job does.
Costs: nothing.

Source: Choi et al., "On Empirical Comparisons of Optimizers for Deep Learning", 2019, arXiv:1910.05446.
"""

from dataclasses import dataclass, replace
from math import isfinite
from typing import ClassVar

from burnish.plan import Plan

__all__ = ["LearningRate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """The baseline's learning rate times a factor. Changes: `plan.optimizer`.

    Attributes:
        factor: What the rate is multiplied by; 1 changes nothing.
    """

    factor: float = 3.0

    kind: ClassVar[str] = "nuisance"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"factor": 3.0}, {"factor": 0.33})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Choi et al. 2019, arXiv:1910.05446"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (isfinite(self.factor) and self.factor > 0):
            raise ValueError(f"factor must be above 0 and finite, got {self.factor}")

    def __call__(self, plan: Plan) -> Plan:
        if self.factor == 1:
            return plan
        return replace(plan, optimizer=replace(plan.optimizer, lr=plan.optimizer.lr * float(self.factor)))
