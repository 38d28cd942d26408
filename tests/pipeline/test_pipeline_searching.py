"""What the search for the deepest cut trains, apart from any network."""

from types import SimpleNamespace
from typing import Any

import pytest

from burnish.compression.search import DEPTHS, Ways
from burnish.metrics import METRICS
from burnish.pipeline import searching
from burnish.records import Run

EPOCHS = 6


class Bench:
    """Stands for a finished job: `bears` says which trials cost little."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bears: Any) -> None:
        self.trained: list[dict[str, Any]] = []
        self.base, self.workers, self.runner = {"epochs": EPOCHS}, 1, self
        self.data = SimpleNamespace(task=SimpleNamespace(primary=METRICS["accuracy"]))
        monkeypatch.setattr(searching, "_spec_of", lambda work, stage, index, **more: more)
        monkeypatch.setattr(searching, "_costs_little", lambda work, run, drop: bears(run.detail))
        monkeypatch.setattr(searching, "_price", lambda work, planned: float(len(planned)))

    def stage(self, name: str) -> dict[str, str]:
        return {"winner": "finish-00"}

    def run(self, specs: list[dict[str, Any]], *, may_fail: bool) -> list[Run]:
        self.trained += specs
        score = {"score": {"accuracy": 0.9}, "by labels": {"accuracy": 0.95}}
        return [
            Run(
                id=spec["name"],
                stage="search",
                techniques=(),
                seed=0,
                split=0,
                status="done",
                primary="accuracy",
                scores=score["score" if spec["teacher"] else "by labels"],
                epochs=spec["epochs"],
                detail=spec,
            )
            for spec in specs
        ]


def test_what_is_refused_gets_twice_the_epochs_and_what_recovers_goes_deeper(monkeypatch) -> None:
    """The usual channels bear 60 % when trained long, those chosen over the whole network 70 %."""

    def bears(detail: dict[str, Any]) -> bool:
        long = {"uniform": 0.6, "global": 0.7}[detail["scope"]] if detail["criterion"] == "l2" else 0.0
        return detail["ratio"] <= (long if detail["epochs"] > EPOCHS else 0.4)

    bench = Bench(monkeypatch, bears)
    _, tried, cut_short = searching._deepest(bench, 0.01, "search", Ways(), None)  # type: ignore[arg-type]
    assert [row["name"] for row in tried if row["name"].endswith("long")] == [
        "pruned 50% by labels long",
        "pruned 50% global by labels long",
        "pruned 50% taylor by labels long",
        "pruned 60% by labels long",
        "pruned 60% global by labels long",
        "pruned 70% by labels long",
        "pruned 70% global by labels long",
        "pruned 80% global by labels long",
    ]
    then = {row["name"]: row["then"] for row in tried}
    assert then["pruned 70% global by labels long"] == "costs little enough"
    assert then["pruned 80% global by labels long"] == "costs too much"
    assert {spec["epochs"] for spec in bench.trained if spec["name"].endswith("long")} == {2 * EPOCHS}
    assert not cut_short


def test_time_that_is_spent_ends_the_search(monkeypatch) -> None:
    bench = Bench(monkeypatch, lambda detail: True)
    _, tried, cut_short = searching._deepest(bench, 0.01, "search", Ways(), 3.0)  # type: ignore[arg-type]
    assert len(tried) == 2
    assert "left out to keep the time" in cut_short


def test_nothing_is_left_to_deepen_when_the_last_depth_is_borne(monkeypatch) -> None:
    bench = Bench(monkeypatch, lambda detail: True)
    _, tried, _ = searching._deepest(bench, 0.01, "search", Ways(), None)  # type: ignore[arg-type]
    assert f"from scratch {DEPTHS[-1]:.0%}" in {row["name"] for row in tried}
    assert not any(row["name"].endswith("long") for row in tried)
