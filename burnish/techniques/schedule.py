"""A learning rate that changes while training.

Large steps find the region, small ones the bottom: a rate that falls to zero ends on better weights than a
constant one in the same number of steps. A short warm-up keeps the first steps, taken from a random start with no
statistics, from doing damage.

Helps: constant rates that end in noise: nearly every training of fixed length.
Does not: the length is not known, or early stopping ends the training first.
Costs: nothing.

Sources: cosine, Loshchilov and Hutter, ICLR 2017, arXiv:1608.03983; one cycle, Smith 2018, arXiv:1803.09820;
warm-up, Goyal et al. 2017, arXiv:1706.02677.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.plan import Plan
from burnish.plan import Schedule as Slot

__all__ = ["Schedule"]

SHAPES = ("constant", "cosine", "linear", "one_cycle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The learning rate over the training. Changes: `plan.schedule`.

    Attributes:
        shape: `cosine` or `linear` fall to zero; `one_cycle` rises as a cosine for 30 % of the training, then
            falls as one; `constant` stays.
        warmup: Share of the training spent rising to the full rate; `one_cycle` brings its own.
    """

    shape: str = "cosine"
    warmup: float = 0.05

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({"shape": "cosine"}, {"shape": "one_cycle"}, {"shape": "linear"})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Loshchilov and Hutter 2017, arXiv:1608.03983; Smith 2018, arXiv:1803.09820"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"unknown shape {self.shape!r}; one of {', '.join(SHAPES)}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup must be in [0, 1), got {self.warmup}")

    def __call__(self, plan: Plan) -> Plan:
        if self.shape == "constant" and self.warmup == 0:
            return plan
        return plan.set_once(schedule=Slot(kind=self.shape, warmup=float(self.warmup)))
