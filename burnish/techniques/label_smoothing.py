"""Soft targets instead of certain ones.

A network that must put all probability on one class grows ever larger weights to get there, and follows wrong
labels as readily as right ones. Moving a small share of every target to the uniform distribution stops both. It
meets mixup, distillation and class weights in `burnish.losses`, where the order does not matter.

Helps: confident classifiers, noisy labels, many classes; probabilities are better calibrated.
Does not: the network becomes a teacher: what it knows about wrong classes is lost (Müller et al. 2019).
Costs: nothing.

Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, arXiv:1512.00567.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from burnish.errors import Conflict, NotApplicable
from burnish.losses import Loss
from burnish.plan import Plan

__all__ = ["LabelSmoothing", "label_smoothing"]


def label_smoothing(loss: Loss, *, alpha: float = 0.1) -> Loss:
    """`loss` on targets of which the share `alpha` is spread evenly over all classes.

    Raises:
        NotApplicable: `loss` is one of values, not of classes.

    Example:
        >>> label_smoothing(Loss(name="focal"), alpha=0.1)
        Loss(name='focal', smoothing=0.1)
    """
    if loss.kind == "regression":
        raise NotApplicable(f"label smoothing spreads class targets; the loss {loss.name!r} is one of values")
    return loss.with_smoothing(alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSmoothing:
    """Targets that are not quite certain. Changes: `plan.loss`.

    Attributes:
        alpha: Share of the target spread over all classes; 0 changes nothing.
    """

    alpha: float = 0.1

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"alpha": 0.1}, {"alpha": 0.05}, {"alpha": 0.2})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Szegedy et al. 2016, arXiv:1512.00567"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < 1:
            raise ValueError(f"alpha must be in [0, 1), got {self.alpha}")

    def __call__(self, plan: Plan) -> Plan:
        if plan.data.task.kind != "classification":
            raise NotApplicable(f"label smoothing needs classes; the task is {plan.data.task.kind}")
        assert plan.loss is not None  # Plan fills it
        if self.alpha == 0:
            return plan
        if plan.loss.smoothing:
            raise Conflict(f"the loss {plan.loss!r} already smooths its targets; drop one of the two")
        plan.loss.check_soft_targets(plan.data.task.outputs)
        return replace(plan, loss=label_smoothing(plan.loss, alpha=self.alpha))
