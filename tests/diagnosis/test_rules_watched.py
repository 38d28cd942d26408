"""Rules on what a few watched steps show, and the cheaper looks at what is dear."""

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from burnish.diagnosis import (
    RULES,
    diagnose,
    rule_01_start,
    rule_08_more_data,
    rule_09_imbalance,
    rule_10_metric,
    rule_12_rate_too_high,
    rule_14_gradients,
    rule_20_pruning,
    rule_23_shift,
)
from burnish.diagnosis.confident import anchored_share
from burnish.diagnosis.features import last_hidden
from burnish.diagnosis.short_run import short_run
from burnish.diagnosis.subject import Subject
from burnish.diagnosis.thresholds import Thresholds
from burnish.plan import Optimizer, Plan
from burnish.records import Cost

Make = Callable[..., Any]


def net(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs[0], 16), nn.ReLU(), nn.Linear(16, outputs))


def test_a_step_against_the_weights(make_data: Make) -> None:
    data = make_data()
    plan = Plan(model=net, data=data, optimizer=Optimizer(name="sgd", lr=1e-4), epochs=1)
    slow, fast = (
        short_run(Subject(data, plan=replace(plan, optimizer=replace(plan.optimizer, lr=lr)))) for lr in (1e-4, 1e-2)
    )
    assert slow is not None
    assert fast is not None
    assert set(slow.updates) == {"0.weight", "2.weight"} == {name for name, _ in slow.gradients}
    for name in slow.updates:  # without momentum a step is as long as the rate
        assert 20 < fast.updates[name] / slow.updates[name] < 200
    assert set(slow.drift) == {"0"}
    assert slow.drift["0"] == pytest.approx(1.0, abs=0.05)
    again = short_run(Subject(data, plan=plan))
    assert again == slow, "the same steps each time"


def test_steps_too_large_for_the_weights(make_data: Make, make_run: Make) -> None:
    data = make_data()
    good = Plan(model=net, data=data, optimizer=Optimizer(lr=3e-3), epochs=5)
    bad = replace(good, optimizer=Optimizer(lr=0.3))
    runs = (make_run(0.8, 0.8),)
    calm, wild = (rule_12_rate_too_high.check(Subject(data, plan=plan, runs=runs)) for plan in (good, bad))
    assert calm.state == "clear"
    assert calm.detail["update"] < 0.025
    assert wild.state == "fires"
    strict = Subject(data, plan=good, runs=runs, thresholds=Thresholds(update_high=1e-4))
    by_size = rule_12_rate_too_high.check(strict)
    assert (by_size.state, by_size.measured) == ("fires", calm.detail["update"])


def test_activations_that_run_off(make_data: Make, make_run: Make) -> None:
    data = make_data()
    found = rule_14_gradients.check(Subject(data, plan=Plan(model=net, data=data)))
    assert found.state == "clear"
    assert 0.1 < found.detail["drift"] < 10
    far = Plan(model=net, data=data, optimizer=Optimizer(name="sgd", lr=30.0))
    subject = Subject(data, plan=far)
    run = short_run(subject)
    assert run is not None
    if run.finite:
        assert rule_14_gradients.check(subject).state == "fires"


def test_zeros_do_as_well_where_inputs_are_not_used(make_data: Make) -> None:
    data = make_data(n=600)

    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.bias.expand(len(x), 4)

    class Telling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            from sklearn.linear_model import LogisticRegression

            known = LogisticRegression(max_iter=500).fit(data.train.inputs, data.train.targets)
            self.layer = nn.Linear(12, 4)
            with torch.no_grad():
                self.layer.weight.copy_(torch.from_numpy(known.coef_))
                self.layer.bias.copy_(torch.from_numpy(known.intercept_))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    subject = Subject(data, plan=Plan(model=net, data=data))
    blind = rule_01_start.check(replace(subject, model=Blind()))
    assert blind.state == "fires"
    assert "zeros" in blind.evidence
    assert rule_01_start.check(replace(subject, model=Telling())).state == "clear"


def test_runs_that_two_metrics_order_differently(make_data: Make, make_run: Make) -> None:
    rng = np.random.default_rng(0)
    accuracy = 0.8 + 0.01 * rng.random(16)

    def runs(f1: np.ndarray) -> tuple[Any, ...]:
        pairs = zip(accuracy, f1, strict=True)
        return tuple(
            dataclasses.replace(make_run(0.8, float(a)), scores={"accuracy": float(a), "f1_macro": float(f)})
            for a, f in pairs
        )

    alike = rule_10_metric.check(Subject(make_data(), runs=runs(accuracy - 0.01)))
    assert (alike.state, alike.detail["tau"]) == ("clear", pytest.approx(1.0))
    turned = 1.6 - accuracy - 0.005
    other = rule_10_metric.check(Subject(make_data(), runs=runs(turned)))
    assert other.state == "fires"
    assert other.measured == pytest.approx(stats.kendalltau(accuracy, turned).statistic)
    few = Subject(make_data(), runs=runs(turned)[:2], others=runs(turned)[2:])
    assert rule_10_metric.check(few).measured == other.measured, "a screening's runs have an order too"


