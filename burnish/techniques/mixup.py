"""Training on blends of two examples and of their targets.

Between two training examples the network is asked to answer in between. That keeps it from being certain where
there are no data, and from memorizing wrong labels; it helps most when data are few and classes many. Texts are blended
where their tokens have become vectors.

Helps: few examples, images, long trainings; probabilities are better calibrated.
Does not: short trainings and networks that underfit; tables whose columns do not blend.
Costs: more epochs; nothing in serving.

Sources: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
arXiv:1710.09412; of embeddings, Guo et al. 2019, arXiv:1905.08941. Each example draws its own share, as in timm's
`elem` mode; together with CutMix, each batch draws one of the two.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from burnish.errors import NotApplicable
from burnish.plan import BatchContext, Plan
from burnish.techniques._embedding_mixing import EmbeddingMixing, with_blending
from burnish.techniques._mixing import blend, check_alpha, mixing, takes_soft_targets

__all__ = ["Mixup", "mixup"]


def mixup(inputs: Tensor, targets: Tensor, context: BatchContext, *, alpha: float = 0.2) -> tuple[Tensor, Tensor]:
    """Blend every example of a batch with another one.

    Args:
        inputs: Float inputs `(batch, ...)`.
        targets: Class indices `(batch,)`, probabilities `(batch, classes)` or values `(batch, values)`.
        context: Source of randomness, kind of task and width of the output.
        alpha: Both parameters of the Beta distribution the shares are drawn from.

    Returns:
        Blended inputs of the same shape; class probabilities or values.
    """
    return blend(inputs, targets, context, alpha=alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixup:
    """Blends of two examples and their targets. Changes: `plan.batch`; for text also the embedding, in training.

    Attributes:
        alpha: Strength: near 0 blends are close to one of the two, at 1 all shares are alike; 0 changes nothing.
    """

    alpha: float = 0.2

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"alpha": 0.2}, {"alpha": 0.4}, {"alpha": 1.0})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Zhang et al. 2018, arXiv:1710.09412; Guo et al. 2019, arXiv:1905.08941"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def __call__(self, plan: Plan) -> Plan:
        if plan.data.modality not in self.modalities:
            raise NotApplicable(f"mixup blends {', '.join(self.modalities)} inputs, not {plan.data.modality}")
        if self.alpha == 0:
            return plan
        takes_soft_targets(plan)
        if plan.data.modality == "text":
            return plan.edit_model(with_blending).edit_batch(EmbeddingMixing(alpha=float(self.alpha)))
        return mixing(plan, "blended", self.alpha, "blends its examples")
