"""Networks changed as a whole inside a study: in pairs with the pilot, then the start of all that follows."""

import io

import numpy as np
import pytest
from torch import nn

import burnish as bu
from burnish.ledger import Ledger
from burnish.plan import Optimizer
from burnish.reporting.markdown import render_markdown
from burnish.reporting.terminal import terminal_summary

WIDER = "Widen(factor=8.0, noise=0.1)"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory):
    def narrow(inputs, outputs):
        """One hidden unit cannot tell the four corners of a square apart; eight can. Built in this process only."""
        return nn.Sequential(nn.Linear(inputs[0], 1), nn.Tanh(), nn.Linear(1, outputs))

    x = np.random.default_rng(0).normal(size=(700, 2)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    data = bu.load((x, y), task="classification", validation=200, test=100)
    plan = bu.Plan(model=narrow, data=data, epochs=8, optimizer=Optimizer(lr=0.05))
    out = tmp_path_factory.mktemp("study")
    report = bu.study(plan, out=out, budget="quick", only=("Widen(factor=8)", "DenseTopology", "WeightDecay"))
    return report, Ledger(out)


def test_each_is_trained_on_splits_and_seeds_of_the_pilot(study) -> None:
    _, ledger = study
    pilot = [ledger.run(name) for name in ledger.stage("pilot")["runs"]]
    wider = [run for run in map(ledger.run, ledger.stage("gate")["runs"]) if list(run.techniques) == [WIDER]]
    assert [(run.split, run.seed) for run in wider] == [(run.split, run.seed) for run in pilot]


def test_the_gain_is_that_of_the_pairs(study) -> None:
    report, ledger = study
    pilot = [ledger.run(name).score for name in ledger.stage("pilot")["runs"]]
    wider = [run.score for run in map(ledger.run, ledger.stage("gate")["runs"]) if list(run.techniques) == [WIDER]]
    row = next(row for row in report["gate"]["rebuilt"] if row["technique"] == WIDER)
    assert row["gain"]["value"] == pytest.approx(np.mean(wider) - np.mean(pilot))
    assert row["gain"]["low"] > 0
    assert row["size_ratio"] > 3


def test_what_follows_starts_from_the_one_that_pays(study) -> None:
    report, ledger = study
    assert ledger.stage("gate")["start"] == [WIDER]
    assert all(ledger.run(name).techniques[0] == WIDER for name in ledger.stage("screen")["runs"])
    assert report["confirmation"]["arms"][1]["plan"][0] == WIDER
    assert report["confirmation"]["verdict"] == "CONFIRMED"
    assert ledger.stage("confirm")["ships"][0] == WIDER
    assert any(row["technique"].startswith("DenseTopology") for row in report["gate"]["not_applicable"])


def test_report_and_terminal_show_it(study) -> None:
    from rich.console import Console

    report, _ = study
    console = Console(width=150, file=io.StringIO())
    console.print(terminal_summary(report))
    shown = console.file.getvalue()
    assert "the screen starts from it" in shown
    assert "at the start" in shown
    assert "start of the screen" in render_markdown(report)
