"""Swap noise of tables and the changes of series, against loops; and their promises."""

import numpy as np
import pytest
import torch

from burnish.techniques._augment_series import SERIES, SeriesStrength, augment_series, draw_series
from burnish.techniques._augment_table import swap_noise

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


def test_series_equal_the_ones_made_one_by_one():
    x = torch.randn(6, 2, 20, generator=torch.Generator().manual_seed(0))
    strength = SeriesStrength(jitter=0.1, scale=0.3, shift=0.3, stretch=0.4)
    draws = draw_series((6, 2, 20), strength, torch.Generator().manual_seed(1))
    out = augment_series(x, draws).numpy()
    for i in range(6):
        time = (np.arange(20) - 9.5) * float(draws.speed[i]) + 9.5 + float(draws.shift[i])
        for channel in range(2):
            line = x[i, channel].numpy()
            expected = np.interp(time, np.arange(20), line) * float(draws.factor[i, channel])
            expected += draws.noise[i, channel].numpy() * line.std()
            np.testing.assert_allclose(out[i, channel], expected, atol=1e-5)


@pytest.mark.parametrize("strength", SERIES)
def test_series_keep_type_shape_and_a_flat_channel_stays_without_noise(strength):
    x = torch.ones(4, 1, 10)
    out = augment_series(x, draw_series((4, 1, 10), SERIES[strength], torch.Generator().manual_seed(0)))
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    assert torch.allclose(out, out[:, :, :1].expand_as(out))


def test_standard_shifts_are_whole_steps_and_exact():
    x = torch.randn(5, 1, 30, generator=torch.Generator().manual_seed(0))
    strength = SeriesStrength(jitter=0, scale=0, shift=0.1)
    draws = draw_series((5, 1, 30), strength, torch.Generator().manual_seed(3))
    out = augment_series(x, draws)
    for i, shift in enumerate(draws.shift.int().tolist()):
        source = np.clip(np.arange(30) + shift, 0, 29)
        assert torch.equal(out[i, 0], x[i, 0, source])
