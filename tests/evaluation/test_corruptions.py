"""Each corruption against the published description, by an independent computation or a measured property.

Numbers in this file are those of CIFAR-10-C and ImageNet-C (Hendrycks and Dietterich 2019).
"""

import colorsys
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from burnish.evaluation.corruptions import CORRUPTIONS, SEVERITIES, STRENGTHS, boxes, corrupt, disk

SMALL, BIG = 32, 128


def photos(side: int = SMALL, count: int = 3, channels: int = 3) -> torch.Tensor:
    """Smooth colours with an edge, so that blur and pixels show."""
    rng = np.random.default_rng(0)
    values = ndimage.gaussian_filter(rng.random((count, channels, side, side)), (0, 0, 2, 2))
    values = (values - values.min()) / (values.max() - values.min())
    values[..., side // 2 :] *= 0.6
    return torch.from_numpy(values.astype(np.float32))


def grey(value: float, side: int, count: int = 20) -> torch.Tensor:
    return torch.full((count, 3, side, side), value)


@pytest.mark.parametrize(
    ("side", "deviations"), [(SMALL, (0.04, 0.06, 0.08, 0.09, 0.10)), (BIG, (0.08, 0.12, 0.18, 0.26, 0.38))]
)
def test_gaussian_noise_has_the_published_deviation(side: int, deviations: tuple[float, ...]) -> None:
    for severity, expected in zip(SEVERITIES, deviations, strict=True):
        noise = corrupt(grey(0.5, side), "gaussian noise", severity) - 0.5
        inside = noise.abs() < 0.499  # what was not cut off at black and white
        share = math.erf(0.499 / expected / math.sqrt(2))
        assert float(inside.float().mean()) == pytest.approx(share, abs=0.01)
        if share > 0.999:
            assert float(noise.std()) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("side", "photons"), [(SMALL, (500, 250, 100, 75, 50)), (BIG, (60, 25, 12, 5, 3))])
def test_shot_noise_has_the_variance_of_counts(side: int, photons: tuple[int, ...]) -> None:
    for severity, count in zip(SEVERITIES, photons, strict=True):
        noisy = corrupt(grey(0.2, side), "shot noise", severity)
        if count * 0.2 >= 2.4:  # brighter counts are hardly ever above white
            assert float(noisy.var()) == pytest.approx(0.2 / count, rel=0.05)
        assert torch.allclose(noisy * count, torch.round(noisy * count), atol=1e-4) or float(noisy.max()) == 1


@pytest.mark.parametrize(
    ("side", "shares"), [(SMALL, (0.01, 0.02, 0.03, 0.05, 0.07)), (BIG, (0.03, 0.06, 0.09, 0.17, 0.27))]
)
def test_impulse_noise_makes_a_share_of_the_values_black_or_white(side: int, shares: tuple[float, ...]) -> None:
    for severity, share in zip(SEVERITIES, shares, strict=True):
        noisy = corrupt(grey(0.5, side), "impulse noise", severity)
        assert set(noisy.unique().tolist()) == {0.0, 0.5, 1.0}
        for end in (0.0, 1.0):
            assert float((noisy == end).float().mean()) == pytest.approx(share / 2, rel=0.12)


