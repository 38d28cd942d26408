"""Every operation on images, a whole batch at once, against Pillow, scipy or numpy image by image."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import gaussian_filter, map_coordinates

from burnish.techniques import _image_colour as colour
from burnish.techniques import _image_geometry as geometry
from burnish.techniques._image_policies import AUGMIX, OPERATIONS, TRIVIAL, augmix, changed, trivial

SIZE, HEIGHT, WIDTH = 5, 12, 10
FACTORS = torch.tensor([0.0, 0.4, 1.0, 1.3, 1.9])


def levels(channels=3, seed=0):
    """Images of 8 bits, one of them of a single colour."""
    made = torch.randint(20, 230, (SIZE, channels, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(seed))
    made[2] = made[2, :, :1, :1]
    return made.byte()


def pillow(image):
    array = image.permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def as_unit(picture):
    array = np.asarray(picture, dtype=np.float32) / 255
    return torch.from_numpy(array if array.ndim == 3 else array[:, :, None]).permute(2, 0, 1)


def check_equals_pillow(function, reference, channels, tolerance):
    images = levels(channels)
    found = function(images.float() / 255)
    for i in range(SIZE):
        torch.testing.assert_close(found[i], as_unit(reference(pillow(images[i]), i)), atol=tolerance / 255, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("function", "enhance"),
    [
        (colour.brightened, ImageEnhance.Brightness),
        (colour.contrasted, ImageEnhance.Contrast),
        (colour.saturated, ImageEnhance.Color),
        (colour.sharpened, ImageEnhance.Sharpness),
    ],
)
def test_light_colour_and_sharpness_are_pillows(function, enhance, channels):
    # Pillow rounds in between: the mean, the grey image, the smoothed image
    check_equals_pillow(lambda x: function(x, FACTORS), lambda p, i: enhance(p).enhance(float(FACTORS[i])), channels, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_are_those_of_pillow(channels):
    bits, thresholds = torch.tensor([1.0, 2, 4, 7, 8]), torch.tensor([0.0, 64, 128, 200, 255])
    check_equals_pillow(
        lambda x: colour.posterized(x, bits), lambda p, i: ImageOps.posterize(p, int(bits[i])), channels, 0
    )
    check_equals_pillow(
        lambda x: colour.solarized(x, thresholds / 255 - 1e-4),
        lambda p, i: ImageOps.solarize(p, int(thresholds[i])),
        channels,
        0.01,
    )
    check_equals_pillow(colour.autocontrasted, lambda p, i: ImageOps.autocontrast(p), channels, 1)
    check_equals_pillow(colour.equalized, lambda p, i: ImageOps.equalize(p), channels, 0)


def test_blur_is_a_gaussian():
    images, sigma = levels().double() / 255, torch.tensor([0.3, 0.5, 0.7, 0.9, 1.2])
    found = colour.blurred(images, sigma)
    for i in range(SIZE):
        for c in range(3):
            expected = gaussian_filter(images[i, c].numpy(), float(sigma[i]), mode="mirror", radius=4)
            np.testing.assert_allclose(found[i, c].numpy(), expected, atol=1e-6)


def test_erasing_and_noise_pixel_by_pixel():
    images = levels().float() / 255
    x, y = torch.tensor([-2, 0, 3, 8, 9]), torch.tensor([1, -3, 5, 10, 0])
    found = colour.erased(images, x, y, 4)
    for i in range(SIZE):
        for row in range(HEIGHT):
            for column in range(WIDTH):
                inside = y[i] <= row < y[i] + 4 and x[i] <= column < x[i] + 4
                expected = images[i].mean((1, 2)) if inside else images[i, :, row, column]
                torch.testing.assert_close(found[i, :, row, column], expected)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(colour.noisy(images, noise).numpy(), np.clip(images.numpy() + noise.numpy(), 0, 1))


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_whole_pixels_are_moved_exactly(memory):
    images = levels().float().contiguous(memory_format=memory)
    dx, dy = torch.tensor([0, 3, -4, 9, -9]), torch.tensor([1, -2, 0, 11, -5])
    which = torch.tensor([True, False, True, True, False])
    moved, cut, mirror = (
        geometry.shifted(images, dx, dy),
        geometry.cut(images, dx, dy),
        geometry.mirrored(images, which),
    )
    for i in range(SIZE):
        image, column, row = images[i].numpy(), int(dx[i]), int(dy[i])
        edge, reflected = (np.pad(image, ((0, 0), (11, 11), (9, 9)), mode=mode) for mode in ("edge", "reflect"))
        part = (slice(None), slice(11 + row, 11 + row + HEIGHT), slice(9 + column, 9 + column + WIDTH))
        assert np.array_equal(moved[i].numpy(), edge[part])
        assert np.array_equal(cut[i].numpy(), reflected[part])
        assert np.array_equal(mirror[i].numpy(), image[:, :, ::-1] if which[i] else image)
    assert all(made.is_contiguous(memory_format=memory) for made in (moved, cut, mirror))


def test_affine_maps_image_by_image():
    images = levels().double()
    generator = torch.Generator().manual_seed(1)
    angle, shear_x, shear_y = (torch.rand(SIZE, generator=generator) * 2 - 1 for _ in range(3))
    zoom, dx, dy = 1 + torch.rand(SIZE, generator=generator), torch.arange(5.0) - 2, torch.arange(5.0)
    found = geometry.transformed(images, angle, zoom, dx, dy, shear_x, shear_y).numpy()
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    v, u = down - (HEIGHT - 1) / 2, across - (WIDTH - 1) / 2
    for i in range(SIZE):
        cos, sin = np.cos(float(angle[i])) / float(zoom[i]), np.sin(float(angle[i])) / float(zoom[i])
        x = cos * u + (float(shear_x[i]) - sin) * v + float(dx[i]) + (WIDTH - 1) / 2
        y = (sin + float(shear_y[i])) * u + cos * v + float(dy[i]) + (HEIGHT - 1) / 2
        for c in range(3):
            expected = map_coordinates(images[i, c].numpy(), [y, x], order=1, mode="nearest")
            np.testing.assert_allclose(found[i, c], expected, atol=2e-3)  # of 255; the grid is of single precision


def test_units_lead_there_and_back_and_clip():
    images = torch.tensor([[[[-2.0, 0.5, 3.0]], [[1.0, 2.0, 9.0]]]])
    low, high = torch.tensor([-2.0, 1.0]), torch.tensor([3.0, 5.0])
    unit = colour.to_unit(images, low, high)
    torch.testing.assert_close(unit, torch.tensor([[[[0, 0.5, 1]], [[0, 0.25, 1.0]]]]))
    torch.testing.assert_close(colour.from_unit(unit, low, high), images.clamp(max=5))


# -- policies -----------------------------------------------------------------------------------------------------


def unit(size=60, channels=3):
    return torch.rand(size, channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))


def test_a_batch_gets_what_each_image_would_get_alone():
    images, generator = unit(), torch.Generator().manual_seed(1)
    choice = torch.randint(-1, len(TRIVIAL), (60,), generator=generator)
    strength = torch.rand(60, generator=generator) * 2 - 1
    before = images.clone()
    found = changed(images, TRIVIAL, choice, strength, 30.0)
    assert torch.equal(images, before)
    for i in range(60):
        alone = OPERATIONS[TRIVIAL[int(choice[i])]] if choice[i] >= 0 else OPERATIONS["identity"]
        torch.testing.assert_close(found[i : i + 1], alone(images[i : i + 1], strength[i : i + 1], 30.0))


@pytest.mark.parametrize("policy", [trivial, augmix])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_policies_keep_range_type_and_shape_and_follow_the_seed(policy, channels):
    images = unit(channels=channels).double()
    first, again, other = (policy(images, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.dtype, first.shape) == (images.dtype, images.shape)
    assert first.min() >= 0
    assert first.max() <= 1


def test_trivial_draws_every_operation_about_equally_and_augmix_stays_close():
    images = unit(size=700)
    found = trivial(images, torch.Generator().manual_seed(0))
    same = float((found == images).flatten(1).all(1).float().mean())
    assert 0.5 / 14 < same < 3 / 14  # identity, and autocontrast or others that may change nothing
    assert {"rotate", "equalize", "shear_x"} <= set(AUGMIX)
    assert not {"brightness", "contrast", "saturation", "sharpness"} & set(AUGMIX)
    weak = augmix(images, torch.Generator().manual_seed(0))
    assert (weak - images).abs().mean() < (found - images).abs().mean()


def test_no_rotation_where_it_is_left_out(monkeypatch):
    images, seen = unit(size=100), []
    for name, operation in list(OPERATIONS.items()):
        monkeypatch.setitem(OPERATIONS, name, lambda *given, o=operation, n=name: (seen.append(n), o(*given))[1])
    for policy in (trivial, augmix):
        policy(images, torch.Generator().manual_seed(0), degrees=0.0)
        assert "rotate" not in seen
        policy(images, torch.Generator().manual_seed(0))
        assert "rotate" in seen
        seen.clear()
