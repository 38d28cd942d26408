"""Readouts: what is fitted afterwards against references, cross-fitted, kept in the package and used by prediction."""

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

from burnish.data import load
from burnish.errors import NotApplicable
from burnish.evaluation.calibration import crossfit_temperature, optimal_temperature, tempered
from burnish.evaluation.cross_fit import halves
from burnish.evaluation.thresholds import best_threshold, crossfit_threshold
from burnish.exporting.onnx import export_onnx
from burnish.exporting.package import ModelPackage
from burnish.metrics import METRICS
from burnish.model.views import Views
from burnish.plan import Averaging, Plan, Stopping
from burnish.tasks import Classification, task_from_json
from burnish.techniques import SWA, EarlyStopping, Ensemble, TemperatureScaling, TestTimeAugmentation, Threshold

TWO = Classification(classes=("no", "yes"), metric_name="f1_macro")
TEN = Classification(classes=tuple("abcdefghij"))


def overconfident(rows=400, classes=10, seed=0):
    drawn = np.random.default_rng(seed)
    targets = drawn.integers(0, classes, rows)
    return 6 * (np.eye(classes)[targets] + 0.6 * drawn.normal(size=(rows, classes))), targets


def test_the_temperature_is_the_minimum_that_torch_finds():
    logits, targets = overconfident()
    scale = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = torch.optim.LBFGS([scale], max_iter=200, tolerance_grad=1e-10)
    x, y = torch.from_numpy(logits), torch.from_numpy(targets)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(x / scale, y)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert optimal_temperature(logits, targets) == pytest.approx(float(scale.detach()), rel=1e-3)


def test_a_temperature_is_judged_on_rows_it_was_not_fitted_on():
    logits, targets = overconfident()
    first, second = halves(targets, TEN)
    answers = tempered(logits, targets, TEN)
    own = TEN.decode(logits[second] / optimal_temperature(logits[first], targets[first]))
    np.testing.assert_allclose(answers[second], own)
    found = crossfit_temperature(logits, targets, TEN)
    assert found["accepted"]
    assert found["temperature"] > 1
    calibrated = logits / found["temperature"]
    assert not crossfit_temperature(calibrated, targets, TEN)["accepted"]
    package = ModelPackage(task=TEN, preparation=load("digits").preparation, temperature=found["temperature"])
    np.testing.assert_allclose(package.decode(logits), TEN.decode(calibrated))


def test_the_threshold_is_the_best_of_all_and_answers_follow_it():
    drawn = np.random.default_rng(0)
    targets = (drawn.random(180) < 0.15).astype(int)
    second = np.clip(0.24 * targets + 0.25 * drawn.random(180), 0, 1)
    table = np.stack([1 - second, second], 1)
    metric = METRICS["f1_macro"]
    found = best_threshold(table, targets, metric)
    scores = [f1_score(targets, second >= cut, average="macro", zero_division=0) for cut in np.unique(second)]
    assert f1_score(targets, second >= found, average="macro") == pytest.approx(max(scores), abs=1e-9)
    judged = crossfit_threshold(table, targets, TWO)
    assert judged["accepted"]
    task = task_from_json(Classification(classes=("no", "yes"), threshold=judged["threshold"]).to_json())
    assert task.answers(table) == [("no", "yes")[int(p >= judged["threshold"])] for p in second]
    assert TWO.answers(table) == ["no"] * 180
    assert "threshold" not in TWO.to_json()


def test_no_threshold_where_nothing_depends_on_it():
    table = np.full((40, 2), 0.5)
    assert (
        crossfit_threshold(table, np.arange(40) % 2, Classification(classes=("a", "b"), metric_name="roc_auc")) is None
    )
    assert crossfit_threshold(np.full((40, 10), 0.1), np.arange(40) % 10, TEN) is None
    with pytest.raises(ValueError, match="two classes"):
        Classification(classes=("a", "b", "c"), threshold=0.3)


@pytest.mark.parametrize("flip", [False, True])
def test_views_are_the_mean_over_images_made_one_by_one(flip, tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    images = torch.randn(3, 1, 8, 8)
    views = Views(network, shift=1, flip=flip).eval()
    padded = nn.functional.pad(images, (1, 1, 1, 1), mode="replicate")
    made = [padded[:, :, 1 + dy : 9 + dy, 1 + dx : 9 + dx] for dy, dx in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))]
    made += [image.flip(3) for image in made] if flip else []
    with torch.no_grad():
        expected = torch.stack([network(image).softmax(1) for image in made]).mean(0)
        torch.testing.assert_close(views(images).softmax(1), expected)
        views.train()
        torch.testing.assert_close(views(images), network(images))
    if flip:
        result = export_onnx(views, images, tmp_path / "views.onnx")
        assert result.max_abs_difference < 1e-4
    assert copy.deepcopy(views).state_dict().keys() == {f"network.{key}" for key in network.state_dict()}


def test_readouts_declare_themselves_and_say_where_they_do_not_apply():
    digits = Plan(model="cnn", data=load("digits"))
    asked = (SWA(start=0.5), TemperatureScaling(), TestTimeAugmentation(shift=1), Ensemble(members=2))
    plan = digits.then(*asked)
    assert plan.average == Averaging(kind="swa", start=0.5)
    assert plan.readouts == asked[:3]
    assert plan.post == asked[3:]
    rules = EarlyStopping(patience=4, threshold=0.9, divergence=0.1, seconds=60.0)
    stopping = Stopping(patience=4, threshold=0.9, divergence=0.1, seconds=60.0)
    assert digits.then(rules).stopping == stopping
    with pytest.raises(NotApplicable, match="10 outputs"):
        digits.then(Threshold())
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    table = Plan(model="mlp", data=load((rows, np.arange(60) % 2), modality="table"))
    assert table.then(Threshold()).readouts == (Threshold(),)
    with pytest.raises(NotApplicable, match="images"):
        table.then(TestTimeAugmentation())
    values = Plan(model="mlp", data=load((rows, rows.sum(1)), modality="table", task="regression"))
    for technique in (TemperatureScaling(), Threshold()):
        with pytest.raises(NotApplicable, match="regression"):
            values.then(technique)
    for wrong in ({"threshold": "high"}, {"seconds": 0.0}, {"divergence": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            EarlyStopping(**wrong)
