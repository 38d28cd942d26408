"""Whole-batch series augmentation: noise, scale, shift and stretch in time.

Source: Um et al., "Data Augmentation of Wearable Sensor Data", ICMI 2017, arXiv:1706.00527.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

__all__ = ["SERIES", "SeriesDraws", "SeriesStrength", "augment_series", "draw_series"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStrength:
    """How much is changed, for each series anew.

    Attributes:
        jitter: Deviation of the noise, in deviations of the series' channel.
        scale: Deviation of the factor of each channel around one.
        shift: Largest shift in time, as a share of the length.
        stretch: Largest change of speed, as a share.
    """

    jitter: float = 0.05
    scale: float = 0.1
    shift: float = 0.1
    stretch: float = 0.0


SERIES = {"standard": SeriesStrength(), "strong": SeriesStrength(jitter=0.1, scale=0.2, shift=0.2, stretch=0.2)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesDraws:
    """What was drawn, on the CPU.

    Attributes:
        noise: Added, in deviations of the channel `(batch, channels, length)`.
        factor: Multiplies the channel `(batch, channels)`.
        shift: Steps in time `(batch,)`, whole ones.
        speed: Speed `(batch,)` around the middle.
    """

    noise: Tensor
    factor: Tensor
    shift: Tensor
    speed: Tensor


def draw_series(shape: tuple[int, int, int], strength: SeriesStrength, generator: Generator) -> SeriesDraws:
    """Draw the changes for a batch of `shape` (batch, channels, length)."""
    size, channels, length = shape
    reach = round(strength.shift * length)
    return SeriesDraws(
        noise=torch.randn(shape, generator=generator) * strength.jitter,
        factor=1 + torch.randn(size, channels, generator=generator) * strength.scale,
        shift=torch.randint(-reach, reach + 1, (size,), generator=generator).float(),
        speed=1 + (torch.rand(size, generator=generator) * 2 - 1) * strength.stretch,
    )


def augment_series(inputs: Tensor, draws: SeriesDraws) -> Tensor:
    """The series `(batch, channels, length)` changed as drawn; before the start and after the end they are constant."""
    moved = _resampled(inputs, draws)
    deviation = inputs.std(2, keepdim=True, unbiased=False)
    return moved * draws.factor.to(inputs)[:, :, None] + draws.noise.to(inputs) * deviation


def _resampled(inputs: Tensor, draws: SeriesDraws) -> Tensor:
    length = inputs.shape[2]
    middle = (length - 1) / 2
    time = (torch.arange(length) - middle) * draws.speed[:, None] + middle + draws.shift[:, None]
    time = time.clamp(0, length - 1)
    early = time.floor()
    weight = (time - early).to(inputs)[:, None, :]
    first = early.long().to(inputs.device)[:, None, :].expand(inputs.shape)
    second = (first + 1).clamp(max=length - 1)
    return torch.lerp(inputs.gather(2, first), inputs.gather(2, second), weight)
