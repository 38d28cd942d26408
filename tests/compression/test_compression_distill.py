import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

from burnish.compression.distill import averaged, distillation_loss, distilled, fidelity
from burnish.losses import Loss, distillation


def test_value_by_hand():
    student, teacher = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, -1.0]])
    targets, t, w = torch.tensor([1]), 2.0, 0.7
    p = torch.tensor([1.0, -1.0]).div(t).softmax(0)
    q = torch.tensor([2.0, 0.0]).div(t).softmax(0)
    divergence = (p * (p / q).log()).sum() * t**2
    hard = -torch.tensor([2.0, 0.0]).log_softmax(0)[1]
    given = distillation_loss(student, teacher, targets, Loss(), temperature=t, weight=w)
    torch.testing.assert_close(given, w * divergence + (1 - w) * hard)


def test_values_are_distilled_by_squares():
    student, teacher, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [4.0]]), torch.tensor([[0.0], [0.0]])
    given = distillation_loss(student, teacher, targets, Loss(name="mse"), weight=0.5, kind="regression")
    assert given.item() == pytest.approx(0.5 * (1 + 4) / 2 + 0.5 * (1 + 4) / 2)


def test_without_weight_the_teacher_does_not_count():
    student, targets = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    given = distillation_loss(student, torch.randn(4, 3), targets, Loss(), weight=0.0)
    torch.testing.assert_close(given, Loss()(student, targets))


def test_teacher_is_in_evaluation_mode_and_untouched():
    teacher = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 3)).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    student = nn.Linear(4, 3)
    objective = distilled(Loss(), teacher)
    inputs, targets = torch.randn(16, 4), torch.randint(0, 3, (16,))
    losses = [objective(student(inputs), targets, inputs) for _ in range(2)]
    assert torch.equal(*losses)
    losses[0].backward()
    assert student.weight.grad.abs().sum() > 0
    assert teacher.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_student_comes_to_agree_with_its_teacher():
    torch.manual_seed(0)
    teacher, student = (nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3)) for width in (32, 16))
    inputs = torch.randn(256, 4)
    targets = torch.randint(0, 3, (256,))  # labels that say nothing: all that is learned comes from the teacher
    objective = distilled(Loss(), teacher, weight=1.0)
    before = fidelity(student(inputs).detach().numpy(), teacher(inputs).detach().numpy())
    optimizer = torch.optim.Adam(student.parameters(), lr=0.03)
    for _ in range(75):
        optimizer.zero_grad()
        objective(student(inputs), targets, inputs).backward()
        optimizer.step()
    after = fidelity(student(inputs).detach().numpy(), teacher(inputs).detach().numpy())
    assert after["agreement"] > 0.8 > before["agreement"]
    assert after["divergence"] < before["divergence"] / 5


def test_fidelity_by_hand():
    same = np.array([[1.0, 2.0], [3.0, 0.0]])
    assert fidelity(same, same + 5) == {"agreement": 1.0, "divergence": pytest.approx(0, abs=1e-12)}
    p, q = np.array([0.25, 0.75]), np.array([0.5, 0.5])
    given = fidelity(np.log(q)[None], np.log(p)[None])
    assert given["divergence"] == pytest.approx((p * np.log(p / q)).sum())
    assert fidelity(np.zeros((2, 1)), np.array([[3.0], [4.0]]), kind="regression") == {
        "distance": pytest.approx(np.sqrt(12.5))
    }


@pytest.mark.parametrize("wrong", [{"weight": 1.5}, {"temperature": 0.0}, {"kind": "ranking"}])
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match="expected"):
        distilled(Loss(), nn.Linear(2, 2), **wrong)


def test_several_teachers_are_averaged_as_probabilities():
    outputs = [torch.tensor([[4.0, 0.0, -1.0]]), torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([[0.5, 0.5, 0.0]])]
    for temperature in (1.0, 4.0):
        together = averaged(outputs, temperature=temperature)
        mean = torch.stack([(each / temperature).softmax(1) for each in outputs]).mean(0)
        torch.testing.assert_close((together / temperature).softmax(1), mean)
    torch.testing.assert_close(averaged(outputs, kind="regression"), torch.stack(outputs).mean(0))
    assert averaged(outputs[:1]) is outputs[0]
    labels = (averaged(outputs, kind="multilabel", temperature=2.0) / 2).sigmoid()
    torch.testing.assert_close(labels, torch.stack([(each / 2).sigmoid() for each in outputs]).mean(0))


def test_an_ensemble_teaches_its_mean():
    torch.manual_seed(0)
    teachers, inputs = [nn.Linear(4, 3) for _ in range(3)], torch.randn(8, 4)
    student, targets = torch.randn(8, 3), torch.randint(0, 3, (8,))
    with torch.no_grad():
        mean = torch.stack([(teacher(inputs) / 2).softmax(1) for teacher in teachers]).mean(0)
    given = distilled(Loss(), teachers, temperature=2.0, weight=1.0)(student, targets, inputs)
    expected = [entropy(p, q) for p, q in zip(mean.numpy(), (student / 2).softmax(1).numpy(), strict=True)]
    assert given.item() == pytest.approx(4 * np.mean(expected), rel=1e-5)
    with pytest.raises(ValueError, match="no teacher"):
        distilled(Loss(), [])


@given(st.integers(2, 6), st.floats(0.5, 8), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_divergence_is_scipys(classes, temperature, seed):
    generator = np.random.default_rng(seed)
    student, teacher = (3 * generator.standard_normal((5, classes)) for _ in range(2))
    p, q = softmax(teacher / temperature, axis=1), softmax(student / temperature, axis=1)
    found = distillation(torch.tensor(student), torch.tensor(teacher), temperature=temperature)
    np.testing.assert_allclose(found.numpy(), temperature**2 * entropy(p, q, axis=1), rtol=1e-6, atol=1e-9)
    plain = fidelity(student, teacher)["divergence"]
    assert plain == pytest.approx(entropy(softmax(teacher, axis=1), softmax(student, axis=1), axis=1).mean())
