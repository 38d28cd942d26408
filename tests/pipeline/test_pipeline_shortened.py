"""A study with a time limit and techniques of several levels, from end to end: only its screen is shortened."""

import json
import math

import numpy as np
import pytest
from torch import nn

import burnish as bu
from burnish.ledger import Ledger

TRIED = ("BatchNorm", "GroupNorm", "Dropout", "LabelSmoothing")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The ledger and the report of a study that has a second, which is far too little."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    data = bu.load((x, (x[:, 0] * x[:, 1] > 0).astype(int)), task="classification", validation=100, test=100)

    def net(inputs, outputs):
        return nn.Sequential(nn.Linear(inputs[0], 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, outputs))

    root = tmp_path_factory.mktemp("short") / "study"
    bu.study(bu.Plan(model=net, data=data, epochs=4), budget="0.2s", levels="mixed", only=TRIED, out=root)
    return Ledger(root), json.loads((root / "report.json").read_text(encoding="utf-8"))


def test_what_is_believed_was_trained_at_full_length(job) -> None:
    ledger, report = job
    base, shorter = (ledger.stage("tune")[name] for name in ("base", "screening"))
    assert (base["rows"], base["epochs"], shorter["rows"], shorter["epochs"]) == (1.0, 4, 0.25, 2)
    epochs = {stage: {run.epochs for run in ledger.runs(stage)} for stage in ("pilot", "screen", "candidates")}
    assert epochs == {"pilot": {4}, "screen": {2}, "candidates": {4}}
    assert {run.epochs for run in ledger.runs("confirm")} <= {4}
    assert report["screening"]["shortened"] == {"rows": 0.25, "epochs": 2}
    assert report["screening"]["pilot"] == 0, "the pilot's longer runs are no runs of the screen's baseline"
    assert any("in the screen" in cut for cut in report["screening"]["cuts"])


def test_levels_of_one_factor_exclude_one_another(job) -> None:
    _, report = job
    screening = report["screening"]
    assert screening["design"].startswith("Bayesian D-optimal")
    norms = [sum("Norm" in text for text in row["techniques"]) for row in screening["rows"]]
    assert max(norms) == 1
    assert {row["technique"] for row in screening["effects"]} >= {"BatchNorm()", "GroupNorm(groups=16)"}


def test_robustness_is_analysed_from_the_same_runs(job) -> None:
    _, report = job
    part = report["screening"]["metrics"]["accuracy_perturbed"]
    assert part["n"] == len([row for row in report["screening"]["rows"] if row["status"] == "done"])
    assert all(math.isfinite(row["at_baseline"]["value"]) for row in part["effects"])
