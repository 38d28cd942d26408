"""Combinations against scikit-learn, scipy and cases worked out by hand; the network against numpy and ONNX Runtime."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from burnish.ensembling.combination import Combination, as_outputs, as_tables
from burnish.ensembling.methods import METHODS, average, goodness, greedy, method, stack, vote, weights
from burnish.ensembling.network import EnsembleNetwork
from burnish.errors import NotApplicable, UsageError
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run
from burnish.tasks import Classification, Multilabel, Regression

CLASSES = Classification(classes=("a", "b", "c"))
LABELS = Multilabel(labels=("x", "y"))
VALUES = Regression(columns=("u", "v"), center=(1.0, -2.0), scale=(2.0, 0.5))
TASKS = {"classification": CLASSES, "multilabel": LABELS, "regression": VALUES}


def made(kind, rows=60, members=3, seed=0):
    """Outputs of members that know something, and the targets."""
    drawn = np.random.default_rng(seed)
    task = TASKS[kind]
    if kind == "classification":
        targets = drawn.integers(0, 3, rows)
        truth = 2.0 * np.eye(3)[targets]
    elif kind == "multilabel":
        targets = drawn.integers(0, 2, (rows, 2))
        truth = 3.0 * targets - 1.5
    else:
        targets = drawn.normal(size=(rows, 2))
        truth = task.encode(targets)
    noise = np.array([1.0, 1.5, 2.5])[:members, None, None] * (0.3 if kind == "regression" else 1.0)
    return truth + noise * drawn.normal(size=(members, *truth.shape)), targets


def test_average_and_vote_are_those_of_scikit_learn():
    drawn = np.random.default_rng(3)
    inputs, targets = drawn.normal(size=(80, 4)), drawn.integers(0, 3, 80)
    models = [("l1", LogisticRegression(C=c, max_iter=200).fit(inputs, targets)) for c in (0.01, 1.0, 100.0)]
    tables = np.stack([model.predict_proba(inputs) for _, model in models])
    both = VotingClassifier([(f"m{i}", model) for i, (_, model) in enumerate(models)], voting="soft", weights=[1, 2, 3])
    both.estimators_, both.classes_ = [model for _, model in models], np.arange(3)
    found = average(tables, targets, CLASSES, given=(1.0, 2.0, 3.0)).apply(tables)
    np.testing.assert_allclose(found, both.predict_proba(inputs), atol=1e-12)
    counts = np.eye(3)[tables.argmax(2)].sum(0)
    clear = (counts == counts.max(1, keepdims=True)).sum(1) == 1
    voted = vote(tables, targets, CLASSES).apply(tables)
    np.testing.assert_array_equal(voted[clear].argmax(1), counts[clear].argmax(1))
    np.testing.assert_allclose(voted.sum(1), 1)


def test_a_tie_of_votes_goes_to_the_larger_mean():
    tables = np.array([[[0.9, 0.1, 0.0]], [[0.2, 0.5, 0.3]]])
    assert vote(tables, np.array([0]), CLASSES).apply(tables).argmax() == 0


def test_values_cannot_be_voted_on_and_unknown_methods_name_the_known():
    with pytest.raises(NotApplicable, match="average"):
        vote(np.zeros((2, 4, 2)), np.zeros((4, 2)), VALUES)
    with pytest.raises(UsageError, match="greedy"):
        method("blend")
    with pytest.raises(UsageError, match="2 members"):
        average(np.zeros((2, 4, 3)), np.zeros(4, int), CLASSES, given=(1.0,))


def test_weights_are_non_negative_least_squares():
    outputs, targets = made("regression")
    flat = outputs.reshape(3, -1).T
    reference, _ = nnls(flat, VALUES.encode(targets).astype(float).ravel())
    np.testing.assert_allclose(weights(outputs, targets, VALUES).weights, reference / reference.sum(), atol=1e-6)


def test_a_stack_is_the_linear_model_of_scikit_learn():
    outputs, targets = made("classification")
    tables = as_tables(outputs, "classification")
    inputs = np.concatenate(list(np.log(tables)), 1)
    reference = LogisticRegression(C=1.0, max_iter=1000).fit(inputs, targets)
    found = stack(tables, targets, CLASSES)
    np.testing.assert_allclose(found.apply(tables), reference.predict_proba(inputs), atol=1e-6)
    assert sum(found.weights) == pytest.approx(1)
    outputs, targets = made("regression")
    wanted = VALUES.encode(targets).astype(float)
    ridge = [Ridge(alpha=1.0).fit(outputs[:, :, k].T, wanted[:, k]).predict(outputs[:, :, k].T) for k in (0, 1)]
    np.testing.assert_allclose(stack(outputs, targets, VALUES).apply(outputs), np.stack(ridge, 1), atol=1e-6)


def test_a_stack_of_two_classes_and_one_with_an_absent_class():
    task = Classification(classes=("a", "b"))
    outputs, targets = made("classification")
    two = as_tables(outputs[:, :, :2], "classification")
    binary = (targets > 0).astype(int)
    inputs = np.concatenate(list(np.log(two)), 1)
    reference = LogisticRegression(C=1.0, max_iter=1000).fit(inputs, binary).predict_proba(inputs)
    np.testing.assert_allclose(stack(two, binary, task).apply(two), reference, atol=1e-6)
    tables = as_tables(outputs, "classification")
    assert stack(tables, binary, CLASSES).apply(tables)[:, 2].max() < 1e-6


def test_greedy_selection_by_hand():
    # member 2 alone is right three times; 0 and 1 complement each other and are right everywhere together
    tables = np.array(
        [
            [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]],
            [[0.4, 0.6], [0.4, 0.6], [0.1, 0.9], [0.1, 0.9]],
            [[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.2]],
        ]
    )
    targets, task = np.array([0, 0, 1, 1]), Classification(classes=("a", "b"))
    found = greedy(tables, targets, task)
    assert goodness(found.apply(tables), targets, task)[0] == 1.0
    assert sum(found.weights) == pytest.approx(1)
    one = greedy(tables[[2, 2]], targets, task)
    assert one.weights == (1.0, 0.0)
    used, alone = one.without_idle()
    assert (used, alone.weights) == ((0,), (1.0,))


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("name", METHODS)
def test_the_network_computes_what_numpy_does_and_exports(kind, name, tmp_path):
    outputs, targets = made(kind)
    tables = as_tables(outputs, kind)
    if (kind, name) == ("regression", "vote"):
        return
    combination = METHODS[name](tables, targets, TASKS[kind])
    torch.manual_seed(0)
    members = [
        nn.Linear(4, tables.shape[2]),
        nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, tables.shape[2])),
        nn.Linear(4, tables.shape[2]),
    ]
    x = torch.randn(9, 4)
    network = EnsembleNetwork(members, combination).eval()
    with torch.no_grad():
        said = np.stack([member(x).numpy() for member in members])
        found = as_tables(network(x).numpy(), kind)
    expected = combination.apply(as_tables(said, kind))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    again = Combination.from_json(combination.to_json())
    assert again == combination
    if (kind, name) in (("classification", "vote"), ("multilabel", "stack")):
        export_onnx(network, x, tmp_path / "ensemble.onnx")
        np.testing.assert_allclose(as_tables(run(tmp_path / "ensemble.onnx", x.numpy()), kind), expected, atol=1e-4)


@pytest.mark.parametrize("kind", TASKS)
def test_outputs_and_tables_are_two_ways_to_say_the_same(kind):
    tables = as_tables(made(kind)[0][0], kind)
    np.testing.assert_allclose(as_tables(as_outputs(tables, kind), kind), tables, atol=1e-5)
    np.testing.assert_allclose(TASKS[kind].decode(as_outputs(tables, kind)).shape, tables.shape)
