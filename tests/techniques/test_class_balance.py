"""Weights of classes against scikit-learn and the paper's formula, and the draws of balanced sampling."""

from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from burnish.data import load
from burnish.errors import Conflict, NotApplicable
from burnish.losses import Loss
from burnish.plan import Plan
from burnish.techniques import ClassBalance
from burnish.techniques.class_balance import class_weights
from burnish.training.feed import batches


@pytest.fixture(scope="module")
def plan():
    generator = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [300, 80, 20])
    rows = generator.normal(size=(400, 4)).astype(np.float32)
    return Plan(model="mlp", data=load((rows, classes), task="classification", modality="table"), batch_size=32)


def test_inverse_frequency_is_what_scikit_learn_calls_balanced():
    targets = np.repeat([0, 1, 2], [50, 30, 7])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    assert class_weights([50, 30, 7], beta=1.0) == pytest.approx(expected)


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.9999999])
def test_effective_numbers_as_in_the_paper_and_examples_weigh_one_on_average(beta):
    counts = np.array([5000, 120, 3])
    weights = np.array(class_weights(counts.tolist(), beta=beta))
    effective = np.array([sum(beta**i for i in range(n)) for n in counts])  # the series of which the formula is the sum
    np.testing.assert_allclose(weights / weights[0], effective[0] / effective, rtol=1e-6)
    assert weights @ counts / counts.sum() == pytest.approx(1)


def test_beta_zero_changes_nothing_and_an_empty_class_weighs_nothing(plan):
    assert class_weights([10, 90], beta=0.0) == pytest.approx((1, 1))
    assert class_weights([10, 0], beta=1.0)[1] == 0
    assert plan.then(ClassBalance(beta=0.0)).loss == plan.loss


def test_the_loss_gets_the_weights_of_the_training_rows(plan):
    counts = np.bincount(plan.data.train.targets)
    assert plan.then(ClassBalance(beta=1.0)).loss.weights == class_weights(counts.tolist(), beta=1.0)


def test_sampling_draws_the_classes_alike_and_the_same_for_a_seed(plan):
    changed = plan.then(ClassBalance(beta=1.0, sampling=True))
    drawn = [
        torch.cat([y for _, y in batches(changed, plan.data, seed=s, epoch=e, device=torch.device("cpu"))])
        for s, e in ((0, 0), (0, 0), (0, 1))
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    counted = Counter(torch.cat(drawn).tolist())
    assert max(counted.values()) < 1.4 * min(counted.values())
    assert changed.loss == plan.loss


def test_balanced_classes_values_and_a_taken_slot_are_refused(plan):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(90, 4)).astype(np.float32)
    even = Plan(model="mlp", data=load((rows, np.arange(90) % 3), task="classification", modality="table"))
    values = Plan(model="mlp", data=load((rows, rows.sum(1)), task="regression", modality="table"))
    with pytest.raises(NotApplicable, match="the classes are balanced"):
        even.then(ClassBalance())
    with pytest.raises(NotApplicable, match="the task is regression"):
        values.then(ClassBalance())
    taken = Plan(model="mlp", data=plan.data, loss=Loss(weights=(1.0, 1.0, 2.0)), sampling=(1.0, 1.0, 1.0))
    for sampling in (False, True):
        with pytest.raises(Conflict, match="already"):
            taken.then(ClassBalance(sampling=sampling))
