"""Policies that draw operations for each image: TrivialAugment and AugMix, on whole batches.

Each image draws its own operation and strength; images with the same operation are changed together.

Sources: Müller and Hutter 2021, arXiv:2103.10158 (the wide space); Hendrycks et al. 2020, arXiv:1912.02781 (the mixing;
its extra loss, which takes three passes through the network, is left out).
"""

from collections.abc import Callable
from math import pi

import numpy as np
import torch
from torch import Generator, Tensor

from burnish.techniques import _image_colour as colour
from burnish.techniques._image_geometry import transformed
from burnish.techniques._image_lines import put, taken

__all__ = ["AUGMIX", "TRIVIAL", "augmix", "changed", "trivial"]

# (images from 0 to 1, strength from -1 to 1 of each image, largest rotation in degrees) -> images
Operation = Callable[[Tensor, Tensor, float], Tensor]
SHEAR, SHIFT, CHANGE, BITS = 0.99, 0.45, 0.99, 6
CHAINS, LONGEST, SEVERITY = 3, 3, 0.3


def _affine(images: Tensor, **parts: Tensor) -> Tensor:
    none, one = torch.zeros(len(images)), torch.ones(len(images))
    names = ("angle", "zoom", "dx", "dy", "shear_x", "shear_y")
    return transformed(images, **(dict.fromkeys(names, none) | {"zoom": one} | parts))


OPERATIONS: dict[str, Operation] = {
    "identity": lambda x, m, degrees: x,
    "shear_x": lambda x, m, degrees: _affine(x, shear_x=m * SHEAR),
    "shear_y": lambda x, m, degrees: _affine(x, shear_y=m * SHEAR),
    "translate_x": lambda x, m, degrees: _affine(x, dx=(m * SHIFT * x.shape[3]).round()),
    "translate_y": lambda x, m, degrees: _affine(x, dy=(m * SHIFT * x.shape[2]).round()),
    "rotate": lambda x, m, degrees: _affine(x, angle=m * degrees * pi / 180),
    "brightness": lambda x, m, degrees: colour.brightened(x, 1 + m * CHANGE),
    "saturation": lambda x, m, degrees: colour.saturated(x, 1 + m * CHANGE),
    "contrast": lambda x, m, degrees: colour.contrasted(x, 1 + m * CHANGE),
    "sharpness": lambda x, m, degrees: colour.sharpened(x, 1 + m * CHANGE),
    "posterize": lambda x, m, degrees: colour.posterized(x, 8 - (m.abs() * BITS).round()),
    "solarize": lambda x, m, degrees: colour.solarized(x, 1 - m.abs()),
    "autocontrast": lambda x, m, degrees: colour.autocontrasted(x),
    "equalize": lambda x, m, degrees: colour.equalized(x),
}
TRIVIAL = tuple(OPERATIONS)
# What the corruptions it is tested against are made of is left out, as in the paper.
AUGMIX = (
    *("autocontrast", "equalize", "posterize", "rotate", "solarize"),
    *("shear_x", "shear_y", "translate_x", "translate_y"),
)


def trivial(images: Tensor, generator: Generator, *, degrees: float = 135.0) -> Tensor:
    """Every image changed by one operation of `TRIVIAL` at a strength drawn evenly.

    Args:
        images: Values from 0 to 1, `(batch, channels, height, width)`; they stay there.
        generator: Source of randomness, on the CPU.
        degrees: Largest rotation; 0 leaves rotation out.
    """
    names = tuple(name for name in TRIVIAL if degrees or name != "rotate")
    size = len(images)
    choice = torch.randint(len(names), (size,), generator=generator)
    strength = torch.rand(size, generator=generator) * 2 - 1
    return changed(images, names, choice, strength, degrees)


def augmix(images: Tensor, generator: Generator, *, degrees: float = 30.0, severity: float = SEVERITY) -> Tensor:
    """Every image blended with a mixture of three chains of one to three weak operations.

    Args:
        images: Values from 0 to 1, `(batch, channels, height, width)`; they stay there.
        generator: Source of randomness, on the CPU.
        degrees: Largest rotation, before `severity`; 0 leaves rotation out.
        severity: Share of the largest strengths.
    """
    names = tuple(name for name in AUGMIX if degrees or name != "rotate")
    size = len(images)
    # torch has no Dirichlet draw that takes a generator; numpy's is seeded from ours
    drawn = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    weights = torch.from_numpy(drawn.dirichlet(np.ones(CHAINS), size).astype(np.float32))
    share = torch.from_numpy(drawn.beta(1.0, 1.0, size).astype(np.float32))
    mixture = torch.zeros_like(images)
    for chain in range(CHAINS):
        mixture += _chain(images, names, generator, degrees, severity) * _each(weights[:, chain], images)
    return torch.lerp(images, mixture, _each(share, images)).clamp_(0, 1)


def _chain(images: Tensor, names: tuple[str, ...], generator: Generator, degrees: float, severity: float) -> Tensor:
    length = torch.randint(1, LONGEST + 1, (len(images),), generator=generator)
    for step in range(LONGEST):
        choice = torch.randint(len(names), (len(images),), generator=generator)
        strength = (torch.rand(len(images), generator=generator) * 2 - 1) * severity
        choice = torch.where(step < length, choice, -1)
        images = changed(images, names, choice, strength, degrees)
    return images


def changed(images: Tensor, names: tuple[str, ...], choice: Tensor, strength: Tensor, degrees: float) -> Tensor:
    """Each image through the operation of `names` that `choice` points to; -1 leaves it as it is.

    Args:
        images: Values from 0 to 1.
        names: Operations of `OPERATIONS`.
        choice: Which one, `(batch,)`.
        strength: From -1 to 1, `(batch,)`; operations without direction take its size.
        degrees: What strength 1 rotates by.
    """
    after = images.clone()
    for index, name in enumerate(names):
        rows = (choice == index).nonzero()[:, 0]
        if len(rows):
            there = rows.to(images.device)
            put(after, there, OPERATIONS[name](taken(images, there), strength[rows], degrees))
    return after


def _each(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images).view(-1, 1, 1, 1)
