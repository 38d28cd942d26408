"""From which probability the second of two classes, or a label, is answered.

A half is the best threshold for accuracy of calibrated probabilities, and for little else: for F1 on rare classes it is
lower. The threshold with the best primary metric (F1 for labels) is fitted on validation; its gain is measured
cross-fitted: fitted on one half, scored on the other. It goes into model.json, and prediction answers with it.

Helps: two classes and a metric other than accuracy at one half, such as F1.
Does not: the metric is accuracy or an area under a curve.
Costs: a number fitted on validation rows, which must be many.

Source: Lipton, Elkan and Naryanaswamy, "Optimal Thresholding of Classifiers to Maximize F1 Measure", ECML 2014,
arXiv:1402.1892.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.errors import NotApplicable
from burnish.plan import Plan

__all__ = ["Threshold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Answer from a fitted probability on. Changes: nothing in the training; declares a readout."""

    kind: ClassVar[str] = "readout"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Lipton et al. 2014, arXiv:1402.1892"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    alters_serving: ClassVar[bool] = True

    def __call__(self, plan: Plan) -> Plan:
        task = plan.data.task
        if task.kind != "multilabel" and (task.kind != "classification" or task.outputs != 2):
            what = f"{task.kind} with {task.outputs} outputs"
            raise NotApplicable(f"a threshold decides between two classes or on labels; the task is {what}")
        return plan.declare(readout=self)
