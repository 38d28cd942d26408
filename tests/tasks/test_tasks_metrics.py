import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from burnish.metrics import METRICS, expected_calibration_error, metric, reliability
from burnish.metrics.ranking import average_precision, roc_auc

RNG = np.random.default_rng(0)
PROBABILITIES = RNG.dirichlet([0.5, 0.7, 1.0, 0.2], 300)
TARGETS = np.array([RNG.choice(4, p=p) for p in PROBABILITIES])
LABELS = PROBABILITIES.argmax(1)
VALUES, TRUTH = RNG.normal(size=(2, 200))
THERE = RNG.integers(0, 2, size=(250, 3)) * np.array([1, 1, 0]) + np.eye(3, dtype=int)[RNG.integers(0, 3, 250)] > 0
THERE = THERE.astype(int)
SURE = np.clip(0.5 * THERE + 0.6 * RNG.random(THERE.shape), 0, 1).round(2)  # with ties
CHOSEN = SURE >= 0.5

CLASSIFICATION = {
    "accuracy": lambda: reference.accuracy_score(TARGETS, LABELS),
    "balanced_accuracy": lambda: reference.balanced_accuracy_score(TARGETS, LABELS),
    "log_loss": lambda: reference.log_loss(TARGETS, PROBABILITIES, labels=range(4)),
    **{
        f"{name}_{average}": lambda name=name, average=average: getattr(reference, f"{name}_score")(
            TARGETS, LABELS, average=average, zero_division=0
        )
        for name in ("precision", "recall", "f1")
        for average in ("macro", "micro", "weighted")
    },
}
REGRESSION = {
    "rmse": reference.root_mean_squared_error,
    "mae": reference.mean_absolute_error,
    "r2": reference.r2_score,
}


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classification_equals_scikit_learn(name):
    assert metric(name)(PROBABILITIES, TARGETS) == pytest.approx(CLASSIFICATION[name](), rel=1e-9)


def one_hot(targets):
    return np.eye(4)[targets]


RANKING = {
    "roc_auc": lambda: reference.roc_auc_score(TARGETS, PROBABILITIES, multi_class="ovr"),
    "pr_auc": lambda: reference.average_precision_score(one_hot(TARGETS), PROBABILITIES),
    "top3_accuracy": lambda: reference.top_k_accuracy_score(TARGETS, PROBABILITIES, k=3),
}
LABELS_OF_THREE = {
    "subset_accuracy": lambda: reference.accuracy_score(THERE, CHOSEN),
    "hamming_loss": lambda: reference.hamming_loss(THERE, CHOSEN),
    "roc_auc": lambda: reference.roc_auc_score(THERE, SURE, average="macro"),
    "pr_auc": lambda: reference.average_precision_score(THERE, SURE, average="macro"),
    "log_loss": lambda: np.mean([reference.log_loss(THERE[:, k], SURE[:, k]) for k in range(3)]),
    "brier": lambda: np.mean([reference.brier_score_loss(THERE[:, k], SURE[:, k]) for k in range(3)]),
    "f1_samples": lambda: reference.f1_score(THERE, CHOSEN, average="samples", zero_division=0),
    **{
        f"{name}_{average}": lambda name=name, average=average: getattr(reference, f"{name}_score")(
            THERE, CHOSEN, average=average, zero_division=0
        )
        for name in ("precision", "recall", "f1")
        for average in ("macro", "micro", "weighted")
    },
}


@pytest.mark.parametrize("name", RANKING)
def test_ranking_equals_scikit_learn(name):
    assert metric(name)(PROBABILITIES, TARGETS) == pytest.approx(RANKING[name](), rel=1e-9)


@pytest.mark.parametrize("name", LABELS_OF_THREE)
def test_labels_equal_scikit_learn(name):
    assert metric(name)(SURE, THERE) == pytest.approx(LABELS_OF_THREE[name](), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40))
def test_weighted_areas_equal_scikit_learn_with_ties(rows):
    scores, positive, weights = (np.array(column) for column in zip(*rows, strict=True))
    drawn = weights > 0
    if len(set(positive[drawn])) < 2:
        assert np.isnan(roc_auc(scores, positive, weights[None]))[0]
        return
    repeated = np.repeat(np.arange(len(rows)), weights)
    expected = reference.roc_auc_score(positive[repeated], scores[repeated])
    assert roc_auc(scores, positive, weights[None])[0] == pytest.approx(expected)
    expected = reference.average_precision_score(positive[repeated], scores[repeated])
    assert average_precision(scores, positive, weights[None])[0] == pytest.approx(expected)


