"""Rules that look at rows and predictions, each with its fault planted and removed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from burnish.data.data import Data
from burnish.data.splits import Scheme
from burnish.diagnosis import rule_02_baseline, rule_03_duplicates, rule_09_imbalance, rule_17_calibration
from burnish.diagnosis.subject import Subject
from burnish.tasks import Classification
from burnish.tasks.classification import softmax

Make = Callable[..., Any]


@pytest.mark.parametrize("modality", ["image", "text", "table", "series"])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_simple_models_learn_what_can_be_seen(make_data: Make, modality: str, kind: str) -> None:
    data: Data = make_data(modality, kind)
    scores = rule_02_baseline.simple_scores(data)
    if kind == "classification":
        assert scores["the average answer"] < 0.35
        assert scores["a linear model"] > 0.7
    else:
        assert scores["the average answer"] == pytest.approx(data.validation.targets.std(), rel=0.05)
        assert scores["a linear model"] < 0.75 * scores["the average answer"]


def test_network_no_better_than_a_linear_model(make_data: Make, make_run: Make) -> None:
    data = make_data()
    linear = rule_02_baseline.simple_scores(data)["a linear model"]
    states = [
        rule_02_baseline.check(Subject(data, runs=(make_run(score),))).state
        for score in (linear - 0.01, linear + 0.5 * (1 - linear))
    ]
    assert states == ["fires", "clear"]
    assert rule_02_baseline.check(Subject(data)).state == "cannot tell"


def test_where_nothing_at_all_is_learned_the_network_is_not_the_reason(make_data: Make, make_run: Make) -> None:
    data = make_data()
    mixed = replace(data, targets=np.random.default_rng(1).permutation(data.targets))
    found = rule_02_baseline.check(Subject(mixed, runs=(make_run(0.25),)))
    assert "belong to their inputs" in found.evidence
    assert found.gain == pytest.approx(0.75 * rule_02_baseline.UNLEARNABLE_CHANCE)
    assert "R11" in found.detail["symptom_of"]
    assert "R12" not in found.detail["symptom_of"], "a simple model has no such rate"
    linear = rule_02_baseline.simple_scores(data)["a linear model"]
    assert "R12" in rule_02_baseline.check(Subject(data, runs=(make_run(linear - 0.01),))).detail["symptom_of"]


def test_a_perfect_simple_model_leaves_nothing_to_compare(make_data: Make, make_run: Make) -> None:
    data = make_data()
    told = replace(data, inputs=np.eye(12, dtype=np.float32)[data.targets])
    assert rule_02_baseline.check(Subject(told, runs=(make_run(1.0),))).state == "cannot tell"


def test_a_class_missing_from_training_is_survived(make_data: Make) -> None:
    data = make_data()
    fewer = replace(data, train_rows=data.train_rows[data.train.targets != 2])
    assert 0.4 < rule_02_baseline.simple_scores(fewer)["a linear model"] < 0.9


@pytest.mark.parametrize("modality", ["image", "text", "table", "series"])
def test_duplicates(make_data: Make, modality: str) -> None:
    data: Data = make_data(modality)
    assert rule_03_duplicates.check(Subject(data)).measured == 0
    inputs = data.inputs.copy()
    inputs[data.validation_rows[:20]] = inputs[data.train_rows[:20]]
    found = rule_03_duplicates.check(Subject(replace(data, inputs=inputs)))
    assert (found.state, found.measured, found.detail["severe"]) == ("fires", pytest.approx(0.1), True)


def test_groups_on_both_sides(make_data: Make) -> None:
    data: Data = make_data()
    apart, across = np.arange(400) // 20, np.arange(400) % 7
    for groups, state in ((apart, "clear"), (across, "fires")):
        split = replace(data, scheme=Scheme(kind="grouped", groups=groups))
        assert rule_03_duplicates.check(Subject(split)).state == state


def test_imbalance_needs_rare_classes_that_suffer(make_data: Make) -> None:
    data: Data = make_data()
    targets = np.where(np.arange(400) % 40 == 0, 1, 0)
    rare = replace(data, targets=targets, task=Classification(classes=("often", "rare")))
    held = rare.validation.targets
    ignoring, seeing = 5 * np.eye(2)[np.zeros_like(held)], 5 * np.eye(2)[held]
    assert rule_09_imbalance.check(Subject(rare)).state == "fires"  # before any run the counts alone speak
    found = rule_09_imbalance.check(Subject(rare, predictions=ignoring))
    assert found.state == "fires"
    assert "'rare'" in found.evidence
    assert rule_09_imbalance.check(Subject(rare, predictions=seeing)).state == "clear"
    assert rule_09_imbalance.check(Subject(data)).state == "clear"
    assert rule_09_imbalance.check(Subject(make_data(kind="regression"))).state == "cannot tell"


@pytest.mark.parametrize(
    ("factor", "state", "word"), [(1.0, "clear", ""), (3.0, "fires", "over"), (0.3, "fires", "under")]
)
def test_calibration(make_data: Make, factor: float, state: str, word: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1000, 4)) * 2
    targets = (softmax(logits).cumsum(1) > rng.random((1000, 1))).argmax(1)
    found = rule_17_calibration.check(Subject(make_data(), predictions=logits * factor, targets=targets))
    assert found.state == state
    assert found.detail["temperature"] == pytest.approx(factor, rel=0.15)
    assert f"{word}confident" in found.evidence or not word
