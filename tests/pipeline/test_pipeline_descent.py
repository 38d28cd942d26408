"""What the search for the deepest cut trains, apart from any network."""

from types import SimpleNamespace
from typing import Any

import pytest

from burnish.compression.search import DEPTHS, Trial
from burnish.metrics import METRICS
from burnish.pipeline import descent
from burnish.pipeline.descent import Descent
from burnish.pipeline.trials import price
from burnish.records import Cost, Run

EPOCHS = 6


class Bench:
    """Stands for a finished job: `bears` says which trials cost little."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bears: Any) -> None:
        self.trained: list[Trial] = []
        self.base, self.workers, self.runner = {"epochs": EPOCHS}, 1, self
        self.data = SimpleNamespace(task=SimpleNamespace(primary=METRICS["accuracy"]))
        monkeypatch.setattr(descent, "distinct_depths", lambda work, depths, ways: list(depths))
        monkeypatch.setattr(descent, "trial_spec", lambda work, trial, stage: trial)
        monkeypatch.setattr(descent, "price", lambda work, planned, paces: float(len(planned)))
        monkeypatch.setattr(Descent, "_costs_little", lambda self, run: bears(run.detail["trial"]))

    def searched(self, seconds: float | None = None) -> Descent:
        found = Descent(self, 0.01, stage="search", seconds=seconds)  # type: ignore[arg-type]
        found.go()
        return found

    def run(self, trials: list[Trial], *, may_fail: bool) -> list[Run]:
        self.trained += trials
        return [
            Run(
                id=trial.name,
                stage="search",
                techniques=(),
                seed=0,
                split=0,
                status="done",
                primary="accuracy",
                scores={"accuracy": (0.9 if trial.teacher else 0.95) + 0.01 * (trial.scope == "global")},
                epochs=EPOCHS * trial.times,
                cost=Cost(parameters=1, bytes=4, train_seconds=1.0),
                detail={"trial": trial},
            )
            for trial in trials
        ]


def test_what_is_refused_gets_twice_the_epochs_and_what_recovers_goes_deeper(monkeypatch) -> None:
    """The usual channels bear 60 % when trained long, those chosen over the whole network 70 %."""

    def bears(trial: Trial) -> bool:
        long = {"uniform": 0.6, "global": 0.7}[trial.scope] if trial.criterion == "l2" else 0.0
        return trial.ratio <= (long if trial.times > 1 else 0.4)

    found = Bench(monkeypatch, bears).searched()
    assert [row["name"] for row in found.tried if "long" in row["name"]] == [
        "pruned 50% by labels long",
        "pruned 50% global by labels long",
        "pruned 50% taylor by labels long",
        "pruned 60% by labels long",
        "pruned 60% global by labels long",
        "pruned 70% by labels long",
        "pruned 70% global by labels long",
        "pruned 80% global by labels long",
        "pruned 80% global by labels longest",
    ]
    then = {row["name"]: row["then"] for row in found.tried}
    assert then["pruned 70% global by labels long"] == "costs little enough"
    assert then["pruned 80% global by labels longest"] == "costs too much"
    assert {row["epochs"] for row in found.tried if row["name"].endswith("long")} == {2 * EPOCHS}
    assert {row["epochs"] for row in found.tried if row["name"].endswith("longest")} == {4 * EPOCHS}
    assert not found.cut_short


def test_the_best_of_what_is_refused_again_is_trained_longest_and_goes_on_so(monkeypatch) -> None:
    """Nothing recovers in twice the epochs, but 70 % do in four times."""
    found = Bench(monkeypatch, lambda trial: trial.ratio <= {1: 0.5, 2: 0.5, 4: 0.7}[trial.times]).searched()
    assert [row["name"] for row in found.tried if "long" in row["name"]] == [
        "pruned 60% by labels long",
        "pruned 60% global by labels long",
        "pruned 60% taylor by labels long",
        "pruned 60% global by labels longest",
        "pruned 70% global by labels longest",
        "pruned 80% global by labels longest",
    ]


def test_time_that_is_spent_ends_the_search(monkeypatch) -> None:
    found = Bench(monkeypatch, lambda trial: True).searched(3.0)
    assert len(found.tried) == 2
    assert "left out to keep the time" in found.cut_short


def test_nothing_is_left_to_deepen_when_the_last_depth_is_borne(monkeypatch) -> None:
    found = Bench(monkeypatch, lambda trial: True).searched()
    assert f"from scratch {DEPTHS[-1]:.0%}" in {row["name"] for row in found.tried}
    assert not any("long" in row["name"] for row in found.tried)


def test_a_price_is_that_of_the_slowest_it_can_be() -> None:
    """The winner takes 2 seconds an epoch; a cut of 50 % took 1."""
    ran = SimpleNamespace(cost=Cost(parameters=1, bytes=4, train_seconds=2.0 * EPOCHS), epochs=EPOCHS)
    work: Any = SimpleNamespace(
        base={"epochs": EPOCHS},
        workers=1,
        stage=lambda name: {"winner": "finish-00"},
        ledger=SimpleNamespace(run=lambda run_id: ran),
    )
    shallow, deep = (price(work, [Trial(ratio=ratio)], {0.5: 1.0}) for ratio in (0.4, 0.7))
    unknown = price(work, [Trial(ratio=0.7)])
    assert unknown == shallow == pytest.approx(2 * deep)
    assert price(work, [Trial(ratio=0.7, times=4)], {0.5: 1.0}) == pytest.approx(4 * deep)
