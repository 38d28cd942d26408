"""The running average of the weights is the network.

Late in training the weights wander around a minimum; their average lies closer to its middle, and scores better
and more steadily than any single point of the path. It costs one copy of the weights and nothing at inference.
The training loop keeps the average, evaluates it, and estimates batch statistics anew for it.

Helps: noisy trainings: small batches, a constant learning rate.
Does not: the learning rate has fallen to zero at the end: then the last weights are as good.
Costs: one copy of the weights in training; nothing in serving.

Sources: Polyak and Juditsky, SIAM J. Control Optim. 1992, doi:10.1137/0330046; Izmailov et al., "Averaging Weights
Leads to Wider Optima and Better Generalization", UAI 2018, arXiv:1803.05407.
"""

from dataclasses import dataclass
from typing import ClassVar

from burnish.plan import Averaging, Plan

__all__ = ["EMA"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EMA:
    """Exponential moving average of the weights. Changes: `plan.average`; declares a readout.

    Attributes:
        decay: What the average keeps of itself at each step; 0 changes nothing.
    """

    decay: float = 0.99

    kind: ClassVar[str] = "readout"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"decay": 0.99}, {"decay": 0.999})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Polyak and Juditsky 1992, doi:10.1137/0330046; Izmailov et al. 2018, arXiv:1803.05407"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {self.decay}")

    def __call__(self, plan: Plan) -> Plan:
        if self.decay == 0:
            return plan
        return plan.set_once(average=Averaging(decay=self.decay)).declare(readout=self)
