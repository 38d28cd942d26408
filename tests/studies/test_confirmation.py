import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from burnish.errors import UsageError
from burnish.studies.confirmation import (
    CONFIRMED,
    CONTINUE,
    EQUIVALENT,
    NOTHING_TO_GAIN,
    UNRESOLVED,
    corrected_error,
    decide,
    example_error,
    look_level,
    nothing_to_gain,
    sequential_error,
)


def test_corrected_t_by_hand():
    # gains .01 .03 .05: mean .03, variance .0004; 1/3 + 200/800 = .58333; se = sqrt(.00023333) = .0152753
    decision = decide([0.01, 0.03, 0.05], n_train=800, n_validation=200, looks=(3,))
    assert decision.p_value == pytest.approx(stats.t.sf(0.03 / 0.0152753, 2), abs=1e-6)
    assert decision.estimate.low == pytest.approx(0.03 - 2.919986 * 0.0152753, abs=1e-6)
    assert decision.estimate.level == pytest.approx(0.90)
    assert decision.verdict == UNRESOLVED


def test_fixed_validation_adds_the_variance_of_examples():
    error, dof = corrected_error(np.array([0.0, 0.02, 0.04]), 800, 200, example_se=0.01)
    replicates, examples = 0.0004 / 3, 0.0001
    assert error == pytest.approx(np.sqrt(replicates + examples))
    assert dof == pytest.approx((replicates + examples) ** 2 / (replicates**2 / 2 + examples**2 / 199))


def test_known_pocock_constants_are_the_limit_of_many_pairs():
    # one-sided .05, equally spaced looks: c = 1.875 for two, 1.992 for three (Jennison and Turnbull 2000, table 2.1)
    assert look_level((30, 60)) == pytest.approx(stats.norm.sf(1.875), abs=4e-4)
    assert look_level((30, 60, 90)) == pytest.approx(stats.norm.sf(1.992), abs=4e-4)


@pytest.mark.parametrize("looks", [(3, 5, 8), (3, 5), (2, 4, 6, 10), (3,)])
def test_overall_error_is_kept_on_independent_data(looks):
    rng = np.random.default_rng(1)
    gains = rng.normal(size=(200_000, looks[-1]))
    level, crossed = look_level(looks), np.zeros(len(gains), bool)
    for n in looks:
        t = gains[:, :n].mean(1) / gains[:, :n].std(1, ddof=1) * np.sqrt(n)
        crossed |= t > stats.t.ppf(1 - level, n - 1)
    assert crossed.mean() <= 0.05 + 0.001
    assert crossed.mean() >= 0.048
    assert sequential_error(level, looks) == pytest.approx(0.05, abs=1e-3)


def test_decide_itself_keeps_the_error():
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(600):
        gains = rng.normal(size=8)
        for n in (3, 5, 8):
            decision = decide(gains[:n], n_train=100, n_validation=0, min_gain=0.0)
            if decision.verdict != CONTINUE:
                break
        wrong += decision.verdict == CONFIRMED
    assert wrong / 600 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 600)


def test_verdicts():
    few = {"n_train": 900, "n_validation": 100}
    assert decide([0.050, 0.051, 0.049], **few).verdict == CONFIRMED
    assert decide([0.0010, 0.0011, 0.0009], **few).verdict == EQUIVALENT
    assert decide([-0.050, -0.051, -0.049], **few).verdict == NOTHING_TO_GAIN
    wide = [0.05, -0.04, 0.06, -0.03, 0.04, 0.02, -0.05, 0.03]
    assert decide(wide[:3], **few).verdict == CONTINUE
    assert decide(wide, **few).verdict == UNRESOLVED
    assert decide([0.0, 0.0, 0.0], **few).verdict == EQUIVALENT
    assert nothing_to_gain("no candidate beat the baseline").verdict == NOTHING_TO_GAIN


def test_between_looks_nothing_is_tested():
    decision = decide([0.05, 0.05, 0.05, 0.05], n_train=900, n_validation=100)
    assert decision.verdict == CONTINUE
    assert decision.p_value is None


def test_failed_pairs_are_left_out():
    decision = decide([0.05, np.nan, 0.051, 0.049, np.nan], n_train=900, n_validation=100)
    assert decision.n == 3
    assert decision.estimate.value == pytest.approx(0.05)
    assert decide([np.nan, np.nan, 0.1], n_train=9, n_validation=1, looks=(3,)).verdict == UNRESOLVED


