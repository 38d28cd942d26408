"""The power law against scipy's fit, its forecast by coverage, and the check for steps up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from burnish.errors import UsageError
from burnish.evaluation.learning_curve import error_from, learning_curve, same_steps
from burnish.metrics import metric

SIZES = (100, 200, 400, 800)


@settings(max_examples=25, deadline=None)
@given(a=st.floats(0.5, 5), b=st.floats(0.2, 1.5), c=st.floats(0, 0.3))
def test_recovers_a_power_law_without_noise(a: float, b: float, c: float) -> None:
    curve = learning_curve(metric("rmse"), SIZES, [[a * n**-b + c] * 2 for n in SIZES], resamples=20)
    assert curve.forecast.value == pytest.approx(a * 1600**-b + c, rel=0.02, abs=1e-4)
    assert curve.monotone
    assert curve.gain.value == pytest.approx(curve.here.value - curve.forecast.value, abs=1e-9)


def test_noisy_fit_is_as_good_as_scipys() -> None:
    rng = np.random.default_rng(0)
    scores = [[1 - (2 * n**-0.5 + 0.05 + 0.01 * rng.normal()) for _ in range(3)] for n in SIZES]
    curve = learning_curve(metric("accuracy"), SIZES, scores, resamples=50)
    n = np.repeat(SIZES, 3).astype(float)
    y = 1 - np.concatenate(scores)
    means = np.repeat([np.mean(row) for row in curve.errors], 3)
    best, _ = curve_fit(
        lambda n, a, b, c: a * n**-b + c, n, y, p0=(1, 0.5, 0.05), sigma=np.sqrt(means), bounds=(0, (100, 3, 1))
    )

    def loss(a: float, b: float, c: float) -> float:
        return float((((y - a * n**-b - c) ** 2) / means).sum())

    assert loss(curve.a, curve.b, curve.c) <= loss(*best) * 1.01
    assert curve.forecast.value == pytest.approx(best[0] * 1600 ** -best[1] + best[2], abs=0.003)
    assert curve.forecast.low < curve.forecast.value < curve.forecast.high


def test_forecast_covers_the_truth() -> None:
    rng = np.random.default_rng(1)
    truth, covered = 2 * 1600**-0.5 + 0.05, 0
    for trial in range(60):
        scores = [[2 * n**-0.5 + 0.05 + 0.01 * rng.normal() for _ in range(2)] for n in SIZES]
        curve = learning_curve(metric("rmse"), SIZES, scores, resamples=120, seed=trial)
        covered += curve.forecast.low <= truth <= curve.forecast.high
    assert covered >= 51  # 85 % of 60, for a promised 95 %


def test_a_flat_curve_promises_nothing() -> None:
    rng = np.random.default_rng(2)
    scores = [[0.8 + 0.005 * rng.normal() for _ in range(2)] for _ in SIZES]
    curve = learning_curve(metric("accuracy"), SIZES, scores)
    assert curve.relative_gain < 0.03
    assert curve.gain.low < 0.002


def test_step_up_beyond_the_noise_is_told() -> None:
    errors = [[0.30, 0.31], [0.20, 0.21], [0.26, 0.27], [0.15, 0.16]]
    curve = learning_curve(metric("rmse"), SIZES, errors, resamples=20)
    assert curve.rises == ((200, 400),)
    assert not curve.monotone
    assert "not monotone" in str(curve)
    assert curve.spread == pytest.approx(np.sqrt(0.005**2 * 2 * 4 / 4))


def test_scores_become_errors_and_steps_stay_equal() -> None:
    assert error_from(metric("accuracy"), 0.9) == pytest.approx(0.1)
    assert error_from(metric("rmse"), 0.9) == 0.9
    assert [same_steps(10, share) for share in (0.125, 0.25, 0.5, 1.0)] == [80, 40, 20, 10]


@pytest.mark.parametrize(
    ("sizes", "scores", "message"),
    [
        ((1, 2, 3), [[1, 1]] * 3, "4 sizes with 2 seeds"),
        (SIZES, [[1]] * 4, "4 sizes with 2 seeds"),
        ((1, 2, 2, 3), [[1, 1]] * 4, "must increase"),
        (SIZES, [[1, float("nan")]] * 4, "not finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(sizes: tuple[int, ...], scores: list[list[float]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        learning_curve(metric("rmse"), sizes, scores)
