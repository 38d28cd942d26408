"""The vectorized bootstrap equals calling the metric on every resample."""

import numpy as np
import pytest

from burnish.evaluation.bootstrap import _resamples, bootstrap, resampled_squared_ece
from burnish.metrics import METRICS
from burnish.tasks import Classification, Multilabel, Regression


def classification(n: int = 60, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[targets]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True), targets


@pytest.mark.parametrize("name", Classification.metric_names())
def test_classification_metric_on_every_resample(name: str) -> None:
    predictions, targets = classification()
    drawn = bootstrap([name], predictions, targets, resamples=25, seed=3)[name]
    index = next(_resamples(len(targets), 25, 3))
    if name == "ece":  # ties in confidence may be ordered otherwise; hits are then swapped between bins' ends
        order = np.argsort(predictions.max(1), kind="stable")
        predictions, targets = predictions[order], targets[order]
        index = np.sort(index, axis=1)
    expected = [METRICS[name](predictions[row], targets[row]) for row in index]
    np.testing.assert_allclose(drawn, expected, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in Multilabel.metric_names() if name not in ("ece", "f1_samples")])
def test_label_metric_on_every_resample(name: str) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, size=(50, 3))
    predictions = np.clip(0.4 * targets + 0.6 * rng.random((50, 3)), 0, 1).round(1)
    drawn = bootstrap([name], predictions, targets, resamples=20, seed=1)[name]
    expected = [METRICS[name](predictions[row], targets[row]) for row in next(_resamples(50, 20, 1))]
    np.testing.assert_allclose(drawn, expected, atol=1e-12)


@pytest.mark.parametrize("name", Regression.metric_names())
@pytest.mark.parametrize("shape", [(50,), (50, 3)])
def test_regression_metric_on_every_resample(name: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=shape)
    values = targets + rng.normal(size=shape)
    drawn = bootstrap([name], values, targets, resamples=20, seed=1)[name]
    expected = [METRICS[name](values[row], targets[row]) for row in next(_resamples(50, 20, 1))]
    np.testing.assert_allclose(drawn, expected)


def test_chunks_do_not_change_the_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions, targets = classification()
    whole = bootstrap(["f1_macro"], predictions, targets, resamples=30, seed=1)["f1_macro"]
    monkeypatch.setattr("burnish.evaluation.bootstrap.CHUNK", 7 * len(targets))
    np.testing.assert_array_equal(
        whole, bootstrap(["f1_macro"], predictions, targets, resamples=30, seed=1)["f1_macro"]
    )


def test_squared_ece_agrees_with_the_metric() -> None:
    predictions, targets = classification(n=400)
    _, debiased, plain = resampled_squared_ece(predictions, targets, resamples=2)
    assert np.sqrt(max(debiased, 0)) == pytest.approx(METRICS["ece"](predictions, targets))
    assert plain > debiased
