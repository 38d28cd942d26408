"""Training on examples with a piece of another one in them, and the targets of both.

A network that has to name both halves of a picture cannot rely on one telling detail, and learns where things are.
Unlike blends, what it sees is natural at every place. It helps with images of many classes and long trainings, less
where the answer is in one small place, which the piece may cover.

Helps: images with objects in parts of the frame, long trainings.
Does not: short trainings, and images whose meaning is in one small place.
Costs: more epochs; nothing in serving.

Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV 2019,
arXiv:1905.04899. Each example draws its own box; together with mixup, each batch draws one of the two.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from burnish.errors import NotApplicable
from burnish.plan import BatchContext, Plan
from burnish.techniques._mixing import check_alpha, mixing, paste, takes_soft_targets

__all__ = ["CutMix", "cutmix"]


def cutmix(inputs: Tensor, targets: Tensor, context: BatchContext, *, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """Put a box of another example into every example of a batch.

    Args:
        inputs: Images `(batch, channels, height, width)` or series `(batch, channels, length)`.
        targets: Class indices `(batch,)`, probabilities `(batch, classes)` or values `(batch, values)`.
        context: Source of randomness, kind of task and width of the output.
        alpha: Both parameters of the Beta distribution of the share that is kept.

    Returns:
        Inputs of the same shape; class probabilities or values, weighed by what is seen of each.
    """
    return paste(inputs, targets, context, alpha=alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMix:
    """A box of another example, with its share of the target. Changes: `plan.batch`.

    Attributes:
        alpha: Strength: near 0 boxes are tiny or nearly all, at 1 all shares are alike; 0 changes nothing.
    """

    alpha: float = 1.0

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"alpha": 1.0}, {"alpha": 0.2})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Yun et al. 2019, arXiv:1905.04899"
    modalities: ClassVar[tuple[str, ...]] = ("image", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def __call__(self, plan: Plan) -> Plan:
        if plan.data.modality not in self.modalities:
            raise NotApplicable(
                f"CutMix puts a piece of one example at the same place of another; {plan.data.modality} inputs have no "
                "places that could be exchanged: take Mixup"
            )
        if self.alpha == 0:
            return plan
        takes_soft_targets(plan)
        return mixing(plan, "pasted", self.alpha, "pastes pieces of other examples")
