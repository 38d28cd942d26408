"""Answers are means over several views of the same image.

A network answers slightly differently when the image is shifted by a pixel or mirrored, although the right answer is
the same; the mean over such views is steadier. It costs one computation for each view. Whether mirrored images mean the
same is for the data to say: the gain is measured on validation. The views are part of the exported network.

Helps: images whose mirror image means the same, where latency does not count.
Does not: latency counts, or the transforms change the meaning.
Costs: as many forward passes as there are views.

Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, doi:10.1145/3065386; when it pays, Shanmugam et al., ICCV 2021,
arXiv:2011.11156.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.errors import NotApplicable
from burnish.model.views import WithViews
from burnish.plan import Plan

__all__ = ["TestTimeAugmentation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestTimeAugmentation:
    """Average over shifted, and mirrored, views. Changes: `plan.edits`; declares a readout.

    Attributes:
        shift: Pixels to shift by, in four directions; 0 does not.
        flip: Also mirror each view left to right.
    """

    shift: int = 1
    flip: bool = False

    __test__: ClassVar[bool] = False  # its name makes pytest look for tests in it
    kind: ClassVar[str] = "readout"
    levels: ClassVar[tuple[dict[str, Any], ...]] = (
        {"shift": 1},
        {"shift": 1, "flip": True},
        {"shift": 0, "flip": True},
    )
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Krizhevsky et al. 2012; Shanmugam et al. 2021, arXiv:2011.11156"
    modalities: ClassVar[tuple[str, ...]] = ("image",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise ValueError(f"shift must be 0 or more, got {self.shift}")

    def __call__(self, plan: Plan) -> Plan:
        if plan.data.modality != "image":
            raise NotApplicable(f"views are of images; of {plan.data.modality} data no change is harmless by itself")
        if not self.shift and not self.flip:
            return plan
        views = WithViews(shift=self.shift, flip=self.flip, kind=plan.data.task.kind)
        return plan.edit_model(views).declare(readout=self)
