"""A narrower network learns from the trained one, from a fresh start.

The student has the teacher's structure with fewer channels, and is trained as long as the teacher was, on its softened
probabilities as well as on the targets.

Helps: a large accurate teacher, and a student with room to be as good.
Does not: labels are few and noisy, or the teacher was trained with label smoothing.
Costs: one further training of the smaller network.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.plan import Plan

__all__ = ["Distill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distill:
    """Train a narrower network with the trained one as its teacher. Changes: `plan.post`.

    Attributes:
        narrow: Share of the channels that the student lacks.
    """

    narrow: float = 0.5

    kind: ClassVar[str] = "post"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({"narrow": 0.5}, {"narrow": 0.25})
    conflicts: ClassVar[tuple[str, ...]] = ("Prune",)
    source: ClassVar[str] = "Hinton et al. 2015, arXiv:1503.02531"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.narrow < 1:
            raise ValueError(f"narrow must be between 0 and 1, got {self.narrow}")

    def __call__(self, plan: Plan) -> Plan:
        return plan.declare(post=self)
