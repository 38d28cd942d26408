"""What the pixels of a whole batch of images become: light, colour, sharpness, noise, holes.

Every image has a number of its own, `(batch,)`. Functions of light and colour take values from 0 to 1 and stay there;
`to_unit` and `from_unit` lead there from what a network sees. Type, shape and memory format stay.

Sources: blending as in Pillow's ImageEnhance; erasing, DeVries and Taylor 2017, arXiv:1708.04552.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.techniques._image_lines import along, boxes, from_lines, lines

__all__ = [
    "autocontrasted",
    "blurred",
    "brightened",
    "contrasted",
    "equalized",
    "erased",
    "from_unit",
    "grey",
    "noisy",
    "posterized",
    "saturated",
    "sharpened",
    "solarized",
    "to_unit",
]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: what red, green and blue add to the brightness
LEVELS = 256  # of an equalized image
LEAST = 1e-9  # of a blur's weights: less changes nothing, and processors compute slowly with the very least numbers


def to_unit(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Values from 0 to 1 for what reaches from `low` to `high`, one of each for every channel."""
    share = 1 / (high - low)
    offset, share = (along(v[None], images) for v in (-low * share, share))
    return from_lines(torch.addcmul(offset, lines(images), share).clamp_(0, 1), images)


def from_unit(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The way back from `to_unit`."""
    low, span = (along(v[None], images) for v in (low, high - low))
    return from_lines(torch.addcmul(low, lines(images), span), images)


def brightened(images: Tensor, factor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Images times `factor`; like its neighbours written to `out`, which may be `images`, where it is given."""
    return torch.mul(images, _each(factor, images), out=out).clamp_(0, 1)


def contrasted(images: Tensor, factor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Distances from the image's mean brightness times `factor`."""
    means = images.mean((2, 3), keepdim=True)  # the mean of the grey image is the grey of the means
    return _blended(images, grey(means), factor, out)


def saturated(images: Tensor, factor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Distances from the grey image times `factor`; images without colour stay."""
    if images.shape[1] > 1:
        return _blended(images, grey(images), factor, out)
    return images.clone() if out is None else out.copy_(images)


def sharpened(images: Tensor, factor: Tensor) -> Tensor:
    """Distances from a smoothed image times `factor`; the pixels at the edge stay."""
    if min(images.shape[2:]) < 3:
        return images.clone()
    kernel = torch.ones(3, 3)
    kernel[1, 1] = 5
    channels = images.shape[1]
    weight = (kernel / kernel.sum()).to(images).expand(channels, 1, 3, 3)
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(images, weight, groups=channels)
    return _blended(images, smooth, factor, None)


def posterized(images: Tensor, bits: Tensor) -> Tensor:
    """Images of 8 bits with all but the first `bits` bits set to zero."""
    step = _each(torch.exp2(8 - bits.round()), images)
    return ((images * 255).round_().div_(step).floor_() * step).div_(255)


def solarized(images: Tensor, threshold: Tensor) -> Tensor:
    """Values from `threshold` on turned into their negative."""
    return torch.where(images >= _each(threshold, images), 1 - images, images)


def autocontrasted(images: Tensor) -> Tensor:
    """Each channel stretched from 0 to 1; one of a single value stays."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    span = high - low
    return torch.where(span > 0, (images - low) / torch.where(span > 0, span, 1), images)


def equalized(images: Tensor) -> Tensor:
    """Each channel with its 256 levels spread so that all are about equally frequent."""
    size, channels, height, width = images.shape
    levels = (images * (LEVELS - 1)).round_().long().reshape(size * channels, height * width)
    counts = torch.zeros(len(levels), LEVELS, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels))
    # the brightest level there is does not count in the step, as Pillow has it
    last = counts.gather(1, levels.amax(1, keepdim=True))
    step = (height * width - last) // (LEVELS - 1)
    before = counts.cumsum(1) - counts
    table = ((before + step // 2) // step.clamp(min=1)).clamp(0, LEVELS - 1)
    spread = table.gather(1, levels).to(images.dtype).div_(LEVELS - 1).view(images.shape)
    return torch.where(step.view(size, channels, 1, 1) > 0, spread, images)


def blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Images through a Gaussian of deviation `sigma` in pixels, reflected at the edges."""
    reach = min(int(torch.ceil(3 * sigma.max())), min(images.shape[2:]) - 1)
    if reach < 1:
        return images.clone()
    distance = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (distance / sigma.clamp(min=1e-3)[:, None]).square())
    weights = weights.where(weights > LEAST, 0.0)
    weights = (weights / weights.sum(1, keepdim=True)).to(images)
    size, channels, height, width = images.shape
    kernel = weights.repeat_interleave(channels, 0)
    # every channel of every image is a group with its own kernel
    flat = F.pad(images, [reach] * 4, mode="reflect").reshape(1, size * channels, height + 2 * reach, width + 2 * reach)
    across = F.conv2d(flat, kernel[:, None, None, :], groups=size * channels)
    both = F.conv2d(across, kernel[:, None, :, None], groups=size * channels)
    return both.view(images.shape)


def noisy(images: Tensor, noise: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Images with `noise` of their shape added, clipped to 0 and 1."""
    return torch.add(images, noise.to(images), out=out).clamp_(0, 1)


def erased(images: Tensor, x: Tensor, y: Tensor, side: int) -> Tensor:
    """A square of `side` pixels from column `x` and row `y` on replaced by the mean of its channel."""
    hole, means = boxes(images, (x, x + side), (y, y + side)), along(images.mean((2, 3)), images)
    return from_lines(torch.lerp(lines(images), means, hole), images)


def grey(images: Tensor) -> Tensor:
    """The brightness of each pixel, one channel: weighted for three, else the mean of all."""
    if images.shape[1] != len(LUMA):
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _blended(images: Tensor, other: Tensor, factor: Tensor, out: Tensor | None) -> Tensor:
    share = _each(factor, images)
    return torch.addcmul(other * (1 - share), images, share, out=out).clamp_(0, 1)


def _each(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images).view(-1, 1, 1, 1)
