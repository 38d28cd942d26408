"""Another loss than the task's own.

What is minimized decides which mistakes count: squared errors chase outliers, absolute ones ignore them, Huber's does
either where it is right; focal loss leaves easy examples alone; one-against-the-rest losses let classes be likely
together. Smoothing, mixing and weights of other techniques stay, whichever comes first.

Helps: the loss does not fit the metric or the noise: Huber with outliers, focal with many easy examples.
Does not: cross entropy or squared error fit already, which is usual.
Costs: nothing to speak of; focal and Brier change what probabilities mean.

Sources: focal, Lin et al. 2017, arXiv:1708.02002; one against the rest, Wightman, Touvron and Jégou 2021,
arXiv:2110.00476; Huber 1964, doi:10.1214/aoms/1177703732; Brier 1950.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from burnish.errors import NotApplicable
from burnish.losses import LOSSES
from burnish.losses import Loss as LossValue
from burnish.plan import Plan

__all__ = ["Loss"]

INSTEAD = {"mse": "brier", "binary_cross_entropy": "bce"}  # what squared error is for classes; another name


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Loss:
    """Another loss by its name. Changes: `plan.loss`.

    Attributes:
        name: For classes `cross_entropy`, `bce` (each class against the rest), `focal`, `binary_focal` or `brier`; for
            labels `bce` or `binary_focal`; for values `mse`, `mae` or `huber`.
        gamma: How much the focal ones discount easy examples.
        delta: Where `huber` turns from squared to absolute, in deviations of the targets.
    """

    name: str = "focal"
    gamma: float = 2.0
    delta: float = 1.0

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "focal"},
        {"name": "bce"},
        {"name": "brier"},
        {"name": "binary_focal"},
        {"name": "huber"},
        {"name": "mae"},
    )
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Lin et al. 2017, arXiv:1708.02002; Wightman et al. 2021, arXiv:2110.00476; Huber 1964"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        LossValue(name=self.name, gamma=self.gamma, delta=self.delta)  # refuses what is unknown or out of range

    def __call__(self, plan: Plan) -> Plan:
        kind = plan.data.task.kind
        if self.name not in LOSSES[kind]:
            other = INSTEAD.get(self.name, "")
            hint = f"; for squared errors of probabilities take {other}" if other in LOSSES[kind] else ""
            raise NotApplicable(f"{self.name} is no loss of {kind}; one of {', '.join(LOSSES[kind])}{hint}")
        if plan.loss.function is not None:
            raise NotApplicable(
                f"the plan minimizes your own function {plan.loss.name!r}, which {self!r} would replace"
            )
        changed = replace(plan.loss, name=self.name, gamma=float(self.gamma), delta=float(self.delta))
        if changed == plan.loss:
            raise NotApplicable(f"the plan minimizes {self.name} already")
        return replace(plan, loss=changed)

    def __repr__(self) -> str:
        shown = [f for f in fields(self) if f.name == "name" or getattr(self, f.name) != f.default]
        return f"Loss({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in shown)})"
