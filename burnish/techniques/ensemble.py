"""Several trained networks answer as one.

Networks of different seeds, and unlike networks even more so, err on different examples; where their probabilities
are averaged, part of the errors cancels. It costs as much as all members together, so it ships only where it beats its
best member on rows it was not chosen on, and can be distilled back into one network.

Helps: members that are good and err differently: unlike networks, other seeds.
Does not: one member is far better than all others; latency and size count.
Costs: as many networks as members, unless it is distilled back into one.

Sources: Hansen and Salamon, "Neural Network Ensembles", TPAMI 1990, doi:10.1109/34.58871; Lakshminarayanan et al.,
NIPS 2017, arXiv:1612.01474; greedy selection, Caruana et al., ICML 2004; soups, Wortsman et al. 2022, arXiv:2203.05482.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.plan import Plan

__all__ = ["Ensemble"]

NAMES = ("auto", "average", "vote", "weights", "greedy", "stack", "soup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Train several and combine them. Changes: `plan.post`; `bu.ensemble` and `burnish ensemble` carry it out.

    Attributes:
        members: How many networks, each with its own seed, all on one split.
        method: `average` (soft voting), `vote` (hard voting), `weights`, `greedy`, `stack`, `soup`, or `auto`, the best
            of them but for soups.
    """

    members: int = 5
    method: str = "auto"

    kind: ClassVar[str] = "post"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({"members": 5}, {"members": 3})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = (
        "Hansen and Salamon 1990, doi:10.1109/34.58871; Lakshminarayanan et al. 2017, arXiv:1612.01474"
    )
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 2 <= self.members <= 20:
            raise ValueError(f"members must be from 2 to 20, got {self.members}")
        if self.method not in NAMES:
            raise ValueError(f"unknown method {self.method!r}; one of {', '.join(NAMES)}")

    def __call__(self, plan: Plan) -> Plan:
        return plan.declare(post=self)
