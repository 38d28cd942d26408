"""Batched image augmentation against the operations image by image, and its promises."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from burnish.techniques import _image_colour as colour
from burnish.techniques._augment_image import IMAGE, NAMED_IMAGE, ImageStrength, augment_images, draw_images
from burnish.techniques._policy import parsed, strength_of

LOW, HIGH = torch.tensor([-2.0, -1.5, -3.0]), torch.tensor([2.5, 3.0, 2.0])


def images(size=8, channels=3, height=9, width=7, seed=0):
    made = torch.rand(size, channels, height, width, generator=torch.Generator().manual_seed(seed))
    return colour.from_unit(made, LOW[:channels], HIGH[:channels])


def draws_for(x, strength, seed=1):
    return draw_images(tuple(x.shape), strength, torch.Generator().manual_seed(seed))


def augmented(x, strength, seed=1):
    return augment_images(x, draws_for(x, strength, seed), LOW[: x.shape[1]], HIGH[: x.shape[1]])


def placed(image, draws, i):
    """Where the pixels of one image come from, written the slow way."""
    channels, height, width = image.shape
    pad = ((0, 0), (height, height), (width, width))
    wide = np.pad(image, pad, mode="reflect") if min(height, width) > 1 else np.pad(image, pad, mode="edge")
    x0, y0 = width + int(draws.cut_x[i]), height + int(draws.cut_y[i])
    image = wide[:, y0 : y0 + height, x0 : x0 + width]
    out, (cx, cy) = np.zeros_like(image), ((width - 1) / 2, (height - 1) / 2)
    cos, sin, zoom = np.cos(float(draws.angle[i])), np.sin(float(draws.angle[i])), float(draws.zoom[i])
    for row in range(height):
        for column in range(width):
            u, v = column - cx, row - cy
            x = (cos * u - sin * v) / zoom + float(draws.dx[i]) + cx
            y = (sin * u + cos * v) / zoom + float(draws.dy[i]) + cy
            for c in range(channels):
                out[c, row, column] = map_coordinates(image[c], [[y], [x]], order=1, mode="nearest")[0]
    return torch.from_numpy(out[:, :, ::-1].copy() if draws.mirror[i] else out)[None]


def reference(image, draws, i):
    """One image through everything that was drawn for it."""
    out, one = placed(image.double().numpy(), draws, i), slice(i, i + 1)
    unit = colour.to_unit(out, LOW, HIGH)
    for function, factor in (
        (colour.brightened, draws.brightness),
        (colour.contrasted, draws.contrast),
        (colour.saturated, draws.saturation),
    ):
        unit = function(unit, factor[one])
    if draws.sigma.any():
        unit = colour.blurred(unit, draws.sigma[one])
    if draws.noise is not None:
        unit = colour.noisy(unit, draws.noise[one])
    out = colour.from_unit(unit, LOW, HIGH)
    return colour.erased(out, draws.hole_x[one], draws.hole_y[one], draws.side)[0] if draws.side else out[0]


@pytest.mark.parametrize("strength", [NAMED_IMAGE, *IMAGE.values()], ids=["all", *IMAGE])
def test_a_batch_equals_the_images_one_by_one(strength):
    x = images()
    draws = draws_for(x, strength)
    batched = augment_images(x, draws, LOW, HIGH)
    for i in range(len(x)):
        torch.testing.assert_close(batched[i].double(), reference(x[i], draws, i), atol=2e-4, rtol=0)


def test_nothing_drawn_leaves_the_images_alone_to_the_bit():
    x = images()
    assert torch.equal(augmented(x, ImageStrength()), x)


@pytest.mark.parametrize("name", list(NAMED_IMAGE.__dataclass_fields__))
def test_each_change_alone_changes_something_within_the_range(name):
    x = images()
    out = augmented(x, strength_of(name, NAMED_IMAGE))
    assert not torch.equal(out, x)
    assert ((out >= LOW.view(1, 3, 1, 1) - 1e-5) & (out <= HIGH.view(1, 3, 1, 1) + 1e-5)).all()
    assert torch.equal(out, augmented(x, strength_of(name, NAMED_IMAGE)))


def test_half_of_the_images_are_moved_by_whole_pixels_only():
    draws = draws_for(images(size=400), IMAGE["standard"])
    assert 0.4 < float((draws.angle == 0).float().mean()) < 0.6
    assert set(draws.dx.tolist()) <= {-1.0, 0.0, 1.0}
    assert float(draws.angle.abs().max()) <= 10 * np.pi / 180


def test_no_image_is_mirrored_unless_asked():
    assert not draws_for(images(size=50), IMAGE["strong"]).mirror.any()
    assert 0.2 < draws_for(images(size=50), NAMED_IMAGE).mirror.float().mean() < 0.8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_type_shape_and_memory_format_stay(dtype, memory):
    x = images().to(dtype).to(memory_format=memory)
    before = x.clone()
    out = augmented(x, NAMED_IMAGE)
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    assert out.is_contiguous(memory_format=memory)
    assert torch.equal(x, before)


def test_the_smallest_images_survive():
    x = images(size=2, channels=1, height=1, width=1)
    for strength in (*IMAGE.values(), NAMED_IMAGE):
        assert torch.isfinite(augmented(x, strength)).all()


def test_changes_are_named_with_and_without_numbers():
    found = strength_of("rotate=20, colour, erase=0.5", NAMED_IMAGE)
    assert found == ImageStrength(rotate=20, brightness=0.3, contrast=0.3, saturation=0.3, erase=0.5)
    for wrong, message in (
        ("rotate=x", "'x' is no number"),
        ("rotate=-1", "finite number of 0 or more"),
        ("rotate,,", "is no list of changes"),
        ("rotate, rotate=3", "is no list of changes"),
    ):
        with pytest.raises(ValueError, match=message):
            parsed(wrong)
    with pytest.raises(ValueError, match="there is no change 'swap'; there are flip"):
        strength_of("swap", NAMED_IMAGE)
