"""Where the pixels of a whole batch of images come from: mirrored, cut out after padding, moved by an affine map.

Every image has numbers of its own. All functions take `(batch, channels, height, width)`, leave it as it was, and keep
type, shape and memory format. What comes in from outside repeats the edge, so no value has to be known for black.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["cut", "layout", "mirrored", "moved", "shifted", "transformed"]


def mirrored(images: Tensor, which: Tensor) -> Tensor:
    """The images of `which` (truth values `(batch,)`) with left and right exchanged."""
    if which.all():
        return images.flip(3)
    rows = which.nonzero()[:, 0].to(images.device)
    changed = images.clone()  # copying rows is several times faster than a choice pixel by pixel
    return changed.index_copy_(0, rows, images.index_select(0, rows).flip(3))


def shifted(images: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Images read `dx` columns further right and `dy` rows further down, whole pixels `(batch,)` each."""
    height, width = images.shape[2:]
    rows = (torch.arange(height) + dy.long()[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width) + dx.long()[:, None]).clamp(0, width - 1)
    return _read(images, rows, columns)


def cut(images: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Images reflected at their edges and cut out `dx` columns further right and `dy` rows further down."""
    height, width = images.shape[2:]
    rows = _reflected(torch.arange(height) + dy.long()[:, None], height)
    columns = _reflected(torch.arange(width) + dx.long()[:, None], width)
    return _read(images, rows, columns)


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


def layout(images: Tensor) -> torch.memory_format:
    """How the images lie in memory."""
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _reflected(places: Tensor, length: int) -> Tensor:
    """Places outside `0 .. length - 1` mirrored at the first and last one, which are not repeated."""
    if length == 1:
        return torch.zeros_like(places)
    period = 2 * (length - 1)
    inside = places.remainder(period)
    return torch.minimum(inside, period - inside)


def _read(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels at `rows` `(batch, height)` and `columns` `(batch, width)` of each image."""
    size, channels, height, width = images.shape
    rows, columns = rows.to(images.device), columns.to(images.device)
    place = rows[:, :, None] * width + columns[:, None, :]
    if layout(images) == torch.channels_last:
        flat = images.permute(0, 2, 3, 1).reshape(size, height * width, channels)
        taken = flat.gather(1, place.view(size, -1, 1).expand(-1, -1, channels))
        return taken.view(size, height, width, channels).permute(0, 3, 1, 2)
    taken = images.reshape(size, channels, -1).gather(2, place.view(size, 1, -1).expand(-1, channels, -1))
    return taken.view(images.shape)
