"""Forward passes in a narrower number format.

Weights, their gradients and the optimizer stay in float32, and so does evaluation; inside the block matrix products and
convolutions compute in bfloat16, which has the range of float32, so that losses need no scaling.

Sources: Micikevicius et al., "Mixed Precision Training", ICLR 2018, arXiv:1710.03740; Kalamkar et al., "A Study of
BFLOAT16 for Deep Learning Training", 2019, arXiv:1905.12322.
"""

import contextlib

import torch

__all__ = ["lowered"]


def lowered(precision: str, place: torch.device) -> contextlib.AbstractContextManager[object]:
    """Compute in `precision`, `float32` or `bf16`, inside the block."""
    if precision == "bf16":
        return torch.autocast(place.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
