"""A network that answers with the mean over several views of each image: as it is, shifted, mirrored.

It is a module around the network, so it is measured, saved and exported like any other; in training mode it is the
network alone.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Views", "WithViews"]

SMALLEST = 1e-6


class Views(nn.Module):
    """The mean of what `network` says about every view; of classes and labels their probabilities.

    Args:
        network: Takes images `(batch, channels, height, width)`.
        shift: Pixels to shift by, in four directions, edges repeated; 0 does not.
        flip: Also mirror each view left to right.
        kind: `classification`, `multilabel` or `regression`.
    """

    def __init__(self, network: nn.Module, *, shift: int = 1, flip: bool = False, kind: str = "classification") -> None:
        super().__init__()
        self.network, self.shift, self.flip, self.kind = network, shift, flip, kind

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            return self.network(images)
        tables = [self._table(self.network(view)) for view in self.views(images)]
        mean = sum(tables[1:], tables[0]) / len(tables)
        if self.kind == "regression":
            return mean
        if self.kind == "classification":
            return mean.clamp(min=SMALLEST).log()
        certain = mean.clamp(SMALLEST, 1 - SMALLEST)
        return certain.log() - (1 - certain).log()

    def views(self, images: Tensor) -> list[Tensor]:
        """The images themselves first."""
        found = [images]
        if self.shift:
            step, (height, width) = self.shift, images.shape[-2:]
            padded = F.pad(images, (step, step, step, step), mode="replicate")
            corners = ((0, step), (2 * step, step), (step, 0), (step, 2 * step))
            found += [padded[..., y : y + height, x : x + width] for y, x in corners]
        return found + ([view.flip(-1) for view in found] if self.flip else [])

    def _table(self, outputs: Tensor) -> Tensor:
        if self.kind == "regression":
            return outputs
        return outputs.sigmoid() if self.kind == "multilabel" else outputs.softmax(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithViews:
    """The edit of a plan that puts a network into `Views`; it stays the last, so that surgery sees the network."""

    shift: int = 1
    flip: bool = False
    kind: str = "classification"
    last: ClassVar[bool] = True

    def __call__(self, network: nn.Module, *, probe: object = None) -> Views:
        """`network` inside `Views`, with its weights and in its mode."""
        return Views(network, shift=self.shift, flip=self.flip, kind=self.kind).train(network.training)
