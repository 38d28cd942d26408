"""Losses and the soft-target algebra (smoothing, mixing, distillation, class weights), in one place.

`Loss` is a value and needs no torch; the functions on tensors are loaded when first asked for.
"""

from typing import TYPE_CHECKING, Any

from burnish.losses.loss import LOSSES as LOSSES
from burnish.losses.loss import Loss as Loss

if TYPE_CHECKING:
    from burnish.losses.distill import distillation as distillation
    from burnish.losses.targets import as_probabilities as as_probabilities
    from burnish.losses.targets import mix as mix
    from burnish.losses.targets import smooth as smooth

__all__ = ["LOSSES", "Loss", "as_probabilities", "distillation", "mix", "smooth"]


def __getattr__(name: str) -> Any:
    if name in ("as_probabilities", "mix", "smooth"):
        from burnish.losses import targets

        return getattr(targets, name)
    if name == "distillation":
        from burnish.losses import distill

        return distill.distillation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
