"""Swap noise of tables and the changes of series, against loops; and their promises."""

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from burnish.techniques._augment_series import (
    KNOTS,
    NAMED_SERIES,
    SERIES,
    SeriesStrength,
    augment_series,
    draw_series,
    smooth,
    warped_time,
)
from burnish.techniques._augment_table import gaussian_noise, swap_noise
from burnish.techniques._policy import strength_of

GROUPS = ((0,), (2, 3, 4))  # features 1 and 5 belong to no column


def rows(size=200, features=6):
    return torch.randn(size, features, generator=torch.Generator().manual_seed(0))


def test_swap_noise_equals_the_rows_one_by_one():
    x = rows(30)
    generator = torch.Generator().manual_seed(4)
    exchanged = torch.rand(30, 4, generator=generator) < 0.4
    partner = torch.randint(30, (30, 4), generator=generator)
    expected = x.clone()
    for row in range(30):
        for column, features in enumerate([[0], [2, 3, 4], [1], [5]]):
            if exchanged[row, column]:
                expected[row, features] = x[partner[row, column], features]
    assert torch.equal(swap_noise(x, GROUPS, 0.4, torch.Generator().manual_seed(4)), expected)


def test_features_of_a_column_come_from_one_row_and_values_stay_in_their_column():
    x = torch.arange(200.0)[:, None].repeat(1, 6) + torch.arange(6) * 1000
    out = swap_noise(x, GROUPS, 0.5, torch.Generator().manual_seed(1)) - torch.arange(6) * 1000
    assert torch.equal(out[:, 2], out[:, 3])
    assert torch.equal(out[:, 2], out[:, 4])
    assert not torch.equal(out[:, 0], out[:, 2])
    assert ((out >= 0) & (out < 200)).all()


def test_the_share_of_exchanged_values_is_as_asked():
    x = rows(4000)
    changed = (swap_noise(x, (), 0.25, torch.Generator().manual_seed(2)) != x).float().mean()
    assert float(changed) == pytest.approx(0.25, abs=0.01)


def test_noise_reaches_the_numbers_alone_and_is_as_large_as_asked():
    x = rows(5000)
    out = gaussian_noise(x, ((1, 2.0), (4, 0.5)), 0.1, torch.Generator().manual_seed(0)) - x
    assert out[:, [0, 2, 3, 5]].abs().max() == 0
    assert out[:, [1, 4]].std(0).tolist() == pytest.approx([0.2, 0.05], rel=0.05)
    again = gaussian_noise(x, ((1, 2.0), (4, 0.5)), 0.1, torch.Generator().manual_seed(0))
    assert torch.equal(again - x, out)
    assert torch.equal(gaussian_noise(x, (), 0.1, torch.Generator()), x)


def test_series_equal_the_ones_made_one_by_one():
    x = torch.randn(6, 2, 20, generator=torch.Generator().manual_seed(0))
    strength = SeriesStrength(jitter=0.1, scale=0.3, shift=0.3, crop=0.4, time_warp=0.3, magnitude_warp=0.3)
    draws = draw_series((6, 2, 20), strength, torch.Generator().manual_seed(1))
    out = augment_series(x, draws).numpy()
    for i in range(6):
        for channel in range(2):
            line = x[i, channel].numpy()
            expected = np.interp(draws.time[i].numpy(), np.arange(20), line) * draws.factor[i, channel].numpy()
            expected += draws.noise[i, channel].numpy() * line.std()
            np.testing.assert_allclose(out[i, channel], expected, atol=1e-5)


def test_smooth_curves_are_cubic_splines_and_warped_time_runs_forward_from_start_to_end():
    knots = 1 + 0.5 * torch.randn(3, KNOTS + 2, generator=torch.Generator().manual_seed(0))
    for curve, through in zip(smooth(knots, 30), knots, strict=True):
        expected = CubicSpline(np.linspace(0, 29, KNOTS + 2), through.numpy())(np.arange(30))
        np.testing.assert_allclose(curve.numpy(), expected, atol=1e-5)
    for time, speeds in zip(warped_time(knots, 30), knots, strict=True):
        speed = np.maximum(CubicSpline(np.linspace(0, 29, KNOTS + 2), speeds.numpy())(np.arange(30)), 0.1)
        passed = np.cumsum(speed) - speed[0]
        np.testing.assert_allclose(time.numpy(), passed / passed[-1] * 29, atol=1e-4)
        assert (np.diff(time.numpy()) > 0).all()
    torch.testing.assert_close(warped_time(torch.ones(1, KNOTS + 2), 30)[0], torch.arange(30.0), atol=1e-4, rtol=0)


def test_a_crop_is_a_window_stretched_to_the_old_length():
    draws = draw_series((200, 1, 50), SeriesStrength(crop=0.4), torch.Generator().manual_seed(0))
    first, last = draws.time[:, 0], draws.time[:, -1]
    assert ((first >= 0) & (last <= 49.001)).all()
    share = (last - first) / 49
    assert 0.6 <= share.min() < 0.7 < 0.95 < share.max() <= 1.001
    torch.testing.assert_close(draws.time.diff(dim=1).std(1), torch.zeros(200), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", list(NAMED_SERIES.__dataclass_fields__))
def test_each_change_of_series_alone_changes_something_and_follows_the_seed(name):
    x = torch.randn(5, 2, 30, generator=torch.Generator().manual_seed(0))
    first, again = (
        augment_series(x, draw_series((5, 2, 30), strength_of(name, NAMED_SERIES), torch.Generator().manual_seed(1)))
        for _ in range(2)
    )
    assert torch.equal(first, again)
    assert (first.dtype, first.shape) == (x.dtype, x.shape)
    assert not torch.equal(first, x)


def test_series_of_one_step_survive():
    draws = draw_series((3, 2, 1), SERIES["strong"], torch.Generator().manual_seed(0))
    assert torch.isfinite(augment_series(torch.ones(3, 2, 1), draws)).all()


@pytest.mark.parametrize("strength", SERIES)
def test_series_keep_type_and_shape_and_a_flat_channel_gets_no_noise(strength):
    x = torch.zeros(4, 1, 10, dtype=torch.float64)
    out = augment_series(x, draw_series((4, 1, 10), SERIES[strength], torch.Generator().manual_seed(0)))
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    assert torch.equal(out, x)


def test_standard_shifts_are_whole_steps_and_exact():
    x = torch.randn(5, 1, 30, generator=torch.Generator().manual_seed(0))
    strength = SeriesStrength(jitter=0, scale=0, shift=0.1)
    draws = draw_series((5, 1, 30), strength, torch.Generator().manual_seed(3))
    out = augment_series(x, draws)
    assert len(draws.time[:, 0].unique()) > 1
    for i, shift in enumerate(draws.time[:, 0].int().tolist()):
        source = np.clip(np.arange(30) + shift, 0, 29)
        assert torch.equal(out[i, 0], x[i, 0, source])
