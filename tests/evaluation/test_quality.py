"""Intervals against scipy and scikit-learn, and by coverage."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle

from burnish.errors import UsageError
from burnish.evaluation.calibration import optimal_temperature
from burnish.evaluation.quality import confusion, ece_interval, per_class, quality, score, wilson
from burnish.metrics import metric
from burnish.tasks import Classification, Regression

TASK = Classification(classes=("a", "b", "c"))


def example(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    return TASK.decode(rng.normal(size=(n, 3)) + 2 * np.eye(3)[targets]), targets


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 10), (690, 700), (50, 50)])
def test_wilson_equals_scipy(hits: int, n: int) -> None:
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high))


def test_quality_has_every_metric_inside_its_interval() -> None:
    predictions, targets = example()
    measured = quality(TASK, predictions, targets, resamples=200)
    assert set(measured) == {name for name in TASK.metric_names() if not name.startswith("top")}
    for name, estimate in measured.items():
        assert estimate.value == metric(name)(predictions, targets)
        assert estimate.low <= estimate.value <= estimate.high
        assert (estimate.n, estimate.of) == (300, "examples")


def test_bootstrap_interval_of_mean_error_is_close_to_theory() -> None:
    rng = np.random.default_rng(1)
    targets, task = rng.normal(size=500), Regression()
    values = targets + rng.normal(size=500)
    estimate = quality(task, values, targets)["mae"]
    distance = np.abs(values - targets)
    half = 1.96 * distance.std(ddof=1) / np.sqrt(500)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.1)
    assert estimate.unit == "target unit"


def test_column_targets_do_not_broadcast() -> None:
    targets = np.arange(6.0)
    assert quality(Regression(), targets + 1, targets[:, None], resamples=10)["rmse"].value == pytest.approx(1)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(UsageError, match="4 predictions for 3 targets"):
        score(metric("rmse"), np.zeros(4), np.zeros(3))


def test_per_class_and_confusion_equal_scikit_learn() -> None:
    predictions, targets = example()
    labels = predictions.argmax(1)
    assert confusion(TASK, predictions, targets) == oracle.confusion_matrix(targets, labels).tolist()
    precision, recall, f1, support = oracle.precision_recall_fscore_support(targets, labels)
    for c, row in enumerate(per_class(TASK, predictions, targets, resamples=200)):
        assert row["name"] == TASK.names[c]
        assert row["support"] == support[c]
        got = [row[kind].value for kind in ("precision", "recall", "f1")]
        assert got == pytest.approx([precision[c], recall[c], f1[c]])
        assert row["f1"].low < row["f1"].value < row["f1"].high


def test_class_never_seen_has_no_interval() -> None:
    predictions, targets = example()
    rows = per_class(TASK, predictions[targets < 2], targets[targets < 2], resamples=20)
    assert (rows[2]["support"], rows[2]["recall"].low) == (0, None)
    assert per_class(Regression(), np.zeros(3), np.zeros(3)) == []
    assert confusion(Regression(), np.zeros(3), np.zeros(3)) == []


def test_calibrated_predictions_hardly_ever_have_a_calibration_error() -> None:
    rng = np.random.default_rng(0)
    above = 0
    for repeat in range(40):
        probabilities = rng.dirichlet(np.ones(3), size=500)
        targets = (probabilities.cumsum(1) > rng.random((500, 1))).argmax(1)
        above += ece_interval(probabilities, targets, level=0.9, resamples=100, seed=repeat)[0] > 0.02
    assert above <= 4


def test_overconfidence_is_found_and_its_temperature_recovered() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 1.5
    targets = (TASK.decode(logits).cumsum(1) > rng.random((4000, 1))).argmax(1)
    assert optimal_temperature(logits, targets) == pytest.approx(1, abs=0.08)
    assert optimal_temperature(logits * 2.5, targets) == pytest.approx(2.5, abs=0.2)
    low, high = ece_interval(TASK.decode(logits * 2.5), targets, resamples=200)
    assert 0.1 < low < metric("ece")(TASK.decode(logits * 2.5), targets) < high
