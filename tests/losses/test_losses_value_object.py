"""Loss as a value: validation, notation, and no torch until it is called."""

import subprocess
import sys
from functools import partial

import pytest
import torch

from burnish.errors import UsageError
from burnish.losses import Loss, distillation


def named(outputs, targets, power=1):
    return (outputs[:, 0] - targets).abs() ** power


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (Loss(), "Loss(name='cross_entropy')"),
        (Loss(name="focal", gamma=1.0), "Loss(name='focal', gamma=1.0)"),
        (Loss(smoothing=0.1, weights=(1.0, 2.0)), "Loss(name='cross_entropy', smoothing=0.1, weights=(1.0, 2.0))"),
        (Loss(name="mine", function=named), f"Loss(name='mine', function={__name__}.named)"),
        (
            Loss(name="mine", function=partial(named, power=2)),
            f"Loss(name='mine', function=partial({__name__}.named, power=2))",
        ),
    ],
)
def test_repr_is_short_and_holds_no_addresses(loss, text):
    assert repr(loss) == text


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "crossentropy"},
        {"smoothing": 1.0},
        {"smoothing": float("nan")},
        {"gamma": -1.0},
        {"delta": 0.0},
        {"name": "mine", "function": 3},
        {"weights": (1.0, -1.0)},
        {"name": "mse", "smoothing": 0.1},
    ],
)
def test_wrong_values_are_refused(wrong):
    with pytest.raises(ValueError, match="must be|unknown loss|need|a loss is a function"):
        Loss(**wrong)


def test_a_loss_is_named_or_made_of_a_function():
    assert Loss.of("huber") == Loss(name="huber")
    assert Loss.of(Loss(name="mae")) == Loss(name="mae")
    assert Loss.of(named) == Loss(name="named", function=named)
    with pytest.raises(UsageError, match="a loss is a function"):
        Loss.of(3)


def test_weights_need_one_for_each_class():
    with pytest.raises(UsageError, match="2"):
        Loss(weights=(1.0, 2.0))(torch.zeros(1, 3), torch.tensor([0]))


def test_importing_losses_does_not_import_torch():
    code = "import sys; from burnish.losses import Loss; repr(Loss()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_distillation_is_zero_for_a_perfect_student_and_matches_torch():
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(3, 5, generator=generator), torch.randn(3, 5, generator=generator)
    assert torch.equal(distillation(teacher, teacher), torch.zeros(3))
    target, logs = (teacher / 3).softmax(1), (student / 3).log_softmax(1)
    expected = (target * (target.log() - logs)).sum(1) * 9
    torch.testing.assert_close(distillation(student, teacher, temperature=3.0), expected)
    torch.testing.assert_close(distillation(student, teacher, kind="regression"), (student - teacher).square().mean(1))


def test_no_gradient_reaches_the_teacher_and_wrong_calls_are_refused():
    student, teacher = torch.zeros(1, 2, requires_grad=True), torch.ones(1, 2, requires_grad=True)
    distillation(student, teacher + torch.tensor([1.0, 0.0])).sum().backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    with pytest.raises(UsageError, match="differ"):
        distillation(torch.zeros(1, 2), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="temperature"):
        distillation(torch.zeros(1, 2), torch.zeros(1, 2), temperature=0)
