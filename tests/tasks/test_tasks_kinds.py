import json

import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from burnish.errors import UsageError
from burnish.tasks import TASKS, Classification, Multilabel, Regression, Task, task_from_json
from burnish.tasks.classification import softmax
from burnish.tasks.multilabel import sigmoid

RNG = np.random.default_rng(0)


def classification():
    return Classification(classes=("a", "b", "c"), metric_name="f1_macro")


def regression():
    return Regression.for_targets(("x", "y"), RNG.normal([5, -100], [2, 30], (50, 2)))


def multilabel():
    return Multilabel(labels=("cat", "dog", "hat"), thresholds=(0.5, 0.2, 0.9), metric_name="f1_macro")


@pytest.mark.parametrize("make", [classification, multilabel, regression])
def test_every_task_keeps_the_protocol_and_survives_json(make):
    task = make()
    assert isinstance(task, Task)
    assert TASKS[task.kind] is type(task)
    assert task_from_json(json.loads(json.dumps(task.to_json()))) == task
    assert task.outputs == len(task.names)


def test_softmax_equals_scipy_also_far_out():
    logits = RNG.normal(size=(20, 5)).astype(np.float32) * 300
    np.testing.assert_allclose(softmax(logits), reference_softmax(logits.astype(np.float64), axis=1), atol=1e-12)
    np.testing.assert_allclose(softmax(logits).sum(1), 1, rtol=1e-12)


def test_classification_decodes_evaluates_and_answers():
    task = classification()
    logits = np.array([[5, 0, 0], [0, 5, 0], [0, 0, 5], [5, 0, 0]])
    predictions = task.decode(logits)
    assert task.answers(predictions) == ["a", "b", "c", "a"]
    scores = task.evaluate(predictions, np.array([0, 1, 2, 1]))
    assert set(scores) == {name for name in task.metric_names() if not name.startswith("top")}
    assert scores["accuracy"] == 0.75
    assert task.encode(np.array([0, 1], dtype=np.int8)).dtype == np.int64
    assert task.primary.name == "f1_macro"


@pytest.mark.parametrize(("rare", "expected"), [(9, "f1_macro"), (11, "accuracy")])
def test_a_class_under_a_tenth_of_its_fair_share_makes_macro_f1_primary(rare, expected):
    targets = np.repeat([0, 1], [200 - rare, rare])  # the fair share of two classes in 200 rows is 100
    assert Classification.for_targets(("a", "b"), targets).metric_name == expected
    assert Classification.for_targets(("a", "b"), targets, "brier").metric_name == "brier"


def test_a_class_without_examples_is_rare():
    assert Classification.for_targets(("a", "b", "c"), np.array([0, 1] * 10)).metric_name == "f1_macro"


def test_regression_scales_and_back():
    task = regression()
    targets = RNG.normal([5, -100], [2, 30], (40, 2))
    encoded = task.encode(targets)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded * task.scale + task.center, targets, rtol=1e-5)
    np.testing.assert_allclose(task.decode(encoded), targets, rtol=1e-5)
    assert task.evaluate(targets, targets) == {"rmse": 0, "mae": 0, "r2": 1}


def test_one_target_is_one_column_for_the_network_and_flat_for_metrics():
    task = Regression.for_targets(("y",), np.array([1.0, 3.0]))
    assert (task.center, task.scale) == ((2.0,), (1.0,))
    assert task.encode(np.array([1.0, 3.0])).tolist() == [[-1], [1]]
    assert task.decode(np.array([[0.5]])).tolist() == [2.5]
    assert task.answers(np.array([2.5])) == [2.5]


def test_a_constant_target_keeps_its_unit():
    assert Regression.for_targets(("y",), np.full(5, 7.0)).scale == (1.0,)


def test_top_k_is_measured_where_it_is_not_trivial():
    task = Classification(classes=tuple("abcd"))
    scores = task.evaluate(task.decode(RNG.normal(size=(20, 4))), RNG.integers(0, 4, 20))
    assert "top3_accuracy" in scores
    assert "top5_accuracy" not in scores


def test_sigmoid_equals_scipy_also_far_out():
    logits = RNG.normal(size=(20, 5)) * 300
    np.testing.assert_allclose(sigmoid(logits), expit(logits), rtol=1e-12)


def test_multilabel_decodes_evaluates_and_answers_by_its_thresholds():
    task = multilabel()
    predictions = task.decode(np.array([[5.0, -1.0, 1.0], [-5.0, -5.0, 5.0]]))
    assert task.answers(predictions) == [["cat", "dog"], ["hat"]]
    assert Multilabel(labels=task.labels).answers(predictions) == [["cat", "hat"], ["hat"]]
    targets = np.array([[1, 0, 1], [0, 0, 1]])
    scores = task.evaluate(predictions, targets)
    assert set(scores) == set(task.metric_names())
    assert scores["subset_accuracy"] == 1
    assert task.encode(targets).dtype == np.float32
    assert task.default_loss == "bce"
    with pytest.raises(ValueError, match="2 thresholds for 3 labels"):
        Multilabel(labels=("a", "b", "c"), thresholds=(0.5, 0.5))


def test_metrics_of_another_task_are_refused():
    with pytest.raises(ValueError, match="'rmse' is no metric of classification; one of accuracy"):
        Classification(classes=("a", "b"), metric_name="rmse")
    with pytest.raises(ValueError, match="'accuracy' is no metric of regression; one of rmse, mae, r2"):
        Regression(metric_name="accuracy")
    with pytest.raises(ValueError, match="'accuracy' is no metric of labels; one of pr_auc"):
        Multilabel(labels=("a", "b"), metric_name="accuracy")
    with pytest.raises(UsageError, match="unknown task 'ranking'"):
        task_from_json({"kind": "ranking"})
