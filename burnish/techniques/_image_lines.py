"""How a batch of images lies in memory: line after line, and in which order channels and pixels come.

What is done to whole lines costs a fraction of what is done pixel by pixel. Where channels lie last, a line holds all
channels of its pixels, so that a value for each channel has to be repeated along it.
"""

import torch
from torch import Tensor

__all__ = ["along", "boxes", "from_lines", "layout", "lines", "put", "taken", "within"]


def layout(images: Tensor) -> torch.memory_format:
    """How the images lie in memory."""
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def lines(images: Tensor) -> Tensor:
    """The images `(batch, channels, height, width)` as lines: `(batch, 1, height, width * channels)` where they lie so.

    Example:
        >>> images = torch.zeros(2, 3, 4, 5)
        >>> lines(images).shape, lines(images.to(memory_format=torch.channels_last)).shape
        (torch.Size([2, 3, 4, 5]), torch.Size([2, 1, 4, 15]))
    """
    size, channels, height, width = images.shape
    if layout(images) == torch.channels_last:
        return images.permute(0, 2, 3, 1).reshape(size, 1, height, width * channels)
    return images.contiguous()


def from_lines(made: Tensor, images: Tensor) -> Tensor:
    """The way back from `lines(images)`, for as many of them as there are."""
    if made.shape[1:] == images.shape[1:] and layout(images) != torch.channels_last:
        return made
    _, channels, height, width = images.shape
    return made.view(-1, height, width, channels).permute(0, 3, 1, 2)


def along(values: Tensor, images: Tensor) -> Tensor:
    """One value for each channel, `(batch or 1, channels)`, shaped to stand beside `lines(images)`."""
    values = values.to(images)
    if layout(images) == torch.channels_last:
        return values.repeat(1, images.shape[3])[:, None, None, :]
    return values[:, :, None, None]


def boxes(images: Tensor, x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor]) -> Tensor:
    """1 in a box of each image, else 0, beside `lines(images)`: from the first of columns `x` and rows `y` to the last.

    A share of 0 or 1 in `torch.lerp` takes one value or the other as it is, many times faster than `torch.where`.
    """
    across, down = (within(side, length) for side, length in ((x, images.shape[3]), (y, images.shape[2])))
    if layout(images) == torch.channels_last:
        across = across.repeat_interleave(images.shape[1], 1)
    return (down[:, None, :, None] * across[:, None, None, :]).to(images)


def within(side: tuple[Tensor, Tensor], length: int) -> Tensor:
    """1 from the first of `side` to before the last, else 0: `(batch, length)`."""
    places = torch.arange(length)
    return ((places >= side[0][:, None]) & (places < side[1][:, None])).float()


def taken(images: Tensor, rows: Tensor) -> Tensor:
    """The images at `rows`, lying as they do."""
    return from_lines(lines(images).index_select(0, rows), images)


def put(images: Tensor, rows: Tensor, made: Tensor) -> None:
    """Write `made` over the images at `rows`."""
    last = layout(images) == torch.channels_last
    whole, part = (t.permute(0, 2, 3, 1) if last else t for t in (images, made))
    whole.index_copy_(0, rows, part)
