"""A limit on the length of the gradient.

One odd batch can throw the weights far from where they were. Scaling the gradient down whenever its norm over all
parameters exceeds a limit keeps its direction and takes away the jump.

Helps: losses that jump or become infinite: recurrent networks, Transformers, high rates.
Does not: trainings that are stable: it then never acts, or acts as a smaller rate.
Costs: one pass over the gradients a step.

Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
arXiv:1211.5063.
"""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from burnish.plan import Plan

__all__ = ["GradientClip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientClip:
    """Gradients no longer than `value`. Changes: `plan.clip`.

    Attributes:
        value: Largest norm of the gradient of all parameters together; 0 sets no limit.
    """

    value: float = 1.0

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"value": 1.0}, {"value": 0.1}, {"value": 5.0})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Pascanu et al. 2013, arXiv:1211.5063"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (isfinite(self.value) and self.value >= 0):
            raise ValueError(f"value must be 0 or more, got {self.value}")

    def __call__(self, plan: Plan) -> Plan:
        return plan.set_once(clip=float(self.value)) if self.value else plan
