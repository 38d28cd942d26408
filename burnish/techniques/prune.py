"""A part of the channels is cut out of the trained network, which is then trained on.

What is left goes on learning from the uncut network as its teacher. Every cut is proved equal to the network with the
same channels silenced; what cannot be proved stays whole.

Helps: a network larger than its task needs, with validation rows enough to see what a cut costs.
Does not: the network is narrow already, or most of its layers cannot be proved.
Costs: half a training more; score, which the report gives with its bound.

Sources: Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, arXiv:1608.08710; groups of channels that must
go together, Fang et al., "DepGraph", CVPR 2023, arXiv:2301.12900.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.plan import Plan

__all__ = ["Prune"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Cut channels after training, then train on for half as long. Changes: `plan.post`.

    Attributes:
        ratio: Share of the channels that go.
        criterion: Which go: `l2`, `l1`, `taylor`, `bn_scale` or `random`.
        ratios: How many of each layer: `uniform`, `global` or `sensitivity`.
        schedule: When: `one-shot`, `iterative` or `gradual`.
    """

    ratio: float = 0.25
    criterion: str = "l2"
    ratios: str = "uniform"
    schedule: str = "one-shot"

    kind: ClassVar[str] = "post"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({"ratio": 0.25}, {"ratio": 0.5})
    conflicts: ClassVar[tuple[str, ...]] = ("Distill",)
    source: ClassVar[str] = "Li et al. 2017, arXiv:1608.08710; Fang et al. 2023, arXiv:2301.12900"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        known = {
            "criterion": ("l2", "l1", "taylor", "bn_scale", "random"),
            "ratios": ("uniform", "global", "sensitivity"),
            "schedule": ("one-shot", "iterative", "gradual"),
        }
        if not 0 < self.ratio < 1:
            raise ValueError(f"ratio must be between 0 and 1, got {self.ratio}")
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; one of {', '.join(values)}")

    def __call__(self, plan: Plan) -> Plan:
        return plan.declare(post=self)
