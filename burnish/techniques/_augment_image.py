"""Whole-batch image augmentation: what is drawn for each image, and one pass over the batch that does it.

Shifts are whole pixels and half of the images are not rotated, so that half of them are moved without being
blurred: at 8 x 8 or 32 x 32 pixels interpolation is itself a change of the data.

Sources: shifts and crops, Krizhevsky et al. 2012; erasing, DeVries and Taylor 2017, arXiv:1708.04552.
"""

from dataclasses import dataclass
from math import pi

import torch
from torch import Generator, Tensor

from burnish.techniques._image_colour import (
    blurred,
    brightened,
    contrasted,
    erased,
    from_unit,
    noisy,
    saturated,
    to_unit,
)
from burnish.techniques._image_geometry import cut, mirrored, shifted, transformed
from burnish.techniques._image_lines import layout, put, taken

__all__ = ["IMAGE", "NAMED_IMAGE", "ImageDraws", "ImageStrength", "augment_images", "draw_images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStrength:
    """Ranges the changes are drawn from, evenly and for each image anew; 0 leaves a change out.

    Attributes:
        flip: Share of the images that are mirrored left to right.
        crop: Padding, reflected, as a share of the side; of that a part of the old size is cut out.
        rotate: Largest rotation in degrees, of half of the images.
        scale: Largest change of size, as a share, of the same half.
        translate: Largest shift, as a share of the side; whole pixels.
        brightness, contrast, saturation: Largest change, as a share.
        blur: Largest deviation of a Gaussian blur, in pixels.
        noise: Deviation of Gaussian noise, as a share of the range of values.
        erase: Side of the erased square, as a share of the image's.
    """

    flip: float = 0.0
    crop: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    translate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    erase: float = 0.0


IMAGE = {
    "standard": ImageStrength(translate=0.12, rotate=10.0),
    "strong": ImageStrength(
        translate=0.18, rotate=20.0, scale=0.15, brightness=0.3, contrast=0.3, saturation=0.3, erase=0.4
    ),
}
# What a change does that is named without a number.
NAMED_IMAGE = ImageStrength(
    flip=0.5,
    crop=0.125,
    rotate=10.0,
    scale=0.15,
    translate=0.12,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    blur=1.0,
    noise=0.05,
    erase=0.4,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageDraws:
    """What was drawn for each image, `(batch,)` each, on the CPU.

    Attributes:
        mirror: Whether left and right are exchanged, after everything else has been placed.
        cut_x, cut_y: First column and row of the part cut out of the padded image, in pixels from the image's.
        dx, dy: Where the middle is read from, in pixels from the middle.
        angle: Rotation in radians.
        zoom: Magnification.
        brightness, contrast, saturation: Factors.
        sigma: Deviation of the blur, in pixels.
        noise: Added, `(batch, channels, height, width)`; None adds nothing.
        hole_x, hole_y: First column and row of the erased square.
        side: Its side in pixels, one number for the batch.
    """

    mirror: Tensor
    cut_x: Tensor
    cut_y: Tensor
    dx: Tensor
    dy: Tensor
    angle: Tensor
    zoom: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    sigma: Tensor
    noise: Tensor | None
    hole_x: Tensor
    hole_y: Tensor
    side: int


def draw_images(shape: tuple[int, ...], strength: ImageStrength, generator: Generator) -> ImageDraws:
    """Draw the changes for a batch of `shape`; the same generator state gives the same draws on any device."""
    size, _, height, width = shape

    def even(limit: float) -> Tensor:
        return (torch.rand(size, generator=generator) * 2 - 1) * limit

    def whole(share: float, length: int) -> Tensor:
        limit = max(1, round(share * length)) if share > 0 and length > 1 else 0
        return torch.randint(-limit, limit + 1, (size,), generator=generator).float()

    turned = (torch.rand(size, generator=generator) < 0.5).float()
    side = round(strength.erase * min(height, width))
    return ImageDraws(
        mirror=torch.rand(size, generator=generator) < strength.flip,
        cut_x=whole(strength.crop, width),
        cut_y=whole(strength.crop, height),
        dx=whole(strength.translate, width),
        dy=whole(strength.translate, height),
        angle=even(strength.rotate * pi / 180) * turned,
        zoom=1 + even(strength.scale) * turned,
        brightness=1 + even(strength.brightness),
        contrast=1 + even(strength.contrast),
        saturation=1 + even(strength.saturation),
        sigma=torch.rand(size, generator=generator) * strength.blur,
        noise=torch.empty(shape).normal_(0, strength.noise, generator=generator) if strength.noise else None,
        hole_x=torch.randint(-side, width, (size,), generator=generator),
        hole_y=torch.randint(-side, height, (size,), generator=generator),
        side=side,
    )


def augment_images(inputs: Tensor, draws: ImageDraws, low: Tensor, high: Tensor) -> Tensor:
    """The images `(batch, channels, height, width)` changed as drawn; shape, type and memory format stay.

    Args:
        inputs: As the network sees them.
        draws: From `draw_images`.
        low, high: The values that stand for black and white, one for each channel.
    """
    images = _placed(inputs, draws)
    if _of_values(draws) and bool((low == 0).all() and (high == 1).all()):
        images = _recoloured(images.clamp(0, 1), draws)
    elif _of_values(draws):
        images = from_unit(_recoloured(to_unit(images, low, high), draws), low, high)
    if draws.side:
        images = erased(images, draws.hole_x, draws.hole_y, draws.side)
    return images.contiguous(memory_format=layout(inputs))


def _placed(images: Tensor, draws: ImageDraws) -> Tensor:
    if draws.cut_x.any() or draws.cut_y.any():
        images = cut(images, draws.cut_x, draws.cut_y)
    turned = (draws.angle != 0) | (draws.zoom != 1)
    if draws.dx.any() or draws.dy.any() or turned.any():
        images = _moved(images, draws, turned)
    return mirrored(images, draws.mirror) if draws.mirror.any() else images


def _moved(images: Tensor, draws: ImageDraws, turned: Tensor) -> Tensor:
    """Only what is turned or enlarged is interpolated."""
    if not turned.any():
        return shifted(images, draws.dx, draws.dy)
    placed = torch.empty_like(images)
    for rows, function in ((~turned, _shifted), (turned, _turned)):
        chosen = rows.nonzero()[:, 0]
        if len(chosen):
            there = chosen.to(images.device)
            put(placed, there, function(taken(images, there), draws, chosen))
    return placed


def _shifted(images: Tensor, draws: ImageDraws, rows: Tensor) -> Tensor:
    return shifted(images, draws.dx[rows], draws.dy[rows])


def _turned(images: Tensor, draws: ImageDraws, rows: Tensor) -> Tensor:
    straight = torch.zeros(len(rows))
    dx, dy = draws.dx[rows], draws.dy[rows]
    return transformed(images, draws.angle[rows], draws.zoom[rows], dx, dy, straight, straight)


def _of_values(draws: ImageDraws) -> bool:
    factors = (draws.brightness, draws.contrast, draws.saturation)
    return any((f != 1).any() for f in factors) or bool(draws.sigma.any()) or draws.noise is not None


def _recoloured(images: Tensor, draws: ImageDraws) -> Tensor:
    """`images` is a copy of our own, so it is written over."""
    for function, factor in (
        (brightened, draws.brightness),
        (contrasted, draws.contrast),
        (saturated, draws.saturation),
    ):
        if (factor != 1).any():
            images = function(images, factor, out=images)
    if draws.sigma.any():
        images = blurred(images, draws.sigma)
    return images if draws.noise is None else noisy(images, draws.noise, out=images)
