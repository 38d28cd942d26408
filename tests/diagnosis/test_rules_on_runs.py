"""Rules that look at scores and curves, each with its fault planted and removed."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from burnish.data.data import Data
from burnish.diagnosis import (
    rule_04_resolution,
    rule_05_underfit,
    rule_06_overfit,
    rule_07_budget,
    rule_10_metric,
    rule_12_rate_too_high,
    rule_13_rate_too_low,
    rule_19_instability,
)
from burnish.diagnosis.subject import Subject
from burnish.records import Run

Make = Callable[..., Any]


def curve(metric: str, scores: list[float], loss: list[float], train: list[float]) -> tuple[dict[str, Any], ...]:
    rows = zip(scores, loss, train, strict=True)
    return tuple({"epoch": e, metric: s, "loss": v, "train_loss": t} for e, (s, v, t) in enumerate(rows))


def test_resolution(make_data: Make, make_run: Make) -> None:
    subject = Subject(make_data(), runs=(make_run(0.9),))
    found = rule_04_resolution.check(subject)
    assert found.state == "fires"
    assert found.measured == pytest.approx(np.sqrt(0.09 / 200))
    assert found.detail["needed"] == pytest.approx(0.09 / 0.0025**2, abs=1)
    assert rule_04_resolution.check(Subject(make_data(), runs=(make_run(0.9),), min_gain=0.05)).state == "clear"
    assert rule_04_resolution.check(Subject(make_data())).state == "cannot tell"


def test_resolution_of_an_error_is_relative(make_data: Make, make_run: Make) -> None:
    data: Data = make_data(kind="regression")
    outputs = data.task.encode(data.validation.targets + np.random.default_rng(0).normal(size=200))
    runs = (make_run(1.0, primary="rmse"),)
    coarse = rule_04_resolution.check(Subject(data, runs=runs, predictions=outputs, min_gain=0.2))
    assert coarse.state == "clear"
    assert coarse.measured == pytest.approx(1 / np.sqrt(2 * 200), rel=0.15)  # standard error of a deviation
    found = rule_04_resolution.check(Subject(data, runs=runs, predictions=outputs))
    assert (found.state, found.threshold) == ("fires", pytest.approx(0.0025))


@pytest.mark.parametrize(
    ("train", "validation", "state"), [(0.7, 0.68, "fires"), (0.99, 0.8, "clear"), (1, 0.99, "clear")]
)
def test_underfit(make_data: Make, make_run: Make, train: float, validation: float, state: str) -> None:
    assert rule_05_underfit.check(Subject(make_data(), runs=(make_run(validation, train),))).state == state


def test_underfit_of_a_regression_is_measured_against_the_spread(make_data: Make, make_run: Make) -> None:
    data = make_data(kind="regression")
    spread = float(data.train.targets.std())
    poor = rule_05_underfit.check(Subject(data, runs=(make_run(0.95 * spread, 0.9 * spread, "rmse"),)))
    assert (poor.state, poor.measured) == ("fires", pytest.approx(0.9))
    over = rule_05_underfit.check(Subject(data, runs=(make_run(0.8 * spread, 0.1 * spread, "rmse"),)))
    assert over.state == "clear"


@pytest.mark.parametrize("primary", ["accuracy", "rmse"])
def test_overfit(make_data: Make, make_run: Make, primary: str) -> None:
    kind = "classification" if primary == "accuracy" else "regression"
    good, bad = (0.95, 0.7) if primary == "accuracy" else (0.5, 2.0)
    data = make_data(kind=kind)
    assert rule_06_overfit.check(Subject(data, runs=(make_run(bad, good, primary),))).state == "fires"
    assert rule_06_overfit.check(Subject(data, runs=(make_run(good, good, primary),))).state == "clear"
    assert rule_06_overfit.check(Subject(data, runs=(make_run(good, None, primary),))).state == "cannot tell"


def test_rising_validation_loss_is_overfitting_only_while_training_falls(make_data: Make, make_run: Make) -> None:
    data = make_data()
    predictions = np.zeros((200, 4))
    predictions[np.arange(200), data.validation.targets] = np.where(np.arange(200) % 4 == 0, 0.0, 2.0)
    rising = curve("accuracy", [0.7, 0.75, 0.75, 0.75], [0.9, 0.6, 0.9, 1.4], [1.0, 0.5, 0.3, 0.1])
    lost = curve("accuracy", [0.7, 0.75, 0.75, 0.75], [0.9, 0.6, 0.9, 1.4], [1.0, 0.5, 0.7, 0.9])
    falling = curve("accuracy", [0.7, 0.75, 0.75, 0.75], [0.9, 0.6, 0.55, 0.56], [1.0, 0.5, 0.3, 0.1])
    states = [
        rule_06_overfit.check(Subject(data, runs=(make_run(0.75, 0.76, curves=lines),), predictions=predictions)).state
        for lines in (rising, lost, falling)
    ]
    assert states == ["fires", "clear", "clear"]


@pytest.mark.parametrize(
    ("scores", "state", "remedy"),
    [
        (np.linspace(0.3, 0.9, 20), "fires", "more epochs"),
        ([0.9, *[0.8] * 19], "fires", "fewer epochs"),
        ([0.5, *np.linspace(0.7, 0.9, 9), *[0.9] * 10], "clear", None),
        ([0.5, *[0.9] * 18, 0.9001], "clear", None),
        ([0.5, 0.6, 0.7], "cannot tell", None),
    ],
)
def test_budget(make_data: Make, make_run: Make, scores: Any, state: str, remedy: str | None) -> None:
    scores = [float(s) for s in scores]
    lines = curve("accuracy", scores, [1.0] * len(scores), [1.0] * len(scores))
    found = rule_07_budget.check(Subject(make_data(), runs=(make_run(0.9, curves=lines),)))
    assert (found.state, found.remedies[0] if found.remedies else None) == (state, remedy)


def test_budget_turns_errors_round(make_data: Make, make_run: Make) -> None:
    scores = [float(s) for s in np.linspace(3, 1, 12)]
    run = make_run(1.0, primary="rmse", curves=curve("rmse", scores, scores, scores))
    assert rule_07_budget.check(Subject(make_data(kind="regression"), runs=(run,))).detail["best_epoch"] == 12


def test_metrics_apart(make_data: Make, make_run: Make) -> None:
    run: Run = make_run(0.95, scores={"accuracy": 0.95, "f1_macro": 0.6})
    assert rule_10_metric.check(Subject(make_data(), runs=(run,))).state == "fires"
    assert rule_10_metric.check(Subject(make_data(), runs=(make_run(0.95),))).state == "cannot tell"


def tuned(**scores: float) -> tuple[dict[str, Any], ...]:
    return tuple({"lr": 10 ** -float(k[1:]), "score": v, "best_epoch": 3} for k, v in scores.items())


def plan_at(rate: float) -> Any:
    return SimpleNamespace(optimizer=SimpleNamespace(lr=rate), source=SimpleNamespace(trained=False))


@pytest.mark.parametrize(
    ("scores", "rate", "high", "low"),
    [
        (tuned(e4=0.7, e3=0.9, e2=0.8), 1e-3, "clear", "clear"),
        (tuned(e4=0.7, e3=0.9, e2=0.8), 1e-2, "fires", "clear"),
        (tuned(e4=0.7, e3=0.9, e2=0.8), 1e-4, "clear", "fires"),
        (tuned(e4=0.9, e3=0.8, e2=0.7), 1e-4, "fires", "clear"),
        (tuned(e4=0.7, e3=0.8, e2=0.9), 1e-2, "clear", "fires"),
        (tuned(e4=0.7, e3=0.9, e2=float("nan")), 1e-3, "clear", "clear"),
    ],
)
def test_learning_rate(make_data: Make, scores: Any, rate: float, high: str, low: str) -> None:
    subject = Subject(make_data(), plan=plan_at(rate), tuned=scores)
    assert rule_12_rate_too_high.check(subject).state == high
    assert rule_13_rate_too_low.check(subject).state == low


def test_divergence_and_spikes(make_data: Make, make_run: Make) -> None:
    data = make_data()
    diverged = make_run(float("nan"), status="diverged")
    assert rule_12_rate_too_high.check(Subject(data, runs=(make_run(0.9), diverged))).measured == 1
    spiky = make_run(0.9, curves=curve("accuracy", [0.9] * 3, [1.0] * 3, [1.0, 0.2, 0.7]))
    assert rule_12_rate_too_high.check(Subject(data, runs=(spiky,))).measured == pytest.approx(3.5)
    curves = tuple({"epoch": i, "train_loss": loss} for i, loss in enumerate((5e28, 2e28)))
    assert rule_12_rate_too_high.check(Subject(data, runs=(make_run(0.3, curves=curves),))).measured > 1e28
    usual = tuple({"epoch": i, "train_loss": loss} for i, loss in enumerate((40.0, 3.0)))
    assert rule_12_rate_too_high.check(Subject(data, runs=(make_run(0.3, curves=usual),))).state == "clear"
    assert rule_13_rate_too_low.check(Subject(data)).state == "cannot tell"


def test_instability(make_data: Make, make_run: Make) -> None:
    data = make_data()
    stable = Subject(data, runs=tuple(map(make_run, (0.89, 0.90, 0.92, 0.91))))
    assert rule_19_instability.check(stable).state == "clear"
    wild = Subject(data, runs=tuple(map(make_run, (0.75, 0.99, 0.80, 0.95))))
    found = rule_19_instability.check(wild)
    assert found.state == "fires"
    assert found.detail["expected"] == pytest.approx(np.sqrt(0.8725 * 0.1275 / 200))
    assert rule_19_instability.check(Subject(data, runs=(make_run(0.9),))).state == "cannot tell"


def test_instability_rarely_cries_wolf(make_data: Make, make_run: Make) -> None:
    rng, data = np.random.default_rng(0), make_data()
    fired = 0
    for _ in range(100):
        runs = tuple(make_run(float(s)) for s in rng.binomial(200, 0.9, 4) / 200)
        fired += rule_19_instability.check(Subject(data, runs=runs)).state == "fires"
    assert fired <= 4