@pytest.mark.parametrize(("side", "severity"), [(SMALL, 1), (SMALL, 4), (SMALL, 5), (BIG, 1), (BIG, 5)])
def test_defocus_equals_scipys_convolution_with_a_softened_disk(side: int, severity: int) -> None:
    radius, blur = (
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    )[side == BIG][severity - 1]
    reach = 15
    x, y = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    kernel = (x**2 + y**2 <= radius**2).astype(float)
    width = 1 if radius <= 8 else 2
    kernel = ndimage.gaussian_filter(kernel / kernel.sum(), blur, radius=width)
    assert float(disk(radius, blur).sum()) == pytest.approx(1)
    images = photos(side, count=1, channels=1)
    expected = ndimage.convolve(images[0, 0].double().numpy(), kernel, mode="mirror")
    assert corrupt(images, "defocus blur", severity)[0, 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_motion_blur_is_a_fading_trail_of_the_published_length() -> None:
    for severity, (radius, sigma) in zip(SEVERITIES, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)), strict=True):
        dots = torch.zeros(40, 1, SMALL, SMALL)
        dots[:, :, 16, 28] = 1
        weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
        weights /= weights.sum()
        for trail in corrupt(dots, "motion blur", severity)[:, 0].numpy():
            rows, columns = np.nonzero(trail)
            assert trail.sum() == pytest.approx(1, abs=1e-5)
            assert trail.max() == pytest.approx(weights[0], abs=2 * weights[1])  # two steps may fall on one pixel
            assert columns.max() == 28
            assert np.abs(rows - 16).max() <= (28 - columns.min()) + 1  # at most 45 degrees
            far = np.hypot(rows - 16, columns - 28).max()
            assert far <= 2 * radius + 1
        angles = {tuple(np.argwhere(t > 0)[0]) for t in corrupt(dots, "motion blur", severity)[:, 0].numpy()}
        assert len(angles) > 3


def test_brightness_raises_value_and_keeps_hue_and_saturation() -> None:
    images = photos(count=1)
    for severity, more in zip(SEVERITIES, (0.05, 0.1, 0.15, 0.2, 0.3), strict=True):
        changed = corrupt(images, "brightness", severity)[0].permute(1, 2, 0).reshape(-1, 3).tolist()
        for before, after in zip(images[0].permute(1, 2, 0).reshape(-1, 3).tolist()[::97], changed[::97], strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*before)
            assert after == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(value + more, 1)), abs=1e-5)
    assert corrupt(grey(0.0, SMALL, 1), "brightness", 3).unique().tolist() == pytest.approx([0.15])


def test_contrast_shrinks_towards_the_mean_of_each_channel() -> None:
    images = photos()
    for severity, share in zip(SEVERITIES, (0.75, 0.5, 0.4, 0.3, 0.15), strict=True):
        changed = corrupt(images, "contrast", severity)
        assert torch.allclose(changed.mean((2, 3)), images.mean((2, 3)), atol=1e-5)
        assert torch.allclose(changed.std((2, 3)), share * images.std((2, 3)), rtol=1e-3)


@pytest.mark.parametrize(("before", "after"), [(32, 30), (32, 20), (8, 5), (20, 32), (224, 56)])
def test_pixelate_resizes_as_pillow_does(before: int, after: int) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.random((before, before)).astype(np.float32)
    expected = np.asarray(Image.fromarray(pixels, mode="F").resize((after, after), Image.Resampling.BOX))
    matrix = boxes(before, after).numpy()
    assert matrix @ pixels @ matrix.T == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_stays_in_range_repeats_itself_and_gets_worse(name: str) -> None:
    images = photos()
    kept = images.clone()
    distances = []
    for severity in SEVERITIES:
        changed = corrupt(images, name, severity, seed=3)
        assert changed.shape == images.shape
        assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
        assert torch.equal(changed, corrupt(images, name, severity, seed=3))
        distances.append(float(((changed - images) ** 2).mean()))
    assert torch.equal(images, kept)
    assert distances[0] < distances[4]
    assert len(STRENGTHS[name][0]) == len(STRENGTHS[name][1]) == len(SEVERITIES)


def test_seed_changes_noise_and_other_images_do_not() -> None:
    images = photos(count=4)
    for name in ("gaussian noise", "motion blur"):
        first = corrupt(images, name, 2, seed=0)
        assert not torch.equal(first, corrupt(images, name, 2, seed=1))
    many = torch.cat([photos(count=2, side=8)] * 150)  # more than one block of noise
    assert torch.equal(corrupt(many, "shot noise", 3)[:256], corrupt(many[:256], "shot noise", 3))


def test_unknown_name_or_severity_is_refused() -> None:
    with pytest.raises(ValueError, match="expected gaussian noise"):
        corrupt(photos(), "rust", 1)
    with pytest.raises(ValueError, match="from 1 to 5"):
        corrupt(photos(), "contrast", 6)