def test_a_rare_class_counts_where_it_suffers(make_data: Make) -> None:
    data = make_data(n=1600)
    rare = data.targets == 1
    keep = np.flatnonzero(~rare | (np.cumsum(rare) % 5 == 0))
    small = replace(
        data,
        train_rows=np.intersect1d(data.train_rows, keep),
        validation_rows=np.intersect1d(data.validation_rows, keep),
    )
    targets = small.validation.targets
    right = np.eye(4)[targets] * 9.0
    blind = right.copy()
    blind[targets == 1] = [9.0, 0.0, 0.0, 0.0]
    assert rule_09_imbalance.check(Subject(small, predictions=right)).state == "clear"
    assert rule_09_imbalance.check(Subject(small, predictions=blind)).state == "fires"
    assert rule_09_imbalance.check(Subject(small)).state == "clear", "whether it suffers is not known"


def test_noise_where_the_model_is_surest() -> None:
    rng = np.random.default_rng(0)
    sure = np.clip(rng.beta(8, 1, 2000), 0.5, 0.999)
    labels = (rng.random(2000) > sure).astype(int)  # right as often as it says
    probabilities = np.stack([sure, 1 - sure], axis=1)
    clean, low = anchored_share(labels, probabilities)
    assert clean < 0.02
    assert low <= clean
    wrong = rng.random(2000) < 0.1
    share, low = anchored_share(np.where(wrong, 1 - labels, labels), probabilities)
    assert low < share
    assert share == pytest.approx(0.1, abs=0.03)


def test_a_first_look_at_more_rows(make_data: Make, make_run: Make) -> None:
    data = make_data(n=600)
    plan = Plan(model=net, data=data, epochs=2, batch_size=32)
    cost = Cost(parameters=1, bytes=4, train_seconds=100.0)
    outputs = np.eye(4)[data.validation.targets] * 2.0
    high, low = (
        Subject(data, plan=plan, runs=(make_run(score, score, cost=cost),), predictions=outputs)
        for score in (0.97, 0.3)
    )
    asked = {"R8": RULES["R8"]}
    found = diagnose(high, rules=asked, runs=3.0)[0]
    assert found.state == "fires", "half of the rows are far worse than a score of 0.97"
    assert found.cost_runs == rule_08_more_data.first_price(high) == 1.0
    assert diagnose(low, rules=asked, runs=3.0)[0].state != "fires"
    assert diagnose(high, rules=asked, runs=0.5)[0].detail["skipped"]


def test_outputs_that_nobody_needs() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    narrow = rule_20_pruning.without_channels(model, 0.25)
    assert narrow is not None
    gone = (narrow[0].weight.abs().sum(1) == 0) & (narrow[0].bias == 0)
    assert int(gone.sum()) == 2
    assert set(model[0].weight.abs().sum(1).argsort()[:2].tolist()) == set(torch.nonzero(gone).flatten().tolist())
    assert torch.equal(narrow[2].weight, model[2].weight)
    assert rule_20_pruning.without_channels(nn.Sequential(nn.Linear(6, 3)), 0.25) is None
    with torch.no_grad():
        model[0].weight.copy_(torch.outer(torch.ones(8), torch.ones(6)))
        model[2].weight.copy_(torch.eye(3, 8))
    assert rule_20_pruning.stable_rank(model) == pytest.approx((1 / 6 + 1) / 2)


def test_hidden_features_are_what_the_last_layer_is_given(make_data: Make) -> None:
    data, model = make_data(n=600), net((12,), 4)
    stored = data.inputs[:300]
    hidden = last_hidden(model, data, stored)
    with torch.no_grad():
        expected = torch.relu(model[0](torch.from_numpy(stored)))
    assert np.allclose(hidden, expected.numpy(), atol=1e-6)
    assert last_hidden(nn.Flatten(), data, stored) is None
    same = rule_23_shift._by_hidden(Subject(data, model=model), data.inputs[300:])
    assert same["their hidden features"][1] < 0.55
    moved = rule_23_shift._by_hidden(Subject(data, model=model), data.inputs[300:] + 2)
    assert moved["their hidden features"][1] > 0.7
