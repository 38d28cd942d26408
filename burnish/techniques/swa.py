"""The mean of the weights at the end of the last epochs is the network.

A training that goes on at a steady rate visits points around a minimum; their mean lies nearer to its middle, where
the loss is flat, and scores better than each of them. The mean costs one copy of the weights. Batch statistics of the
mean are estimated anew, and it is the mean that is evaluated, saved and exported. A rate that falls to zero leaves
little to average.

Helps: trainings that end at a constant or high rate.
Does not: the rate falls to zero anyway.
Costs: one copy of the weights and one pass for batch statistics; nothing in serving.

Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018,
arXiv:1803.05407.
"""

from dataclasses import dataclass
from typing import ClassVar

from burnish.plan import Averaging, Plan

__all__ = ["SWA"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SWA:
    """Stochastic weight averaging. Changes: `plan.average`; declares a readout.

    Attributes:
        start: Share of the training after which each epoch's last weights count.
    """

    start: float = 0.75

    kind: ClassVar[str] = "readout"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"start": 0.75}, {"start": 0.5})
    conflicts: ClassVar[tuple[str, ...]] = ("EMA",)
    source: ClassVar[str] = "Izmailov et al. 2018, arXiv:1803.05407"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise ValueError(f"start must be in [0, 1), got {self.start}")

    def __call__(self, plan: Plan) -> Plan:
        return plan.set_once(average=Averaging(kind="swa", start=float(self.start))).declare(readout=self)
