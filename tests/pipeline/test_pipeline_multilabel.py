"""A network for several labels is trained, measured, diagnosed, and answers by its thresholds."""

from dataclasses import replace

import numpy as np
import pytest

import burnish as bu
from burnish.exporting.package import _rows, predict_files
from burnish.ledger import Ledger
from burnish.techniques import Dropout, Mixup

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 6)).astype(np.float32)
Y = (X[:, :3] + 0.3 * RNG.normal(size=(600, 3)) > [0, 0.5, 1]).astype(int)


def test_training_learns_the_labels(tmp_path) -> None:
    plan = bu.Plan(model="mlp", data=bu.load((X, Y)), epochs=6).then(Mixup(alpha=0.2), Dropout(rate=0.1))
    assert plan.loss.name == "bce"
    runs = bu.train(plan, seeds=[0], out=tmp_path)
    scores = runs[0].scores
    assert scores["pr_auc"] > 0.8
    assert scores["hamming_loss"] < 0.2
    assert set(runs[0].readouts) == {"EMA", "EarlyStopping", "SWA"}
    outputs = Ledger(tmp_path).arrays(runs[0].id)["outputs"]
    task = plan.data.task
    assert task.evaluate(task.decode(outputs), plan.data.validation.targets)["pr_auc"] == pytest.approx(
        scores["pr_auc"]
    )


def test_quick_rules_take_labels() -> None:
    findings = bu.diagnose(bu.Plan(model="mlp", data=bu.load((X, Y)), epochs=2), quick=True)
    assert {finding.state for finding in findings} <= {"fires", "clear", "cannot tell"}
    assert not [f for f in findings if "Error" in f.evidence]


def test_answers_are_lists_of_labels_with_all_probabilities() -> None:
    task = replace(bu.load((X, Y)).task, thresholds=(0.5, 0.2, 0.9))
    (row,) = _rows(task, np.array([[0.6, 0.3, 0.8]]), [("file", 0)])
    assert row["prediction"] == list(task.names[:2])
    assert row["probabilities"] == dict(zip(task.names, [0.6, 0.3, 0.8], strict=True))


@pytest.mark.slow
def test_a_whole_job_answers_by_the_thresholds_it_fitted(tmp_path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(900, 6)).astype(np.float32)
    y = (x[:, :3] + 0.8 * rng.normal(size=(900, 3)) > [0, 1.2, 1.6]).astype(int)  # rare labels: a half is too much
    recipe = bu.Recipe(budget="standard", only=("Dropout",), epochs=4, lr=3e-3)
    report = bu.run(recipe, plan=bu.Plan(model="mlp", data=bu.load((x, y)), epochs=4), out=tmp_path / "run")
    fitted = report["export"]["thresholds"]
    assert fitted["accepted"]
    assert max(fitted["thresholds"]) < 0.5
    np.savez(tmp_path / "new.npz", inputs=x[:50])
    for row in predict_files(tmp_path / "run", [str(tmp_path / "new.npz")]):
        chances = zip(row["probabilities"].items(), fitted["thresholds"], strict=True)
        assert row["prediction"] == [name for (name, chance), limit in chances if chance >= limit]
    curve = report["learning_curve"]
    assert len(curve["sizes"]) >= 3
    assert curve["forecast"]["low"] <= curve["forecast"]["value"] <= curve["forecast"]["high"]