def test_two_classes_are_one_question():
    both = np.column_stack([1 - SURE[:, 0], SURE[:, 0]])
    assert metric("pr_auc")(both, THERE[:, 0]) == pytest.approx(
        reference.average_precision_score(THERE[:, 0], SURE[:, 0])
    )


def test_reliability_by_hand():
    confidence, hit = np.array([0.9, 0.6, 0.7, 0.8]), np.array([True, False, True, True])
    assert reliability(confidence, hit, bins=2) == [
        {"confidence": pytest.approx(0.65), "hits": 1, "n": 2},
        {"confidence": pytest.approx(0.85), "hits": 2, "n": 2},
    ]


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_equals_scikit_learn(name):
    assert metric(name)(VALUES, TRUTH) == pytest.approx(REGRESSION[name](TRUTH, VALUES), rel=1e-9)


def test_brier_of_two_classes_is_twice_that_of_scikit_learn():
    p = RNG.random(100)
    y = RNG.integers(0, 2, 100)
    both = np.column_stack([1 - p, p])
    assert metric("brier")(both, y) == pytest.approx(2 * reference.brier_score_loss(y, p))


def test_r2_of_several_targets_weighs_them_by_variance():
    truth, values = RNG.normal(size=(2, 50, 3)) * [1, 5, 20]
    expected = reference.r2_score(truth, values, multioutput="variance_weighted")
    assert metric("r2")(values, truth) == pytest.approx(expected)


def test_a_constant_target_has_no_r2():
    assert np.isnan(metric("r2")(np.ones(5), np.ones(5)))


def test_calibration_error_is_near_zero_when_calibrated_and_the_gap_when_not():
    confidence = RNG.uniform(0.5, 1, 20_000)
    probabilities = np.column_stack([confidence, 1 - confidence])
    calibrated = (RNG.random(20_000) > confidence).astype(int)
    assert expected_calibration_error(probabilities, calibrated) < 0.01
    over = (RNG.random(20_000) > confidence - 0.2).astype(int)
    assert expected_calibration_error(probabilities, over) == pytest.approx(0.2, abs=0.01)


def test_debiasing_lowers_the_error_of_a_calibrated_model():
    plain, debiased = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        confidence = np.sort(rng.uniform(0.5, 1, 150))
        hit = (rng.random(150) < confidence).astype(int)
        probabilities = np.column_stack([confidence, 1 - confidence])
        debiased.append(expected_calibration_error(probabilities, 1 - hit))
        parts = zip(np.array_split(confidence, 15), np.array_split(hit, 15), strict=True)
        plain.append(np.sqrt(sum(len(c) * (h.mean() - c.mean()) ** 2 for c, h in parts) / 150))
    assert np.mean(debiased) < 0.6 * np.mean(plain)


@pytest.mark.parametrize("name", METRICS)
def test_a_better_prediction_is_a_gain(name):
    one = metric(name)
    if name in REGRESSION:
        worse, better = one(TRUTH + 2, TRUTH), one(TRUTH + 0.1, TRUTH)
    elif name in ("subset_accuracy", "hamming_loss", "f1_samples"):
        worse, better = one(1.0 - THERE, THERE), one(THERE * 0.9, THERE)
    elif name == "top5_accuracy":
        targets = np.arange(7)
        worse, better = one(-np.eye(7), targets), one(np.eye(7), targets)
    else:
        worse = one(np.full((300, 4), 0.1) + 0.6 * np.eye(4)[(TARGETS + 1) % 4], TARGETS)
        better = one(np.eye(4)[TARGETS], TARGETS)
    assert one.gain(worse, better) > 0
    assert one.gain(better, worse) == -one.gain(worse, better)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(list(METRICS)), n=st.integers(20, 5000), parts=st.tuples(*[st.floats(0.01, 0.98)] * 2))
def test_the_scale_is_increasing_in_gain_and_can_be_undone(name, n, parts):
    one = metric(name)
    low, high = sorted(parts)
    gain = one.gain(low, high)
    difference = one.to_scale(high, n) - one.to_scale(low, n)
    assert difference * gain >= 0
    if high - low > 1e-6:
        assert difference * gain > 0
    tolerance = 1 / n if one.bounded else 1e-9
    assert one.from_scale(one.to_scale(low, n)) == pytest.approx(low, abs=tolerance)


def test_perfect_scores_stay_finite_on_the_scale():
    assert metric("accuracy").to_scale(1.0, 100) == pytest.approx(np.log(100.5 / 0.5))
    assert metric("ece").to_scale(0.0, 100) == pytest.approx(np.log(100.5 / 0.5))
    assert metric("rmse").to_scale(0.5, 100) == pytest.approx(np.log(2))
    assert np.isfinite(metric("rmse").to_scale(0.0, 100))


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown metric 'speed'; one of accuracy, .*r2"):
        metric("speed")