@pytest.mark.parametrize("looks", [(), (1, 3), (3, 3), (5, 3)])
def test_wrong_looks_are_refused(looks):
    with pytest.raises(UsageError, match="growing"):
        decide([0.1, 0.2, 0.3], n_train=9, n_validation=1, looks=looks)


@given(st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8), st.sampled_from([3, 5, 8]), st.booleans())
def test_confirmed_means_the_interval_is_above_zero_and_p_below_alpha(gains, n, fixed):
    decision = decide(gains[:n], n_train=600, n_validation=200, example_se=0.004 if fixed else None)
    estimate = decision.estimate
    assert estimate.low <= estimate.value <= estimate.high
    if decision.verdict == CONFIRMED:
        assert estimate.low > 0
        assert decision.p_value < 0.052
    elif estimate.low > 0:
        assert decision.verdict == EQUIVALENT
    assert (decision.verdict == CONTINUE) <= (n < 8)


def test_example_error_of_a_mean_is_its_standard_error():
    rng = np.random.default_rng(0)
    gains = rng.choice([-1.0, 0.0, 1.0], size=(3, 400), p=[0.1, 0.7, 0.2])
    same = [np.arange(400)] * 3
    found = example_error(same, lambda j, at: gains[j][at].mean(), resamples=800)
    assert found == pytest.approx(gains.mean(0).std() / np.sqrt(400), rel=0.1)


def test_shared_examples_weigh_more_than_separate_ones():
    gains = np.random.default_rng(1).normal(size=200)
    shared = example_error([np.arange(200)] * 2, lambda j, at: gains[at].mean())
    apart = example_error([np.arange(200), np.arange(200, 400)], lambda j, at: gains[at].mean())
    assert shared / apart == pytest.approx(np.sqrt(2), rel=0.15)


@pytest.mark.parametrize(("looks", "n_train", "n_validation"), [((3, 5, 8), 300, 100), ((3,), 300, 100)])
def test_overlapping_splits_do_not_confirm_what_is_not_there(looks, n_train, n_validation):
    """Two equal arms on splits of one pool: gains that share examples, as resampled validation sets do."""
    rng, n, wrong = np.random.default_rng(3), n_train + n_validation, 0
    for _ in range(400):
        own = rng.normal(size=n)  # what example i adds to the gain of whatever split validates on it
        gains = []
        for _ in range(looks[-1]):
            rows = rng.choice(n, n_validation, replace=False)
            gains.append(own[rows].mean() + 0.02 * rng.normal())
        wrong += sequentially(gains, looks, n_train=n_train, n_validation=n_validation) == CONFIRMED
    assert wrong / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_fixed_validation_confirms_by_chance_at_most_at_its_rate():
    """Replicates that all validate on the same examples: their spread alone would be far too sure."""
    rng, wrong, naive = np.random.default_rng(4), 0, 0
    for _ in range(400):
        own = rng.normal(size=200)
        gains = own.mean() + 0.03 * rng.normal(size=8)
        few = {"n_train": 800, "n_validation": 200}
        wrong += sequentially(gains, (3, 5, 8), example_se=float(own.std(ddof=1) / np.sqrt(200)), **few) == CONFIRMED
        naive += sequentially(gains, (3, 5, 8), n_train=800, n_validation=0) == CONFIRMED
    assert wrong / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    assert naive / 400 > 0.2


def test_error_is_spent_over_the_looks_and_the_p_value_says_so():
    """A p-value at the level of the look is the whole error; more looks cost more of each."""
    for looks in ((3,), (3, 5), (3, 5, 8)):
        level = look_level(looks)
        t = stats.t.ppf(1 - level, looks[0] - 1) / np.sqrt(looks[0])
        gains = np.array([-1.0, 0.0, 1.0]) + t  # standard deviation 1, so that t is just reached
        decision = decide(gains, n_train=100, n_validation=0, looks=looks, min_gain=0.0)
        assert decision.p_value == pytest.approx(0.05, abs=2e-3)
        assert decision.estimate.low == pytest.approx(0.0, abs=1e-9)


def sequentially(gains, looks, **how):
    for n in looks:
        verdict = decide(gains[:n], looks=looks, min_gain=0.0, **how).verdict
        if verdict != CONTINUE:
            break
    return verdict
