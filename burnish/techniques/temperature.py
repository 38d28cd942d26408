"""Probabilities that say how often they are right.

Networks trained to fit are too sure of themselves. Dividing the logits by one number, fitted on validation, mends most
of it and changes no answer. Its gain in log loss is measured cross-fitted: fitted on one half, scored on the other. The
number goes into model.json, and prediction uses it.

Helps: probabilities are used, not only the most likely class; the network is over-confident.
Does not: only accuracy counts: it does not change which class is most likely.
Costs: a number fitted on validation rows; nothing in serving.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.errors import NotApplicable
from burnish.plan import Plan

__all__ = ["TemperatureScaling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureScaling:
    """Divide logits by a fitted temperature. Changes: nothing in the training; declares a readout."""

    kind: ClassVar[str] = "readout"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Guo et al. 2017, arXiv:1706.04599"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    alters_serving: ClassVar[bool] = True

    def __call__(self, plan: Plan) -> Plan:
        if plan.data.task.kind != "classification":
            raise NotApplicable(f"a temperature scales logits of classes; the task is {plan.data.task.kind}")
        return plan.declare(readout=self)
