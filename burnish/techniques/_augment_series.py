"""Whole-batch series augmentation: noise, scale, shift, windows, and smooth bends of time and size.

Source: Um et al., "Data Augmentation of Wearable Sensor Data", ICMI 2017, arXiv:1706.00527.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Generator, Tensor

__all__ = ["NAMED_SERIES", "SERIES", "SeriesDraws", "SeriesStrength", "augment_series", "draw_series"]

KNOTS = 4  # between the ends of a smooth curve, as in the paper
SLOWEST = 0.1  # of the usual speed: warped time never stands still or runs backwards


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStrength:
    """How much is changed, for each series anew; 0 leaves a change out.

    Attributes:
        jitter: Deviation of the noise, in deviations of the series' channel.
        scale: Deviation of the factor of each channel around one.
        shift: Largest shift in time, as a share of the length.
        crop: Largest share of the length that is cut off; the window that is left is stretched to the old length.
        time_warp: Deviation of the speed around one, along a smooth curve; start and end stay.
        magnitude_warp: Deviation of the factor around one, along a smooth curve for each channel.
    """

    jitter: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    crop: float = 0.0
    time_warp: float = 0.0
    magnitude_warp: float = 0.0


SERIES = {
    "standard": SeriesStrength(jitter=0.05, scale=0.1, shift=0.1),
    "strong": SeriesStrength(jitter=0.1, scale=0.2, shift=0.2, crop=0.2, time_warp=0.2, magnitude_warp=0.2),
}
# What a change does that is named without a number.
NAMED_SERIES = SeriesStrength(jitter=0.05, scale=0.1, shift=0.1, crop=0.1, time_warp=0.2, magnitude_warp=0.2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesDraws:
    """What was drawn, on the CPU.

    Attributes:
        noise: Added, in deviations of the channel `(batch, channels, length)`.
        factor: Multiplies, `(batch, channels, length)`, or `(batch, channels, 1)` where it does not change in time.
        time: The step each step is read at, `(batch, length)`.
    """

    noise: Tensor
    factor: Tensor
    time: Tensor


def draw_series(shape: tuple[int, int, int], strength: SeriesStrength, generator: Generator) -> SeriesDraws:
    """Draw the changes for a batch of `shape` (batch, channels, length)."""
    size, channels, length = shape
    reach = round(strength.shift * length)
    noise = torch.randn(shape, generator=generator) * strength.jitter
    factor = 1 + torch.randn(size, channels, 1, generator=generator) * strength.scale
    shift = torch.randint(-reach, reach + 1, (size, 1), generator=generator).float()
    window = 1 - torch.rand(size, 1, generator=generator) * strength.crop
    start = torch.rand(size, 1, generator=generator) * (1 - window) * (length - 1)
    time = torch.arange(length).expand(size, length)
    if strength.time_warp:
        time = warped_time(1 + torch.randn(size, KNOTS + 2, generator=generator) * strength.time_warp, length)
    if strength.magnitude_warp:
        knots = 1 + torch.randn(size, channels, KNOTS + 2, generator=generator) * strength.magnitude_warp
        factor = factor * smooth(knots, length)
    return SeriesDraws(noise=noise, factor=factor, time=start + time * window + shift)


def augment_series(inputs: Tensor, draws: SeriesDraws) -> Tensor:
    """The series `(batch, channels, length)` changed as drawn; before the start and after the end they are constant."""
    changed = _read(inputs, draws.time) * draws.factor.to(inputs)
    return changed + draws.noise.to(inputs) * inputs.std(2, keepdim=True, unbiased=False)


def smooth(knots: Tensor, length: int) -> Tensor:
    """The cubic spline through evenly spaced `knots` `(..., k)` at `length` steps."""
    return knots @ _spline(knots.shape[-1], length).T


def warped_time(speeds: Tensor, length: int) -> Tensor:
    """Steps `(batch, length)` from 0 to `length - 1`, passed at a speed that follows `speeds` `(batch, knots)`."""
    passed = smooth(speeds, length).clamp(min=SLOWEST).cumsum(1)
    passed = passed - passed[:, :1]
    return passed / passed[:, -1:].clamp(min=1e-9) * (length - 1)


@cache
def _spline(knots: int, length: int) -> Tensor:
    """What each knot adds to each step `(length, knots)`; a spline is linear in its knots."""
    from scipy.interpolate import CubicSpline

    places = np.linspace(0, length - 1, knots) if length > 1 else np.arange(knots, dtype=float)
    return torch.from_numpy(CubicSpline(places, np.eye(knots))(np.arange(length)).astype(np.float32))


def _read(inputs: Tensor, time: Tensor) -> Tensor:
    length = inputs.shape[2]
    time = time.clamp(0, length - 1)
    early = time.floor()
    weight = (time - early).to(inputs)[:, None, :]
    first = early.long().to(inputs.device)[:, None, :].expand(inputs.shape)
    second = (first + 1).clamp(max=length - 1)
    return torch.lerp(inputs.gather(2, first), inputs.gather(2, second), weight)
