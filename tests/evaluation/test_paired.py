"""Paired intervals: direction, width, coverage, and the cases in which none can be given."""

import numpy as np
import pytest
from scipy import stats

from burnish.errors import UsageError
from burnish.evaluation.generalization import generalization, generalization_gap, relative_degradation
from burnish.evaluation.paired import one_sided_lower, paired_examples, paired_splits
from burnish.metrics import metric


def one_hot(labels: np.ndarray, classes: int = 2) -> np.ndarray:
    return np.eye(classes)[labels]


def test_plain_paired_t_when_validation_is_not_resampled() -> None:
    before, after = [0.90, 0.92, 0.91, 0.93], [0.92, 0.925, 0.93, 0.935]
    estimate, p_value = paired_splits(before, after, metric("accuracy"), n_train=100, n_validation=0)
    expected = stats.ttest_rel(after, before)
    assert p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high))


def test_overlap_widens_by_the_published_factor() -> None:
    before, after = np.array([0.90, 0.92, 0.91]), np.array([0.92, 0.925, 0.93])
    plain, _ = paired_splits(before, after, metric("accuracy"), n_train=300, n_validation=0)
    wide, p_value = paired_splits(before, after, metric("accuracy"), n_train=300, n_validation=100)
    factor = (wide.high - wide.low) / (plain.high - plain.low)
    assert factor == pytest.approx(np.sqrt((1 / 3 + 1 / 3) / (1 / 3)))
    assert (wide.of, wide.n) == ("splits", 3)
    assert (p_value < 0.05) == (wide.low > 0)


def test_lower_errors_are_gains() -> None:
    estimate, _ = paired_splits([2.0, 2.2], [1.5, 1.6], metric("rmse"), n_train=9, n_validation=1)
    assert estimate.value == pytest.approx(0.55)


def test_no_spread_no_interval() -> None:
    assert paired_splits([0.5], [0.6], metric("accuracy"), n_train=9, n_validation=1)[0].low is None
    constant, p_value = paired_splits([0.5, 0.5], [0.6, 0.6], metric("accuracy"), n_train=9, n_validation=1)
    assert (constant.low, p_value) == (None, None)
    same, p_value = paired_splits([0.5, 0.6], [0.5, 0.6], metric("accuracy"), n_train=9, n_validation=1)
    assert (same.low, same.high, p_value) == (0, 0, 1)


def test_unequal_numbers_of_scores_are_refused() -> None:
    with pytest.raises(UsageError, match="2 scores before and 1 after"):
        paired_splits([0.5, 0.6], [0.5], metric("accuracy"), n_train=9, n_validation=1)


def test_accuracy_interval_is_close_to_the_bootstrap_and_not_empty_without_disagreement() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 800)
    before = np.where(rng.random(800) < 0.8, targets, 1 - targets)
    after = np.where(rng.random(800) < 0.7, before, targets)
    estimate = paired_examples(metric("accuracy"), one_hot(before), one_hot(after), targets)
    drawn = stats.bootstrap(
        ((after == targets) * 1.0 - (before == targets),), np.mean, method="percentile", n_resamples=2000, rng=rng
    ).confidence_interval
    assert (estimate.low, estimate.high) == pytest.approx((drawn.low, drawn.high), abs=0.004)
    squared = stats.norm.ppf(0.95) ** 2
    assert one_sided_lower(metric("accuracy"), one_hot(targets), one_hot(targets), targets) == pytest.approx(
        -squared / (800 + squared)
    )


def outcomes(won: int, lost: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions of two models that disagree on so many of `n` examples."""
    targets = np.zeros(n, int)
    before, after = targets.copy(), targets.copy()
    before[:won], after[won : won + lost] = 1, 1
    return one_hot(before), one_hot(after), targets


@pytest.mark.parametrize(("won", "lost", "n"), [(10, 3, 300), (0, 7, 400), (5, 0, 5), (0, 5, 5), (1, 1, 40)])
def test_limits_are_where_the_score_test_turns(won: int, lost: int, n: int) -> None:
    """The constrained likelihood, maximized numerically, gives Tango's statistic at both limits."""
    found = paired_examples(metric("accuracy"), *outcomes(won, lost, n), level=0.9)
    z = stats.norm.ppf(0.95)
    for limit, sign in ((found.low, 1), (found.high, -1)):
        if abs(limit) == 1:
            assert won - lost == n * limit
            continue
        shares = np.linspace(max(-limit, 0), (1 - limit) / 2, 2_000_001)[1:-1]
        fit = won * np.log(shares + limit) + lost * np.log(shares)
        rest = n - won - lost
        losses = shares[np.argmax(fit + (rest * np.log(1 - 2 * shares - limit) if rest else 0))]
        error = np.sqrt(n * (2 * losses + limit - limit**2))
        assert (won - lost - n * limit) / error == pytest.approx(sign * z, abs=2e-3)


def test_bound_holds_at_its_nominal_rate_where_nearly_all_disagreements_are_losses() -> None:
    n, wins, losses = 500, 0.002, 0.008
    held = 0.0
    for won in range(9):
        for lost in range(21):
            bound = one_sided_lower(metric("accuracy"), *outcomes(won, lost, n))
            chance = stats.multinomial.pmf([won, lost, n - won - lost], n, [wins, losses, 1 - wins - losses])
            held += chance * (bound <= wins - losses)
    assert 0.945 < held < 0.97


def test_paired_bootstrap_is_narrower_than_unpaired_and_signed() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=400)
    noise = rng.normal(size=400)
    before, after = targets + noise, targets + 0.9 * noise + 0.02 * rng.normal(size=400)
    estimate = paired_examples(metric("rmse"), before, after, targets)
    assert 0.05 < estimate.low < estimate.value < estimate.high < 0.15
    back = paired_examples(metric("rmse"), after, before, targets)
    assert (back.low, back.high) == pytest.approx((-estimate.high, -estimate.low))
    assert estimate.low < one_sided_lower(metric("rmse"), before, after, targets) < estimate.value


@pytest.mark.parametrize("name", ["f1_macro", "log_loss"])
def test_one_sided_bound_covers(name: str) -> None:
    """Two models of equal quality: the bound lies below zero in about 95 % of samples."""
    rng, below = np.random.default_rng(0), 0
    for repeat in range(60):
        targets = rng.integers(0, 2, 200)
        scores = [rng.normal(size=200) + 1.5 * (targets - 0.5) for _ in range(2)]
        first, second = (np.stack([1 - p, p], 1) for p in (1 / (1 + np.exp(-s)) for s in scores))
        below += one_sided_lower(metric(name), first, second, targets, resamples=200, seed=repeat) < 0
    assert below >= 52


def test_gap_is_positive_when_training_rows_do_better() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 500)
    seen = (one_hot(targets), targets)
    unseen = (one_hot(np.where(rng.random(500) < 0.9, targets, 1 - targets)), targets)
    measured = generalization(metric("accuracy"), seen, unseen)
    gap = measured["gap"]
    assert gap.value == pytest.approx(measured["train"].value - measured["validation"].value)
    half = 1.96 * np.sqrt(measured["validation"].value * (1 - measured["validation"].value) / 500)
    assert (gap.high - gap.low) / 2 == pytest.approx(half, rel=0.1)
    assert generalization_gap(metric("log_loss"), seen, unseen).low > 0


def test_relative_degradation() -> None:
    assert relative_degradation(metric("accuracy"), 1.0, 0.8) == pytest.approx(0.2)
    assert relative_degradation(metric("rmse"), 1.0, 2.0) == pytest.approx(0.5)
    assert np.isnan(relative_degradation(metric("rmse"), float("nan"), 2.0))
