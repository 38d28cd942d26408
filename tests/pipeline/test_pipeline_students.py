import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

import burnish as bu
from burnish.errors import UsageError
from burnish.exporting.safetensors import load_weights
from burnish.ledger import Ledger
from burnish.plan import Optimizer, Plan
from burnish.techniques import LabelSmoothing


def make_net(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs))


@pytest.fixture(scope="module")
def teacher():
    data = bu.load("digits", seed=0)
    plan = Plan(model=make_net, data=data, epochs=8, batch_size=32, optimizer=Optimizer(lr=0.01))
    return plan.then(LabelSmoothing(alpha=0.1))


@pytest.fixture(scope="module")
def found(teacher, tmp_path_factory):
    root = tmp_path_factory.mktemp("distill")
    with pytest.warns(UserWarning, match="trained with label smoothing.*Müller"):
        return root, bu.distill(0.75, teacher, members=2, out=root, device="cpu")


def test_both_arms_are_the_same_students_in_pairs(found, teacher):
    root, result = found
    assert [(r.seed, r.split) for r in result.control] == [(r.seed, r.split) for r in result.students]
    assert {r.split for r in result.control} == {0}
    assert (result.comparison.difference.n, result.comparison.difference.of) == (3, "seeds")
    assert result.comparison.difference.low < result.comparison.difference.value < result.comparison.difference.high
    gains = [after.score - before.score for before, after in zip(result.control, result.students, strict=True)]
    assert result.comparison.difference.value == pytest.approx(np.mean(gains))
    assert result.parameters == {"teacher": 2 * 4810, "student": 16 * 65 + 17 * 10}
    assert any("label smoothing" in note for note in result.notes)
    assert "teacher" in str(result)
    assert result.to_json()["comparison"]["metric"] == "accuracy"


def test_closeness_to_the_teacher_is_that_of_the_saved_outputs(found, teacher):
    root, result = found
    ledger, inputs = Ledger(root), teacher.data.preparation.network_input(teacher.data.validation.inputs)
    runs = list(ledger.runs("teacher"))
    with torch.no_grad():
        said = np.mean(
            [
                softmax(
                    load_weights(teacher.build(run.seed), ledger.run_directory(run.id) / "weights.safetensors")
                    .eval()(torch.from_numpy(inputs))
                    .numpy(),
                    axis=1,
                )
                for run in runs
            ],
            axis=0,
        )
    for name, arm in (("without", result.control), ("with", result.students)):
        outputs = [ledger.arrays(run.id)["outputs"] for run in arm]
        agreement = np.mean([(o.argmax(1) == said.argmax(1)).mean() for o in outputs])
        divergence = np.mean([entropy(said, softmax(o, axis=1), axis=1).mean() for o in outputs])
        assert result.fidelity[name]["agreement"].value == pytest.approx(agreement)
        assert result.fidelity[name]["divergence"].value == pytest.approx(divergence, rel=1e-3)
    assert result.fidelity["with"]["divergence"].value < result.fidelity["without"]["divergence"].value


def test_what_is_done_is_not_done_again(found, teacher):
    root, result = found
    files = {path: path.stat().st_mtime_ns for path in root.rglob("weights.safetensors")}
    again = bu.distill(0.75, teacher, members=2, out=root, device="cpu")
    assert {path: path.stat().st_mtime_ns for path in root.rglob("weights.safetensors")} == files
    assert again.to_json()["comparison"] == result.to_json()["comparison"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seeds": range(2)}, "at least 3 seeds"),
        ({"teacher": []}, "a teacher is a Plan"),
        ({"student": 0.5, "teacher": nn.Linear(2, 2)}, "needs a teacher that is a plan"),
    ],
)
def test_wrong_arguments(arguments, words, teacher):
    with pytest.raises(UsageError, match=words):
        bu.distill(**({"student": teacher, "teacher": teacher} | arguments))


def test_values_are_taught_as_distances(tmp_path):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((400, 6)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2])
    data = bu.load(tmp_path / "d.npz", task="regression", seed=0)

    def net(inputs, outputs, width=64):
        return nn.Sequential(nn.Linear(inputs[0], width), nn.ReLU(), nn.Linear(width, outputs))

    plan = Plan(model=net, data=data, epochs=6, batch_size=32, optimizer=Optimizer(lr=0.01))
    found = bu.distill(0.5, plan, out=tmp_path / "o", weight=0.7, device="cpu")
    assert set(found.fidelity["with"]) == {"distance"}
    assert found.comparison.metric == "rmse"
    assert found.fidelity["with"]["distance"].value < found.fidelity["without"]["distance"].value
    student = Plan(model=net, data=data, epochs=6, batch_size=32)
    again = bu.distill(student, [found.students.model(0), found.students.model(1)], out=tmp_path / "p", device="cpu")
    assert again.parameters["teacher"] == 2 * found.parameters["student"]
