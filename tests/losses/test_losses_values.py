"""Every loss against an independent implementation or against values computed by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from burnish.errors import NotApplicable, UsageError
from burnish.losses import LOSSES, Loss, distillation


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(6, 4, generator=generator) * 2
    targets = torch.randint(0, 4, (6,), generator=generator)
    return logits, targets


def test_cross_entropy_is_the_log_loss(batch):
    logits, targets = batch
    expected = log_loss(targets.numpy(), softmax(logits.double().numpy(), axis=1), labels=range(4))
    assert float(Loss()(logits, targets)) == pytest.approx(expected, rel=1e-6)


def test_smoothing_equals_torchs_own(batch):
    logits, targets = batch
    expected = F.cross_entropy(logits, targets, label_smoothing=0.1)
    torch.testing.assert_close(Loss(smoothing=0.1)(logits, targets), expected)


def test_class_weights_multiply_each_examples_loss(batch):
    logits, targets = batch
    weights = (0.5, 1.0, 2.0, 0.0)
    expected = F.cross_entropy(logits, targets, weight=torch.tensor(weights), reduction="none")
    torch.testing.assert_close(Loss(weights=weights).per_example(logits, targets), expected)


def test_smoothing_weights_and_mixed_targets_meet_as_defined(batch):
    logits, targets = batch
    rows = torch.eye(4)[targets] * 0.7 + torch.eye(4)[targets.flip(0)] * 0.3
    weights = np.array([0.5, 1.0, 2.0, 3.0])
    logs = log_softmax(logits.double().numpy(), axis=1)
    smoothed = rows.numpy() * 0.9 + 0.1 / 4
    expected = (rows.numpy() @ weights) * -(smoothed * logs).sum(1)
    loss = Loss().with_weights(tuple(weights)).with_smoothing(0.1)
    assert loss == Loss().with_smoothing(0.1).with_weights(tuple(weights))
    np.testing.assert_allclose(loss.per_example(logits, rows).numpy(), expected, rtol=1e-5)


def test_focal_by_hand_and_without_focus_it_is_cross_entropy(batch):
    logits, targets = batch
    p = softmax(logits.double().numpy(), axis=1)[np.arange(6), targets.numpy()]
    expected = -((1 - p) ** 2) * np.log(p)
    np.testing.assert_allclose(Loss(name="focal").per_example(logits, targets).numpy(), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(Loss(name="focal", gamma=0.0)(logits, targets), Loss()(logits, targets))


def test_focal_has_finite_gradients_where_the_network_is_certain():
    logits = torch.tensor([[80.0, -80.0]], requires_grad=True)
    Loss(name="focal", gamma=0.5)(logits, torch.tensor([0])).backward()
    assert torch.isfinite(logits.grad).all()


def test_binary_cross_entropy_sums_one_against_the_rest():
    logits = torch.tensor([[0.0, math.log(3)]])
    expected = -math.log(0.5) - math.log(0.75)
    assert float(Loss(name="bce")(logits, torch.tensor([1]))) == pytest.approx(expected)


def test_binary_focal_by_hand_for_classes_and_labels():
    logits, rows = torch.tensor([[0.4, -1.3, 2.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    p = 1 / (1 + np.exp(-logits.double().numpy()[0]))
    right = np.where(rows.numpy()[0] == 1, p, 1 - p)
    expected = (-((1 - right) ** 1.5) * np.log(right)).sum()
    assert float(Loss(name="binary_focal", gamma=1.5)(logits, rows)) == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(Loss(name="binary_focal", gamma=0.0)(logits, rows), Loss(name="bce")(logits, rows))
    classes = Loss(name="binary_focal")(logits, torch.tensor([1]))
    torch.testing.assert_close(classes, Loss(name="binary_focal")(logits, torch.tensor([[0.0, 1.0, 0.0]])))


def test_huber_turns_absolute_where_delta_says():
    outputs, targets = torch.tensor([[0.2], [3.0]]), torch.zeros(2, 1)
    assert Loss(name="huber", delta=0.5).per_example(outputs, targets).tolist() == pytest.approx([0.02, 0.5 * 2.75])


def test_brier_by_hand():
    logits = torch.tensor([[math.log(3), 0.0]])
    assert float(Loss(name="brier")(logits, torch.tensor([1]))) == pytest.approx(0.75**2 * 2)


def test_losses_of_values_by_hand():
    outputs, targets = torch.tensor([[1.0, 0.0], [3.0, 0.5]]), torch.zeros(2, 2)
    assert Loss(name="mse").per_example(outputs, targets).tolist() == pytest.approx([0.5, 4.625])
    assert Loss(name="mae").per_example(outputs, targets).tolist() == pytest.approx([0.5, 1.75])
    assert Loss(name="huber").per_example(outputs, targets).tolist() == pytest.approx([0.25, (2.5 + 0.125) / 2])


@pytest.mark.parametrize("name", [n for names in LOSSES.values() for n in names])
def test_the_loss_is_the_mean_of_the_examples_and_has_a_gradient(name):
    outputs = torch.tensor([[0.3, -0.2], [1.5, 0.4]], requires_grad=True)
    targets = torch.tensor([0, 1]) if name in LOSSES["classification"] else torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    loss = Loss(name=name)
    torch.testing.assert_close(loss(outputs, targets), loss.per_example(outputs, targets).mean())
    loss(outputs, targets).backward()
    assert outputs.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_values_of_another_shape_never_broadcast(name):
    with pytest.raises(UsageError, match="do not match"):
        Loss(name=name)(torch.zeros(4, 1), torch.zeros(4))


def test_outputs_without_a_column_are_refused():
    with pytest.raises(UsageError, match=r"\(batch, outputs\)"):
        Loss(name="mse")(torch.zeros(4), torch.zeros(4))


def test_a_function_of_the_user_is_used_and_must_give_examples_when_asked():
    loss = Loss(name="mine", function=lambda outputs, targets: (outputs[:, 0] - targets).square())
    assert float(loss(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 0.0]))) == 5.0
    mean = Loss(name="mean", function=torch.nn.CrossEntropyLoss())
    assert float(mean(torch.zeros(2, 4), torch.tensor([1, 2]))) == pytest.approx(math.log(4))
    with pytest.raises(UsageError, match="one per example"):
        mean.per_example(torch.zeros(2, 4), torch.tensor([1, 2]))


def test_a_function_that_fails_or_gives_another_shape_is_told_what_was_expected():
    with pytest.raises(UsageError, match=r"the loss 'mine' fails on outputs \(2, 3\) and targets \(2,\).*TypeError"):
        Loss(name="mine", function=lambda outputs: outputs)(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    for wrong in (lambda o, t: o, lambda o, t: 1.0):
        with pytest.raises(UsageError, match="one loss for each example"):
            Loss(name="mine", function=wrong)(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))


def test_class_weights_refuse_a_function_that_gives_the_mean_only():
    mean = Loss(name="mean", function=F.cross_entropy)
    with pytest.raises(UsageError, match="one loss for each example"):
        mean.with_weights((1.0, 2.0))(torch.zeros(2, 2), torch.tensor([0, 1]))
    with pytest.raises(NotApplicable, match="class weights need the loss of each example"):
        mean.check_per_example(2)


def test_the_whole_target_by_hand():
    """Mixed, smoothed, weighed, focal, and a teacher beside it."""
    logits, said = torch.tensor([[1.0, -0.5, 0.2]]), torch.tensor([[0.3, 0.9, -1.0]])
    mixed = torch.tensor([[0.7, 0.0, 0.3]])
    loss = Loss(name="focal", gamma=2.0).with_weights((1.0, 2.0, 4.0)).with_smoothing(0.3)
    found = 0.6 * distillation(logits, said, temperature=2.0).mean() + 0.4 * loss(logits, mixed)
    p, target = softmax(logits.double().numpy()[0]), mixed.double().numpy()[0] * 0.7 + 0.1
    plain = (0.7 * 1 + 0.3 * 4) * -(target * (1 - p) ** 2 * np.log(p)).sum()
    student, teacher = (softmax(v.double().numpy()[0] / 2) for v in (logits, said))
    taught = 4 * (teacher * np.log(teacher / student)).sum()
    assert float(found) == pytest.approx(0.6 * taught + 0.4 * plain, rel=1e-5)
    from burnish.compression.distill import distillation_loss

    torch.testing.assert_close(distillation_loss(logits, said, mixed, loss, temperature=2.0, weight=0.6), found)


def test_soft_targets_are_refused_by_a_function_that_needs_indices():
    Loss().check_soft_targets(3)
    Loss(name="torch", function=torch.nn.CrossEntropyLoss()).check_soft_targets(3)
    with pytest.raises(NotApplicable, match="does not take"):
        Loss(name="nll", function=torch.nn.NLLLoss()).check_soft_targets(3)
