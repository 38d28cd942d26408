"""Training ends when validation no longer improves, on the best weights.

Past a point a network only learns the noise of its training examples. Whatever ends the training, the weights
that stay are the best on validation. That choice flatters the validation score, so its gain is measured
cross-fitted: chosen on one half, scored on the other.

Helps: trainings that are too long, and scores that wander late in the training.
Does not: validation rows are so few that the best epoch is the luckiest; schedules that end at zero.
Costs: saves epochs; nothing in serving.

Source: Prechelt, "Early Stopping - But When?", Neural Networks: Tricks of the Trade 1998, doi:10.1007/3-540-49430-8_3.
"""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from burnish.plan import Plan, Stopping

__all__ = ["EarlyStopping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """Stop on validation and keep the best weights. Changes: `plan.stopping`; declares a readout.

    Attributes:
        patience: Epochs without improvement after which training ends.
        min_delta: What counts as improvement of the primary metric.
        threshold: A value of the primary metric that is good enough to stop at; None never is.
        divergence: A value so bad that going on makes no sense; None never is. A loss that is not finite always is.
        seconds: Training time without improvement after which training ends; such a run depends on the machine.
    """

    patience: int = 5
    min_delta: float = 0.0
    threshold: float | None = None
    divergence: float | None = None
    seconds: float | None = None

    kind: ClassVar[str] = "readout"
    levels: ClassVar[tuple[dict[str, int], ...]] = ({"patience": 5}, {"patience": 3}, {"patience": 10})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Prechelt 1998, doi:10.1007/3-540-49430-8_3"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"patience must be at least 1, got {self.patience}")
        if not (isfinite(self.min_delta) and self.min_delta >= 0):
            raise ValueError(f"min_delta must be 0 or more, got {self.min_delta}")
        for name in ("threshold", "divergence", "seconds"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool | str) or not isfinite(value)):
                raise ValueError(f"{name} must be a number or None, got {value!r}")
        if self.seconds is not None and self.seconds <= 0:
            raise ValueError(f"seconds must be above 0, got {self.seconds}")

    def __call__(self, plan: Plan) -> Plan:
        slot = Stopping(
            patience=self.patience,
            min_delta=self.min_delta,
            threshold=self.threshold,
            divergence=self.divergence,
            seconds=self.seconds,
        )
        return plan.set_once(stopping=slot).declare(readout=self)
