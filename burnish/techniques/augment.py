"""Training on examples changed in ways that do not change their meaning.

What a network should not care about (where an object stands, which synonym was missed, a little noise) it has to
see vary. The changes are made on whole batches on the device and cost far less than the network's own pass.
Images are not mirrored unless asked: a mirrored digit or letter is another one.

Sources: images, Krizhevsky et al. 2012 and DeVries and Taylor 2017, arXiv:1708.04552; text, Wei and Zou 2019,
arXiv:1901.11196; tables, Bahri et al. 2022, arXiv:2106.15147; series, Um et al. 2017, arXiv:1706.00527.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from burnish.errors import NotApplicable
from burnish.plan import BatchContext, Plan
from burnish.techniques._augment_image import IMAGE, augment_images, draw_images
from burnish.techniques._augment_series import SERIES, augment_series, draw_series
from burnish.techniques._augment_table import TABLE, swap_noise
from burnish.techniques._augment_text import TEXT, augment_tokens

__all__ = ["Augment", "augment"]

STRENGTHS = ("none", "standard", "strong")
DIMENSIONS = {"image": 4, "text": 2, "table": 2, "series": 3}


def augment(
    inputs: Tensor,
    targets: Tensor,
    context: BatchContext,
    *,
    strength: str = "standard",
    flip: bool = False,
    groups: tuple[tuple[int, ...], ...] = (),
) -> tuple[Tensor, Tensor]:
    """Change the inputs of a batch; type, shape and targets stay.

    Args:
        inputs: Images `(batch, channels, height, width)`, tokens `(batch, length)`, rows `(batch, features)` or
            series `(batch, channels, length)`, as the network sees them.
        targets: Handed through.
        context: Kind of the inputs and source of randomness.
        strength: `standard` or `strong`.
        flip: Mirror half of the images left to right.
        groups: Features that belong to one column, for tables.
    """
    generator = context.generator
    if context.modality == "image":
        size, _, height, width = inputs.shape
        ranges = replace(IMAGE[strength], flip=flip)
        inputs = augment_images(inputs, draw_images(size, height, width, ranges, generator))
    elif context.modality == "text":
        inputs = augment_tokens(inputs, TEXT[strength], generator)
    elif context.modality == "table":
        inputs = swap_noise(inputs, groups, TABLE[strength], generator)
    else:
        size, channels, length = inputs.shape
        inputs = augment_series(inputs, draw_series((size, channels, length), SERIES[strength], generator))
    return inputs, targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """Training examples changed in ways that keep their meaning. Changes: `plan.batch`.

    Attributes:
        strength: `none`, `standard` or `strong`.
        flip: Mirror half of the images; only where left and right mean the same.
    """

    strength: str = "standard"
    flip: bool = False

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({"strength": "standard"}, {"strength": "strong"})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = (
        "Krizhevsky et al. 2012; DeVries and Taylor 2017, arXiv:1708.04552; Wei and Zou 2019, arXiv:1901.11196; "
        "Bahri et al. 2022, arXiv:2106.15147; Um et al. 2017, arXiv:1706.00527"
    )
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.strength not in STRENGTHS:
            raise ValueError(f"unknown strength {self.strength!r}; one of {', '.join(STRENGTHS)}")

    def __call__(self, plan: Plan) -> Plan:
        modality, preparation = plan.data.modality, plan.data.preparation
        if modality not in self.modalities:
            raise NotApplicable(f"no augmentation for {modality} inputs; there is one for {', '.join(self.modalities)}")
        if self.flip and modality != "image":
            raise NotApplicable(f"flip mirrors images; the inputs are {modality}")
        if len(preparation.input_shape) != DIMENSIONS[modality] - 1:
            raise NotApplicable(f"{modality} inputs of shape {preparation.input_shape} are not ones Augment can change")
        if self.strength == "none":
            return plan
        groups = preparation.feature_groups if modality == "table" else ()
        return plan.edit_batch(partial(augment, strength=self.strength, flip=self.flip, groups=groups))
