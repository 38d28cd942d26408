"""Batched image augmentation against a per-image reference, and its promises."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from burnish.techniques._augment_image import IMAGE, ImageStrength, augment_images, draw_images

ALL = ImageStrength(shift=0.25, degrees=30, zoom=0.2, light=0.4, erase=0.4, flip=True)


def images(size=8, channels=3, height=9, width=7, seed=0):
    return torch.randn(size, channels, height, width, generator=torch.Generator().manual_seed(seed))


def draws_for(x, strength, seed=1):
    return draw_images(len(x), x.shape[2], x.shape[3], strength, torch.Generator().manual_seed(seed))


def reference(image, draws, i):
    """One image, written the slow way."""
    channels, height, width = image.shape
    out = np.zeros_like(image)
    cx, cy = (width - 1) / 2, (height - 1) / 2
    cos, sin = np.cos(float(draws.angle[i])), np.sin(float(draws.angle[i]))
    zoom = float(draws.zoom[i])
    for c in range(channels):
        for row in range(height):
            for column in range(width):
                u, v = (column - cx) * float(draws.mirror[i]), row - cy
                x = (cos * u - sin * v) / zoom + float(draws.dx[i]) + cx
                y = (sin * u + cos * v) / zoom + float(draws.dy[i]) + cy
                out[c, row, column] = map_coordinates(image[c], [[y], [x]], order=1, mode="nearest")[0]
    mean, deviation = out.mean(), out.std()
    out = (out - mean) * float(draws.contrast[i]) + mean + float(draws.brightness[i]) * deviation
    average = out.mean((1, 2))
    for row in range(height):
        for column in range(width):
            inside_x = int(draws.hole_x[i]) <= column < int(draws.hole_x[i]) + draws.side
            if inside_x and int(draws.hole_y[i]) <= row < int(draws.hole_y[i]) + draws.side:
                out[:, row, column] = average
    return out


@pytest.mark.parametrize("strength", [ALL, IMAGE["standard"], IMAGE["strong"]], ids=["all", "standard", "strong"])
def test_a_batch_equals_the_images_one_by_one(strength):
    x = images()
    draws = draws_for(x, strength)
    batched = augment_images(x, draws).numpy()
    for i in range(len(x)):
        np.testing.assert_allclose(batched[i], reference(x[i].double().numpy(), draws, i), atol=2e-5)


def test_nothing_drawn_leaves_the_images_alone():
    x = images()
    none = ImageStrength(shift=0, degrees=0)
    torch.testing.assert_close(augment_images(x, draws_for(x, none)), x, atol=1e-5, rtol=1e-5)


def test_half_of_the_images_are_moved_by_whole_pixels_only():
    draws = draws_for(images(size=400), IMAGE["standard"])
    assert 0.4 < float((draws.angle == 0).float().mean()) < 0.6
    assert set(draws.dx.tolist()) <= {-1.0, 0.0, 1.0}
    assert float(draws.angle.abs().max()) <= 10 * np.pi / 180


def test_no_image_is_mirrored_unless_asked():
    assert draws_for(images(size=50), IMAGE["strong"]).mirror.unique().tolist() == [1.0]
    assert draws_for(images(size=50), ALL).mirror.unique().tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_type_shape_and_memory_format_stay(dtype, layout):
    x = images().to(dtype).to(memory_format=layout)
    before = x.clone()
    out = augment_images(x, draws_for(x, ALL))
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    assert out.is_contiguous(memory_format=layout)
    assert torch.equal(x, before)


def test_the_smallest_images_survive():
    x = images(size=2, channels=1, height=1, width=1)
    assert torch.isfinite(augment_images(x, draws_for(x, IMAGE["standard"]))).all()
    assert torch.isfinite(augment_images(x, draws_for(x, IMAGE["strong"]))).all()
