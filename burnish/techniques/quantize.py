"""The trained network becomes an int8 ONNX file, and that file is what is measured.

Several ways to quantize are tried and compared with the float file in the session that will serve; where rounding
costs too much, layers stay float.

Helps: size is short, or the processor multiplies int8 fast (VNNI, AMX, Arm dot products).
Does not: the processor has no such instructions: int8 is then often slower than float.
Costs: score, by a little; minutes to calibrate.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, arXiv:1712.05877.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.plan import Plan

__all__ = ["Quantize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Round the trained network to int8. Changes: `plan.post`.

    Attributes:
        agreement: Share of the calibration rows that must keep the float network's answer; layers go back to float
            until they do, 0 keeps all int8.
    """

    agreement: float = 0.98

    kind: ClassVar[str] = "post"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({"agreement": 0.98}, {"agreement": 0.0})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Jacob et al. 2018, arXiv:1712.05877"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.agreement <= 1:
            raise ValueError(f"agreement must be in [0, 1], got {self.agreement}")

    def __call__(self, plan: Plan) -> Plan:
        return plan.declare(post=self)
