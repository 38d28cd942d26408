"""Where the pixels of a whole batch of images come from: mirrored, cut out after padding, moved by an affine map.

Every image has numbers of its own. All functions take `(batch, channels, height, width)`, leave it as it was, and keep
type, shape and memory format. What comes in from outside repeats the edge, so no value has to be known for black.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.techniques._image_lines import layout

__all__ = ["cut", "mirrored", "moved", "shifted", "transformed"]


def mirrored(images: Tensor, which: Tensor) -> Tensor:
    """The images of `which` (truth values `(batch,)`) with left and right exchanged."""
    changed, stay = images.flip(3), (~which).to(images).view(-1, 1, 1, 1)
    # shares of 0 and 1 take one value or the other as it is, many times faster than a choice pixel by pixel
    return changed if which.all() else changed.lerp_(images, stay)


def shifted(images: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Images read `dx` columns further right and `dy` rows further down, whole pixels `(batch,)` each."""
    height = images.shape[2]
    rows = (torch.arange(height) + dy.long()[:, None]).clamp(0, height - 1)
    return _read(images, rows, dx.long(), "replicate")


def cut(images: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Images reflected at their edges and cut out `dx` columns further right and `dy` rows further down."""
    height = images.shape[2]
    rows = _reflected(torch.arange(height) + dy.long()[:, None], height)
    return _read(images, rows, dx.long(), "reflect")


def transformed(
    images: Tensor, angle: Tensor, zoom: Tensor, dx: Tensor, dy: Tensor, shear_x: Tensor, shear_y: Tensor
) -> Tensor:
    """Images turned by `angle` (radians, `(batch,)`), enlarged by `zoom`, moved and sheared around their middle.

    Args:
        images: Whole batch; `zoom` is above 0.
        angle, zoom: As above.
        dx, dy: Where the middle is read from, in pixels from the middle.
        shear_x, shear_y: Columns for each row and rows for each column that reading moves by.
    """
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    matrix = torch.stack((cosine, shear_x - sine, dx, sine + shear_y, cosine, dy), 1)
    return moved(images, matrix.view(-1, 2, 3))


def moved(images: Tensor, matrices: Tensor) -> Tensor:
    """Images read, bilinearly, where `matrices` `(batch, 2, 3)` send each pixel, in pixels from the middle."""
    height, width = images.shape[2:]
    across, down = torch.arange(width) - (width - 1) / 2, torch.arange(height) - (height - 1) / 2
    # in the units of grid_sample, where the image reaches from -1 to 1
    parts = (matrices.float() * torch.tensor([[2 / width], [2 / height]])).to(images)[:, :, :, None, None]
    along = parts[:, :, 0] * across.to(images) + parts[:, :, 2]
    grid = (along + parts[:, :, 1] * down.to(images)[:, None]).permute(0, 2, 3, 1)
    changed = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return changed.contiguous(memory_format=layout(images))


def _reflected(places: Tensor, length: int) -> Tensor:
    """Places outside `0 .. length - 1` mirrored at the first and last one, which are not repeated."""
    if length == 1:
        return torch.zeros_like(places)
    period = 2 * (length - 1)
    inside = places.remainder(period)
    return torch.minimum(inside, period - inside)


def _read(images: Tensor, rows: Tensor, dx: Tensor, mode: str) -> Tensor:
    """Each image at its `rows` `(batch, height)`, from column `dx` on; `mode` says what is beside it.

    Every line of the result is a piece of a line of the widened image: it is copied as a whole.
    """
    size, channels, height, width = images.shape
    before, after = max(-int(dx.min()), 0), max(int(dx.max()), 0)
    wide = _widened(images, before, after, mode)
    last = layout(images) == torch.channels_last
    flat = (wide.permute(0, 2, 3, 1) if last else wide).reshape(-1)
    planes, step = (size, channels) if last else (size * channels, 1)
    first = torch.arange(planes)[:, None] * height + rows.repeat_interleave(planes // size, 0)
    starts = (first * wide.shape[3] + (dx + before).repeat_interleave(planes // size)[:, None]) * step
    pieces = flat.unfold(0, width * step, 1).index_select(0, starts.view(-1).to(images.device))
    return pieces.view(size, height, width, channels).permute(0, 3, 1, 2) if last else pieces.view(images.shape)


def _widened(images: Tensor, before: int, after: int, mode: str) -> Tensor:
    width = images.shape[3]
    if mode == "reflect" and max(before, after) >= width:  # further than torch reflects
        columns = _reflected(torch.arange(-before, width + after), width).to(images.device)
        return images.index_select(3, columns).contiguous(memory_format=layout(images))
    return F.pad(images, [before, after, 0, 0], mode=mode).contiguous(memory_format=layout(images))
