"""Rules that train, prune, quantize or time the network, and those that compare splits."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import nn

from burnish.data.data import Split
from burnish.data.splits import Scheme
from burnish.diagnosis import (
    rule_08_more_data,
    rule_12_rate_too_high,
    rule_13_rate_too_low,
    rule_15_dead_units,
    rule_18_corruptions,
    rule_20_pruning,
    rule_21_int8,
    rule_22_feed,
    rule_23_shift,
    rule_24_winners_curse,
)
from burnish.diagnosis.borrowed_rows import BORROWED_RUNS, can_borrow
from burnish.diagnosis.subject import Subject
from burnish.diagnosis.thresholds import Thresholds
from burnish.evaluation.learning_curve import learning_curve
from burnish.evaluation.predict import predict
from burnish.plan import Optimizer, Plan
from burnish.tasks import Classification
from burnish.training import fit

Make = Callable[..., Any]
WIDTH = 32


def net(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs[0], WIDTH), nn.ReLU(), nn.Linear(WIDTH, outputs))


def trained(data: Any, *, lr: float = 3e-3, epochs: int = 20, **changes: Any) -> Subject:
    plan = Plan(model=net, data=data, epochs=epochs, batch_size=32, optimizer=Optimizer(lr=lr), **changes)
    model = fit(plan, seed=0, device="cpu").model
    outputs = predict(model, data.validation, data.preparation)
    return Subject(data, plan=plan, model=model, predictions=outputs)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_more_rows_help_where_the_error_still_falls(make_data: Make, kind: str) -> None:
    data = make_data(kind=kind, n=600)
    found = rule_08_more_data.check(trained(data, epochs=4))
    assert found.detail["sizes"] == [38, 75, 150, 300]
    assert np.shape(found.detail["errors"]) == (4, 2)
    assert found.state in ("fires", "clear")
    assert (found.measured > 0.05 and found.detail["gain_low"] > 0 and found.detail["monotone"]) == (
        found.state == "fires"
    )


@pytest.mark.parametrize(("exponent", "state"), [(0.5, "fires"), (0.02, "clear")])
def test_the_forecast_decides(make_data: Make, exponent: float, state: str) -> None:
    data = make_data()
    sizes = [25, 50, 100, 200]
    scores = [[1 - 2 * n**-exponent * 0.4, 1 - 2 * n**-exponent * 0.401] for n in sizes]
    curve = learning_curve(data.task.primary, sizes, scores)
    subject = Subject(data, plan=Plan(model=net, data=data), cache={"learning_curve": curve})
    assert rule_08_more_data.check(subject).state == state
    assert rule_08_more_data.price(subject) == 0


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_more_rows_are_measured_where_validation_can_lend_them(make_data: Make, kind: str) -> None:
    rng, count = np.random.default_rng(0), 464
    places, answers = rng.integers(0, 64, count), rng.integers(0, 4, 64)
    inputs = (2 * rng.normal(size=(64, 12))[places] + 0.1 * rng.normal(size=(count, 12))).astype(np.float32)
    rows = {"train_rows": np.arange(64), "validation_rows": np.arange(64, count)}
    targets = answers[places] if kind == "classification" else 10.0 + 3 * answers[places]
    data = make_data(kind=kind, n=count, inputs=inputs, targets=targets, **rows)
    subject = trained(data, epochs=12, lr=2e-2)  # what was not seen cannot be guessed, and 64 rows show 40 of 64 places
    assert rule_08_more_data.price(subject) == BORROWED_RUNS
    found = rule_08_more_data.check(subject)
    assert (found.state, found.detail["measured_at"]) == ("fires", 128), found.evidence
    assert "lent" in found.evidence
    assert found.remedies[0] == rule_08_more_data.LENT
    assert rule_08_more_data.price(subject) == 0
    blind = replace(data, inputs=rng.normal(size=data.inputs.shape).astype(np.float32))
    assert rule_08_more_data.check(trained(blind, epochs=12, lr=2e-2)).state == "clear", "noise stays noise"


def test_who_can_lend_rows(make_data: Make) -> None:
    few = {"train_rows": np.arange(100), "validation_rows": np.arange(100, 300)}
    assert can_borrow(make_data(**few))
    assert not can_borrow(make_data(**few | {"validation_rows": np.arange(100, 299)}))
    assert not can_borrow(make_data(**few, scheme=Scheme(kind="timed", times=np.arange(400)))), "later rows know more"


def test_too_few_rows_for_a_learning_curve(make_data: Make) -> None:
    data = make_data(n=60)
    assert rule_08_more_data.check(Subject(data, plan=Plan(model=net, data=data))).state == "cannot tell"


@pytest.mark.parametrize(
    ("factor", "high", "low"), [(1, "clear", "clear"), (100, "fires", "clear"), (1e-3, "clear", "fires")]
)
def test_the_rate_without_a_tuning(make_data: Make, make_run: Make, factor: float, high: str, low: str) -> None:
    data = make_data(n=800)
    plan = Plan(model=net, data=data, epochs=10, batch_size=32, optimizer=Optimizer(lr=1e-2 * factor))
    fitted = fit(plan, seed=0, device="cpu")
    run = make_run(0.5, curves=fitted.curves)
    subject = Subject(data, plan=plan, runs=(run,))
    assert rule_12_rate_too_high.check(subject).state == high
    assert rule_13_rate_too_low.check(subject).state == low
    assert rule_12_rate_too_high.price(subject) == 0  # measured once for both


@pytest.mark.parametrize("modality", ["image", "text", "table", "series"])
def test_perturbations_of_every_modality(make_data: Make, modality: str) -> None:
    data = make_data(modality)
    zoo = {"image": "cnn", "text": "textcnn", "table": "mlp", "series": "cnn1d"}
    plan = Plan(model=zoo[modality], data=data, epochs=2)
    found = rule_18_corruptions.check(Subject(data, plan=plan, model=plan.build(0)))
    assert found.state in ("fires", "clear")
    assert found.figure["labels"][0] == "clean"


def test_fragile_networks_are_told_from_sturdy_ones(make_data: Make) -> None:
    data = make_data("series")

    class Fixed(nn.Module):
        """Looks at one point, or at nothing."""

        def __init__(self, fragile: bool) -> None:
            super().__init__()
            self.fragile, self.bias = fragile, nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            answer = (x[:, 0, 0] * 1e3 % 4).long().clamp(0, 3) if self.fragile else torch.zeros(len(x)).long()
            return nn.functional.one_hot(answer, 4) * 9.0 + self.bias

    stored = data.inputs.copy()
    stored[:, 0, 0] = (np.asarray(data.targets) + 0.5) * 1e-3  # the answer, in digits that any noise wipes out
    told = replace(data, inputs=stored, preparation=replace(data.preparation, mean=None, std=None))
    assert rule_18_corruptions.check(Subject(told, model=Fixed(True))).state == "fires"
    assert rule_18_corruptions.check(Subject(told, model=Fixed(False))).state == "clear"


def test_spare_weights(make_data: Make) -> None:
    data = make_data(n=800)
    small = trained(data)
    assert small.model is not None
    wide = nn.Linear(WIDTH, 4)
    with torch.no_grad():  # the same function, with three weights in four that do nothing
        model = nn.Sequential(nn.Linear(12, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, 4))
        for layer, known in ((model[0], small.model[0]), (model[2], small.model[2])):
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[: known.weight.shape[0], : known.weight.shape[1]] = known.weight
            layer.bias[: known.bias.shape[0]] = known.bias
    found = rule_20_pruning.check(replace(small, model=model))
    assert (found.state, found.measured >= 0.75) == ("fires", True)
    assert found.gain == pytest.approx(0.9 * 0.01 * -np.log2(1 - found.measured))
    assert wide.weight.shape == (4, WIDTH)
    tight = nn.Sequential(nn.Linear(12, 4, bias=False))
    least = LogisticRegression(fit_intercept=False, max_iter=1000).fit(data.train.inputs, data.train.targets)
    with torch.no_grad():
        tight[0].weight.copy_(torch.from_numpy(least.coef_))
    assert rule_20_pruning.check(replace(small, model=tight)).state == "clear"


def test_pruning_takes_the_smallest_weights_of_all() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    pruned = rule_20_pruning.without_smallest(model, 0.3)
    before = torch.cat([model[0].weight.flatten(), model[2].weight.flatten()]).abs()
    after = torch.cat([pruned[0].weight.flatten(), pruned[2].weight.flatten()])
    assert int((after == 0).sum()) == 90
    assert before[after == 0].max() <= before[after != 0].min()
    assert torch.equal(pruned[0].bias, model[0].bias)


def test_pruning_may_judge_a_weight_by_its_layer() -> None:
    model = nn.Sequential(nn.Linear(3, 1, bias=False), nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 2.0, 1.0]]))
        model[1].weight.copy_(torch.tensor([[0.1], [0.2]]))
    # 9/9, 4/13, 1/14 in the first layer; 1/5 and 4/4 in the second
    pruned = rule_20_pruning.without_smallest(model, 0.6, by_layer=True)
    assert pruned[0].weight.tolist() == [[3.0, 0.0, 0.0]]
    assert torch.equal(pruned[1].weight, torch.tensor([[0.0], [0.2]]))
    by_size = rule_20_pruning.without_smallest(model, 0.4)
    assert not by_size[1].weight.any(), "by size alone the second layer goes first"


def test_what_int8_costs(make_data: Make) -> None:
    subject = trained(make_data(n=800))
    exact = np.asarray(subject.predictions)
    rng = np.random.default_rng(0)
    assert rule_21_int8.check(replace(subject, int8=lambda: exact + 1e-4)).state == "clear"
    found = rule_21_int8.check(replace(subject, int8=lambda: exact + rng.normal(size=exact.shape) * 20))
    assert (found.state, found.measured > 0.2) == ("fires", True)
    assert rule_21_int8.check(replace(subject, int8=None)).state == "cannot tell"


def test_a_batch_that_takes_longer_than_its_step(make_data: Make) -> None:
    data = make_data()

    def slow(inputs: torch.Tensor, targets: torch.Tensor, context: Any) -> tuple[torch.Tensor, torch.Tensor]:
        table = torch.ones(300, 300)
        for _ in range(4):
            table = table @ table / 300
        return inputs + 0 * table[0, 0], targets

    plan = Plan(model=net, data=data, batch=(slow,))
    at_all = Subject(data, plan=plan, thresholds=Thresholds(feed_seconds=0.0))
    assert rule_22_feed.check(at_all).state == "fires"
    assert rule_22_feed.check(Subject(data, plan=plan)).state == "clear", "a training of a few steps"

    def deep(inputs: tuple[int, ...], outputs: int) -> nn.Module:
        layers = [layer for _ in range(6) for layer in (nn.Linear(300, 300), nn.ReLU())]
        return nn.Sequential(nn.Linear(inputs[0], 300), *layers, nn.Linear(300, outputs))

    assert rule_22_feed.check(Subject(data, plan=Plan(model=deep, data=data))).measured < 0.5


def test_dead_from_the_start(make_data: Make) -> None:
    data = make_data()

    def dead(inputs: tuple[int, ...], outputs: int) -> nn.Module:
        model = net(inputs, outputs)
        nn.init.constant_(model[0].bias[:20], -50.0)
        return model

    found = rule_15_dead_units.check(Subject(data, plan=Plan(model=dead, data=data)))
    assert (found.state, found.measured) == ("fires", pytest.approx(20 / WIDTH))


@pytest.mark.parametrize("modality", ["image", "text", "table", "series"])
def test_shift_between_the_splits(make_data: Make, modality: str) -> None:
    data = make_data(modality, n=800)
    assert rule_23_shift.check(Subject(data)).state == "clear"
    inputs = data.inputs.copy()
    held = data.validation_rows
    if modality == "text":
        inputs[held] = np.where(inputs[held] % 3 == 0, 1, inputs[held])
    else:
        inputs[held] = (inputs[held] * 0.5).astype(inputs.dtype)
    found = rule_23_shift.check(Subject(replace(data, inputs=inputs)))
    assert (found.state, found.detail["severe"]) == ("fires", True)


def test_the_sealed_inputs_are_compared_without_an_opening(make_data: Make) -> None:
    data = make_data(n=800)
    sealed = Split(data.inputs[:300] + 2, np.zeros(300, dtype=int), np.arange(150))
    found = rule_23_shift.check(Subject(replace(data, test=lambda: sealed, test_size=300)))
    assert found.state == "fires"
    assert "validation and test" in found.evidence
    assert not data.openings


def test_label_drift(make_data: Make) -> None:
    data = make_data(n=800)
    targets = np.asarray(data.targets).copy()
    targets[data.validation_rows[:200]] = 0
    drifted = replace(
        data, targets=targets, inputs=np.random.default_rng(0).normal(size=data.inputs.shape).astype("f4")
    )
    found = rule_23_shift.check(Subject(drifted))
    assert found.state == "fires"
    assert found.detail["label_drift"] > 0.3
    assert found.detail["auc"] < 0.6


def test_the_bound_of_the_auc_is_kept_under_no_shift(make_data: Make) -> None:
    rng = np.random.default_rng(0)
    data, fired = make_data(), 0
    for _ in range(20):
        low = rule_23_shift.domain_auc(data, *rng.normal(size=(2, 100, 12)).astype("f4"))[1]
        fired += low > 0.55
    assert fired <= 2
    scores = np.r_[rng.normal(size=400), rng.normal(size=400) + 0.5]
    auc = roc_auc_score(np.repeat([0, 1], 400), scores)
    drawn = [
        roc_auc_score(np.repeat([0, 1], 400), np.r_[rng.choice(scores[:400], 400), rng.choice(scores[400:], 400)])
        for _ in range(150)
    ]
    assert rule_23_shift._auc_error(float(auc), 400) == pytest.approx(np.std(drawn), rel=0.2)


def test_too_few_rows_for_a_shift(make_data: Make) -> None:
    assert rule_23_shift.check(Subject(make_data(n=80))).state == "cannot tell"


def test_winners_curse(make_data: Make) -> None:
    data = make_data()
    states = [
        rule_24_winners_curse.check(Subject(data, screened=gains)).state
        for gains in (None, (0.02, 0.005), (0.02, 0.015), (-0.01, 0.0))
    ]
    assert states == ["cannot tell", "fires", "clear", "clear"]
    assert isinstance(data.task, Classification)


@pytest.mark.parametrize(("again", "state"), [(0.79, "clear"), (0.61, "fires"), (0.72, "clear")])
def test_what_a_tuned_rate_keeps_on_fresh_splits(make_data: Make, make_run: Make, again: float, state: str) -> None:
    data = make_data(n=800)
    plan = Plan(model=net, data=data, optimizer=Optimizer(lr=1e-2))
    rates = [{"lr": rate, "score": score, "best_epoch": 1} for rate, score in ((1e-3, 0.5), (3e-3, 0.6), (1e-2, 0.8))]
    subject = Subject(data, plan=plan, tuned=rates, runs=(make_run(again), make_run(again)))
    found = rule_24_winners_curse.check(subject)
    assert found.state == state
    assert found.measured == pytest.approx((again - 0.6) / 0.2)
    level = [tried | {"score": 0.8} for tried in rates]
    assert rule_24_winners_curse.check(replace(subject, tuned=level)).state == "clear", "nothing hung on the choice"
    assert rule_24_winners_curse.check(replace(subject, runs=())).state == "cannot tell"
