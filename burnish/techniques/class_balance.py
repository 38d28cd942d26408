"""Rare classes that count as much as they should.

Where most examples are of a few classes, a network does well by ignoring the others. Weights in the loss, or drawing
rare classes more often, give them a say; it helps macro averages, and mostly costs accuracy on the frequent classes.
The more examples a class has, the less another one adds: that is what the effective number says, between counting all
classes alike and counting all examples alike.

Helps: rare classes count as much as frequent ones in the metric, as in macro F1.
Does not: plain accuracy decides: it gives up frequent classes for rare ones, and probabilities are shifted.
Costs: nothing to speak of.

Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, arXiv:1901.05555.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from burnish.errors import Conflict, NotApplicable
from burnish.plan import Plan

__all__ = ["ClassBalance", "class_weights"]


def class_weights(counts: Sequence[int], *, beta: float = 0.999) -> tuple[float, ...]:
    """A weight for each class: one over its effective number of examples, `(1 - beta ** n) / (1 - beta)`.

    The mean weight of an example is one, so that the size of the loss stays.

    Args:
        counts: Number of examples of each class; a class without any has weight 0.
        beta: 0 weighs all examples alike, 1 all classes alike (inverse frequency).

    Example:
        >>> class_weights([90, 10], beta=1.0)
        (0.5555555555555556, 5.0)
    """
    number = np.asarray(counts, dtype=np.float64)
    there = np.maximum(number, 1)
    # 1 - beta ** n without loss of digits where beta is close to one
    effective = (
        there if beta == 1 else -np.expm1(there * np.log(beta)) / (1 - beta) if beta > 0 else np.ones_like(there)
    )
    weights = np.where(number > 0, 1 / effective, 0.0)
    return tuple((weights * number.sum() / (weights @ number)).tolist())


def _effective(number: np.ndarray, beta: float) -> np.ndarray:
    if beta in (0, 1):
        return number**beta
    return -np.expm1(number * np.log(beta)) / (1 - beta)  # loses no digits where beta is close to one


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBalance:
    """Rare classes weigh more, or are drawn more often. Changes: `plan.loss`, or `plan.sampling`.

    Attributes:
        beta: How far: 0 weighs all examples alike, 1 all classes alike.
        sampling: Draw rare classes more often instead of weighing them in the loss.
        least: Applies where the largest class has so many times the examples of the smallest.
    """

    beta: float = 0.999
    sampling: bool = False
    least: float = 1.5

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({"beta": 0.999}, {"beta": 1.0}, {"beta": 1.0, "sampling": True})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Cui et al. 2019, arXiv:1901.05555"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta must be from 0 to 1, got {self.beta}")
        if not self.least >= 1:
            raise ValueError(f"least must be 1 or more, got {self.least}")

    def __call__(self, plan: Plan) -> Plan:
        task = plan.data.task
        if task.kind != "classification":
            raise NotApplicable(f"class balance needs one class for each example; the task is {task.kind}")
        counts = np.bincount(plan.data.train.targets, minlength=task.outputs)
        if counts.max() < self.least * counts.min():
            raise NotApplicable(
                f"the classes are balanced: {counts.min()} to {counts.max()} training rows each; "
                f"ClassBalance(least=1.0) weighs them all the same"
            )
        if self.beta == 0:
            return plan
        weights = class_weights(counts.tolist(), beta=self.beta)
        return self._sampled(plan, weights) if self.sampling else self._weighed(plan, weights)

    def _weighed(self, plan: Plan, weights: tuple[float, ...]) -> Plan:
        if plan.loss.weights is not None:
            raise Conflict(f"the loss {plan.loss!r} already weighs the classes; drop one of the two")
        plan.loss.check_per_example(plan.data.task.outputs)
        return replace(plan, loss=plan.loss.with_weights(weights))

    def _sampled(self, plan: Plan, weights: tuple[float, ...]) -> Plan:
        if plan.sampling is not None:
            raise Conflict("the plan already draws rows by class; drop one of the two")
        return replace(plan, sampling=weights)
