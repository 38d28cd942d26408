"""Confident learning against a hand case, an independent count and planted label errors."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from burnish.diagnosis import rule_11_label_errors
from burnish.diagnosis.confident import confident_joint, noise_share, suspects
from burnish.diagnosis.subject import Subject

Make = Callable[..., Any]


def answers(labels: np.ndarray, rng: np.random.Generator, *, sure: float = 4.0) -> np.ndarray:
    """Logits of a network that is right about nine times in ten and knows how sure it may be."""
    logits = rng.normal(size=(len(labels), labels.max() + 1))
    logits[np.arange(len(labels)), labels] += sure
    return logits


def by_hand(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The paper's equations one example at a time."""
    classes = p.shape[1]
    limit = [np.mean([p[k, j] for k in range(len(p)) if labels[k] == j]) for j in range(classes)]
    counts = np.zeros((classes, classes))
    for k in range(len(p)):
        over = [j for j in range(classes) if p[k, j] >= limit[j] - 1e-12]
        if over:
            counts[labels[k], max(over, key=lambda j: p[k, j])] += 1
    joint = np.zeros_like(counts)
    for i in range(classes):
        given = sum(labels == i)
        joint[i] = counts[i] / counts[i].sum() * given
    return joint / joint.sum()


def test_a_case_by_hand() -> None:
    # thresholds: class 0 (0.9 + 0.8 + 0.1) / 3 = 0.6; class 1 (0.7 + 0.8) / 2 = 0.75
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.2, 0.8]])
    labels = np.array([0, 0, 0, 1, 1])
    # confident: 0 -> 0, 1 -> 0, 2 -> 1, 3 -> none, 4 -> 1; counts [[2, 1], [0, 1]], rows scaled to 3 and 2
    joint = confident_joint(labels, p)
    np.testing.assert_allclose(joint, [[0.4, 0.2], [0.0, 0.4]])
    assert suspects(labels, p, joint).tolist() == [2]


@pytest.mark.parametrize("seed", range(3))
def test_as_counted_one_example_at_a_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(4), rng.integers(0, 4, 300)])
    p = np.exp(log_softmax(answers(labels, rng, sure=1.5), axis=1))
    np.testing.assert_allclose(confident_joint(labels, p), by_hand(labels, p), atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.4])
def test_the_share_of_wrong_labels_is_found(share: float) -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 5, 3000)
    p = np.exp(log_softmax(answers(truth, rng), axis=1))
    wrong = rng.random(len(truth)) < share
    labels = np.where(wrong, (truth + rng.integers(1, 5, len(truth))) % 5, truth)
    best, low = noise_share(labels, p)
    assert low <= share + 1e-9
    assert best == pytest.approx(share, abs=0.025)
    if share >= 0.05:
        listed = suspects(labels, p, confident_joint(labels, p))
        assert wrong[listed].mean() > 0.8
        assert wrong[listed].sum() > 0.7 * wrong.sum()


def test_a_poor_network_is_not_taken_for_wrong_labels() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 5, 3000)
    logits = answers(truth, rng, sure=1.0)
    p = np.exp(log_softmax(2 * logits, axis=1))  # too sure by a factor of two
    right = (p.argmax(1) == truth).mean()
    assert right < 0.7
    assert 1 - np.trace(confident_joint(truth, p)) > 0.1  # confident learning alone doubts many
    assert noise_share(truth, p)[1] < 0.02


def test_the_rule_on_planted_errors(make_data: Make) -> None:
    data = make_data(n=1000)
    rng = np.random.default_rng(0)
    truth = np.asarray(data.targets)
    wrong = rng.random(len(truth)) < 0.2
    noisy = replace(data, targets=np.where(wrong, (truth + 1) % 4, truth))
    rows = np.arange(1000)
    outside = ((rows, answers(truth, rng)),)
    found = rule_11_label_errors.check(Subject(noisy, out_of_fold=outside))
    assert found.state == "fires"
    assert found.measured == pytest.approx(0.2, abs=0.05)
    reviewed = [entry["row"] for entry in found.figure["rows"]]
    assert wrong[reviewed].mean() > 0.9
    assert {"label", "suggested", "origin", "probability"} <= set(found.figure["rows"][0])
    assert rule_11_label_errors.check(Subject(data, out_of_fold=outside)).state == "clear"


def test_without_runs_a_linear_model_judges(make_data: Make) -> None:
    data = make_data(n=1200)
    assert rule_11_label_errors.check(Subject(data)).state == "clear"
    rng = np.random.default_rng(0)
    wrong = rng.random(1200) < 0.4
    targets = np.where(wrong, (np.asarray(data.targets) + rng.integers(1, 4, 1200)) % 4, data.targets)
    assert rule_11_label_errors.check(Subject(replace(data, targets=targets))).state == "fires"


def test_where_it_cannot_tell(make_data: Make) -> None:
    assert rule_11_label_errors.check(Subject(make_data(kind="regression"))).state == "cannot tell"
    assert rule_11_label_errors.check(Subject(make_data(n=60))).state == "cannot tell"
