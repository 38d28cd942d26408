"""Corruptions of images, eight kinds in five severities, on whole batches and without external libraries.

Images are `(B, C, H, W)` floats from 0 to 1. The kinds and their strengths are those of CIFAR-10-C for small images
and of ImageNet-C for large ones; noise comes from a generator, so the same seed gives the same images.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019, arXiv:1903.12261.
"""

import math
import zlib
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["CORRUPTIONS", "LARGE", "SEVERITIES", "STRENGTHS", "corrupt"]

SEVERITIES = (1, 2, 3, 4, 5)
LARGE = 100  # shorter side from which images are taken as large
CHUNK = 256  # images that share a generator; part of the result, as a batch of the caller's must not be
# Strength at severities 1 to 5, small images first.
STRENGTHS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "gaussian noise": ((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot noise": ((500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "impulse noise": ((0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)),
    "defocus blur": (
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    "motion blur": (
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    ),
    "brightness": ((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": ((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "pixelate": ((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
}


def corrupt(images: Tensor, name: str, severity: int, *, seed: int = 0) -> Tensor:
    """`images` `(B, C, H, W)` from 0 to 1, corrupted; the result is from 0 to 1 too, and on the same device.

    Args:
        images: They are not changed.
        name: One of `CORRUPTIONS`.
        severity: From 1 to 5.
        seed: Decides the noise, together with name, severity and an image's place.

    Example:
        >>> grey = torch.full((1, 1, 4, 4), 0.5)
        >>> round(float(corrupt(grey, "brightness", 1).mean()), 3)
        0.55
    """
    if name not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f"got {name!r} at severity {severity}; expected {', '.join(CORRUPTIONS)}, from 1 to 5")
    strength = STRENGTHS[name][min(images.shape[-2:]) >= LARGE][severity - 1]
    key = zlib.crc32(f"{name} {severity} {seed}".encode())
    parts = []
    for start in range(0, len(images), CHUNK):
        generator = torch.Generator().manual_seed(key + start)
        parts.append(CORRUPTIONS[name](images[start : start + CHUNK], strength, generator).clamp(0, 1))
    return torch.cat(parts) if parts else images


# -- noise ------------------------------------------------------------------------------------------


def _gaussian_noise(images: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    return images + deviation * torch.randn(images.shape, generator=generator).to(images.device)


def _shot_noise(images: Tensor, photons: float, generator: torch.Generator) -> Tensor:
    """Light that arrives as `photons` separate quanta at full brightness."""
    return torch.poisson(images.cpu() * photons, generator=generator).to(images.device) / photons


def _impulse_noise(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A share of the values becomes black or white, half of them each."""
    draw = torch.rand(images.shape, generator=generator).to(images.device)
    return torch.where(draw < share, (draw < share / 2).to(images.dtype), images)


# -- blur -------------------------------------------------------------------------------------------


def _defocus_blur(images: Tensor, strength: tuple[float, float], generator: torch.Generator) -> Tensor:
    kernel = disk(*strength).to(images)
    reach, channels = len(kernel) // 2, images.shape[1]
    mode = "reflect" if min(images.shape[-2:]) > reach else "replicate"
    padded = F.pad(images, (reach,) * 4, mode=mode)
    return F.conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels)


def disk(radius: float, blur: float) -> Tensor:
    """A disk's indicator that sums to one, softened by a small Gaussian: the point spread of a lens out of focus."""
    reach = math.floor(radius)
    at = torch.arange(-reach, reach + 1, dtype=torch.float64)
    inside = (at[:, None] ** 2 + at[None, :] ** 2 <= radius**2).double()
    width = 1 if radius <= 8 else 2
    soft = torch.exp(-(torch.arange(-width, width + 1, dtype=torch.float64) ** 2) / (2 * blur**2))
    soft = soft / soft.sum()
    softer = (soft[:, None] * soft[None, :])[None, None]
    return F.conv2d((inside / inside.sum())[None, None], softer, padding=2 * width)[0, 0]


def _motion_blur(images: Tensor, strength: tuple[int, float], generator: torch.Generator) -> Tensor:
    """A trail in one direction, up to 45 degrees from the horizontal and drawn for each image, that fades out."""
    radius, sigma = strength
    weights = torch.exp(-(torch.arange(2 * radius + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    weights = weights / weights.sum()
    angles = (torch.rand(len(images), generator=generator) - 0.5) * math.pi / 2
    height, width = images.shape[-2:]
    rows, columns, which = torch.arange(height), torch.arange(width), torch.arange(len(images))[:, None, None]
    blurred = torch.zeros_like(images)
    for step, weight in enumerate(weights.tolist()):
        down = (rows + torch.round(step * torch.sin(angles)).long()[:, None]).clamp(0, height - 1)
        along = (columns + torch.round(step * torch.cos(angles)).long()[:, None]).clamp(0, width - 1)
        moved = images.permute(0, 2, 3, 1)[which, down[:, :, None], along[:, None, :]]
        blurred += weight * moved.permute(0, 3, 1, 2)
    return blurred


# -- light and detail -------------------------------------------------------------------------------


def _brightness(images: Tensor, more: float, generator: torch.Generator) -> Tensor:
    """Raises the value of the HSV colour and leaves hue and saturation; grey images simply become lighter."""
    value = images.amax(1, keepdim=True)
    raised = (value + more).clamp(max=1)
    return torch.where(value > 0, images * raised / value.clamp(min=1e-12), raised)


def _contrast(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    mean = images.mean((-2, -1), keepdim=True)
    return (images - mean) * share + mean


def _pixelate(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Shrinks by box averaging and enlarges again."""
    height, width = images.shape[-2:]
    down, along = (boxes(side, max(int(side * share), 1)).to(images) for side in (height, width))
    back, forth = (boxes(max(int(side * share), 1), side).to(images) for side in (height, width))
    return (back @ down) @ images @ (forth @ along).T


def boxes(before: int, after: int) -> Tensor:
    """The matrix `(after, before)` that resizes one side by a box filter, as image libraries do."""
    scale = before / after
    centre = (torch.arange(after, dtype=torch.float64)[:, None] + 0.5) * scale
    distance = (torch.arange(before, dtype=torch.float64) + 0.5 - centre) / max(scale, 1.0)
    weight = ((distance > -0.5) & (distance <= 0.5)).double()
    return weight / weight.sum(1, keepdim=True)


CORRUPTIONS: dict[str, Callable[[Tensor, Any, torch.Generator], Tensor]] = {
    "gaussian noise": _gaussian_noise,
    "shot noise": _shot_noise,
    "impulse noise": _impulse_noise,
    "defocus blur": _defocus_blur,
    "motion blur": _motion_blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "pixelate": _pixelate,
}
