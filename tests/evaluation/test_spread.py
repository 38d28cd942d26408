"""Coverage of predicted spreads."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_pinball_loss

from burnish.errors import UsageError
from burnish.evaluation.spread import coverage, ensemble_coverage, normal_quantiles, pinball


def test_a_right_spread_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    mean, deviation = rng.normal(size=4000), rng.uniform(0.5, 2, 4000)
    targets = mean + deviation * rng.normal(size=4000)
    for level in (0.5, 0.9):
        low, high = normal_quantiles(mean, deviation, level)
        assert low == pytest.approx(stats.norm.ppf((1 - level) / 2, mean, deviation))
        found = coverage(low, high, targets, nominal=level)
        assert found["coverage"].low <= level <= found["coverage"].high
        assert found["width"] == pytest.approx((high - low).mean())


def test_members_alone_cover_too_little_and_with_the_noise_enough() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=2000)
    members = truth + 0.1 * rng.normal(size=(5, 2000))
    targets = truth + rng.normal(size=2000)
    alone = ensemble_coverage(members, targets, levels=[0.9])[0]
    noisy = ensemble_coverage(members, targets, levels=[0.9], noise=1.0)[0]
    assert alone["coverage"].value < 0.3
    assert noisy["coverage"].value == pytest.approx(0.9, abs=0.02)
    with pytest.raises(UsageError, match="at least two members"):
        ensemble_coverage(members[:1], targets)


def test_pinball_equals_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    predicted, targets = rng.normal(size=(2, 50))
    for quantile in (0.1, 0.5, 0.9):
        assert pinball(predicted, targets, quantile) == pytest.approx(
            mean_pinball_loss(targets, predicted, alpha=quantile)
        )


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(UsageError, match="2 upper ends for 3 targets"):
        coverage(np.zeros(3), np.zeros(2), np.zeros(3), nominal=0.5)
