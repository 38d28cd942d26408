"""Whole-batch image augmentation: one affine resampling, then light and erasing.

Shifts are whole pixels and half of the images are not rotated, so that half of them are moved without being
blurred: at 8 x 8 or 32 x 32 pixels interpolation is itself a change of the data.

Sources: shifts and crops, Krizhevsky et al. 2012; erasing, DeVries and Taylor 2017, arXiv:1708.04552.
"""

from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

__all__ = ["IMAGE", "ImageDraws", "ImageStrength", "augment_images", "draw_images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStrength:
    """Ranges the changes are drawn from, evenly and for each image anew.

    Attributes:
        shift: Largest shift, as a share of the side.
        degrees: Largest rotation.
        zoom: Largest change of size, as a share.
        light: Largest change of brightness, in deviations, and of contrast, as a share.
        erase: Side of the erased square, as a share of the image's; 0 erases nothing.
        flip: Whether half of the images are mirrored.
    """

    shift: float = 0.12
    degrees: float = 10.0
    zoom: float = 0.0
    light: float = 0.0
    erase: float = 0.0
    flip: bool = False


IMAGE = {
    "standard": ImageStrength(),
    "strong": ImageStrength(shift=0.18, degrees=20.0, zoom=0.15, light=0.3, erase=0.4),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageDraws:
    """What was drawn for each image, `(batch,)` each, on the CPU.

    Attributes:
        dx, dy: Where the middle is read from, in pixels from the middle.
        angle: Rotation in radians.
        zoom: Magnification.
        mirror: -1 mirrors left and right, 1 does not.
        brightness: Added, in deviations of the image.
        contrast: Multiplies the distance from the image's mean.
        hole_x, hole_y: First column and row of the erased square.
        side: Its side in pixels, one number for the batch.
    """

    dx: Tensor
    dy: Tensor
    angle: Tensor
    zoom: Tensor
    mirror: Tensor
    brightness: Tensor
    contrast: Tensor
    hole_x: Tensor
    hole_y: Tensor
    side: int


def draw_images(size: int, height: int, width: int, strength: ImageStrength, generator: Generator) -> ImageDraws:
    """Draw the changes for `size` images; the same generator state gives the same draws on any device."""

    def even(limit: float) -> Tensor:
        return (torch.rand(size, generator=generator) * 2 - 1) * limit

    def whole(limit: int) -> Tensor:
        return torch.randint(-limit, limit + 1, (size,), generator=generator).float()

    turned = (torch.rand(size, generator=generator) < 0.5).float()
    mirrored = (torch.rand(size, generator=generator) < 0.5) if strength.flip else torch.zeros(size)
    side = round(strength.erase * min(height, width))
    return ImageDraws(
        dx=whole(_pixels(strength.shift, width)),
        dy=whole(_pixels(strength.shift, height)),
        angle=even(strength.degrees * pi / 180) * turned,
        zoom=1 + even(strength.zoom) * turned,
        mirror=1 - 2 * mirrored.float(),
        brightness=even(strength.light),
        contrast=1 + even(strength.light),
        hole_x=torch.randint(-side, width, (size,), generator=generator),
        hole_y=torch.randint(-side, height, (size,), generator=generator),
        side=side,
    )


def augment_images(inputs: Tensor, draws: ImageDraws) -> Tensor:
    """The images `(batch, channels, height, width)` changed as drawn; shape, type and memory format stay.

    What comes in from outside repeats the edge, so no value has to be known for black.
    """
    format_ = (
        torch.channels_last if inputs.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    )
    grid = _grid(draws, inputs.shape[2], inputs.shape[3]).to(inputs.device, inputs.dtype)
    images = F.grid_sample(inputs, grid, padding_mode="border", align_corners=False)
    images = _erased(_lit(images, draws), draws)
    return images.contiguous(memory_format=format_)


def _pixels(share: float, side: int) -> int:
    return max(1, round(share * side)) if share > 0 and side > 1 else 0


def _grid(draws: ImageDraws, height: int, width: int) -> Tensor:
    """Where each pixel is read, `(batch, height, width, 2)` in the units of `grid_sample`."""
    cosine, sine = torch.cos(draws.angle) / draws.zoom, torch.sin(draws.angle) / draws.zoom
    across = (torch.arange(width) - (width - 1) / 2).view(1, 1, width) * draws.mirror.view(-1, 1, 1)
    down = (torch.arange(height) - (height - 1) / 2).view(1, height, 1)
    x = _each(cosine) * across - _each(sine) * down + _each(draws.dx)
    y = _each(sine) * across + _each(cosine) * down + _each(draws.dy)
    return torch.stack((x * (2 / width), y * (2 / height)), -1)


def _lit(images: Tensor, draws: ImageDraws) -> Tensor:
    if not (draws.brightness.any() or (draws.contrast != 1).any()):
        return images
    mean = images.mean((1, 2, 3), keepdim=True)
    deviation = (images.square().mean((1, 2, 3), keepdim=True) - mean.square()).clamp(min=0).sqrt()
    contrast, brightness = (v.view(-1, 1, 1, 1).to(images) for v in (draws.contrast, draws.brightness))
    # (images - mean) * contrast + mean + brightness * deviation, in one pass over the images
    return torch.addcmul(mean * (1 - contrast) + brightness * deviation, images, contrast)


def _erased(images: Tensor, draws: ImageDraws) -> Tensor:
    if not draws.side:
        return images
    columns, rows = torch.arange(images.shape[3]), torch.arange(images.shape[2])
    across = (columns >= draws.hole_x[:, None]) & (columns < draws.hole_x[:, None] + draws.side)
    down = (rows >= draws.hole_y[:, None]) & (rows < draws.hole_y[:, None] + draws.side)
    hole = (down[:, None, :, None] & across[:, None, None, :]).to(images.device)
    return torch.where(hole, images.mean((2, 3), keepdim=True), images)


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1)
