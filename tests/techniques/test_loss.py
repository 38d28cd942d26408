"""The technique that changes the loss: what it keeps, where it applies, and that no order matters."""

from itertools import permutations

import numpy as np
import pytest
import torch

from burnish.data import load
from burnish.errors import NotApplicable, UsageError
from burnish.losses import Loss as LossValue
from burnish.plan import Plan
from burnish.techniques import ClassBalance, LabelSmoothing, Loss, Mixup, parse
from burnish.training.feed import batches


@pytest.fixture(scope="module")
def digits():
    return Plan(model="cnn", data=load("digits"), epochs=1)


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    return generator.normal(size=(60, 5)).astype(np.float32)


def test_the_rest_of_the_loss_stays(digits):
    plan = Plan(model="cnn", data=digits.data, loss=LossValue(smoothing=0.1)).then(Loss(name="bce"))
    assert plan.loss == LossValue(name="bce", smoothing=0.1)
    assert repr(Loss(name="huber", delta=2.0)) == "Loss(name='huber', delta=2.0)"


def test_each_task_has_its_losses(digits, rows):
    values = Plan(model="mlp", data=load((rows, rows.sum(1)), task="regression", modality="table"))
    labels = Plan(model="mlp", data=load((rows, (rows[:, :3] > 0).astype(int)), task="multilabel", modality="table"))
    assert values.then(Loss(name="huber", delta=0.5)).loss == LossValue(name="huber", delta=0.5)
    assert labels.then(Loss(name="binary_focal")).loss == LossValue(name="binary_focal")
    for plan, name, reason in (
        (values, "focal", "focal is no loss of regression; one of mse, mae, huber"),
        (digits, "mse", "for squared errors of probabilities take brier"),
        (labels, "cross_entropy", "no loss of multilabel"),
        (digits, "cross_entropy", "minimizes cross_entropy already"),
    ):
        with pytest.raises(NotApplicable, match=reason):
            plan.then(Loss(name=name))


def test_an_own_function_is_not_replaced(digits):
    plan = Plan(model="cnn", data=digits.data, loss=torch.nn.functional.cross_entropy)
    assert plan.loss.name == "cross_entropy"
    with pytest.raises(NotApplicable, match="your own function 'cross_entropy'"):
        plan.then(Loss(name="focal"))
    with pytest.raises(NotApplicable, match="loss of each example"):
        plan.then(ClassBalance(least=1.0))


def test_names_and_numbers_are_checked():
    with pytest.raises(UsageError, match="unknown loss 'entropy'"):
        parse("Loss(name='entropy')")
    with pytest.raises(UsageError, match="gamma must be 0 or more"):
        parse("Loss(name='focal', gamma=-1.0)")


def test_one_target_whatever_the_order_of_the_techniques(digits):
    parts = (Loss(name="focal"), LabelSmoothing(alpha=0.1), ClassBalance(beta=1.0, least=1.0), Mixup(alpha=0.4))
    outputs = torch.randn(64, 10, generator=torch.Generator().manual_seed(0))
    found = []
    for order in permutations(parts):
        plan = digits.then(*order)
        x, y = next(batches(plan, plan.data, seed=0, epoch=0, device=torch.device("cpu")))
        found.append((x, plan.loss(outputs[: len(x)], y)))
    assert len({float(loss) for _, loss in found}) == 1
    assert all(torch.equal(x, found[0][0]) for x, _ in found)


def test_another_text_of_the_own_loss_is_another_plan(tmp_path, digits):
    from burnish.pipeline.setup import named_loss

    keys = []
    for power in (1, 2):
        (tmp_path / "own.py").write_text(
            f"def mine(outputs, targets):\n    return outputs.square().mean(1) ** {power}\n"
        )
        loss = named_loss(f"{tmp_path}/own.py:mine")
        assert repr(loss) == "Loss(name='own.py:mine', function=own.mine)"
        keys.append(Plan(model="cnn", data=digits.data, loss=loss).key)
    assert keys[0] != keys[1]
    with pytest.raises(UsageError, match="there is no 'other' in it; it defines mine"):
        named_loss(f"{tmp_path}/own.py:other")
