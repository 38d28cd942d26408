"""`burnish diagnose` as a user meets it: quick with a report, on damaged files, on a bug, and within a budget."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import burnish as bu
from burnish.diagnosis.catalogue import QUICK, RULES
from burnish.errors import UsageError
from burnish.pipeline.commands import look
from burnish.pipeline.recipe import Recipe


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng, folder = np.random.default_rng(0), tmp_path / "photos"
    for light, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for i in range(40):
            picture = rng.integers(0, 100, (16, 16, 3)) + 100 * light
            Image.fromarray(picture.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


def test_quick_asks_every_rule_that_trains_nothing_and_writes_a_report(photos: Path, tmp_path: Path) -> None:
    (photos / "dog" / "broken.png").write_bytes(b"no image")
    out = tmp_path / "out"
    found = look.diagnose(Recipe(data=str(photos), network="cnn"), quick=True, out=out)
    by_rule = {finding.rule: finding for finding in found}
    assert set(QUICK) <= set(by_rule)
    assert by_rule["D5"].state == "fires"
    assert by_rule["D5"].detail["unreadable"] == ["dog/broken.png"]
    told = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [f["rule"] for f in told["diagnosis"]] == [f.rule for f in found]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "dog/broken.png" in page
    assert len(page) < 400_000
    again = look.diagnose(Recipe(data=str(photos), network="cnn"), quick=True, out=out)
    assert [f.rule for f in again] == [f.rule for f in found]


def test_a_threshold_of_the_recipe_arrives() -> None:
    recipe = Recipe(threshold=("start_loss_off=0.000001",))
    fires = {f.rule for f in look.diagnose(recipe, quick=True) if f.state == "fires"}
    assert "R1" in fires
    with pytest.raises(UsageError, match="did you mean 'start_loss_off'"):
        Recipe(threshold=("start_los_off=1",))


class InTraining(nn.Sequential):
    """Batch normalization that evaluation does not switch."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))

    def train(self, mode: bool = True) -> "InTraining":
        return super().train(True)


def test_a_bug_is_the_first_finding_and_the_data_are_still_looked_at() -> None:
    found = bu.diagnose(bu.Plan(model=InTraining, data=bu.load("digits")))
    assert (found[0].rule, found[0].state, found[0].detail) == ("P6", "fires", {"stops": True})
    states = {finding.rule: finding.state for finding in found}
    assert states["D1"] == states["R3"] == states["P10"] == "clear"
    assert "R8" not in states  # nothing was trained


def test_a_trained_module_is_looked_at_as_it_is() -> None:
    data = bu.load("digits")
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    with torch.no_grad():
        module[1].bias[:20] = -100.0
    found = {f.rule: f for f in bu.diagnose(bu.Plan(model=module, data=data), quick=True)}
    assert found["R15"].state == "fires"
    assert found["R1"].state == "cannot tell"  # the loss at the start says nothing of a trained network


@pytest.mark.slow
def test_in_full_every_rule_is_asked(tmp_path: Path) -> None:
    data = bu.load("digits")
    plan = bu.Plan(model="cnn", data=data, epochs=8)
    runs = bu.train(plan, seeds=range(3), out=tmp_path)
    found = {f.rule: f for f in bu.diagnose(plan, runs=runs, budget="thorough")}
    assert set(RULES) <= set(found)
    unknown = {rule for rule, finding in found.items() if finding.state == "cannot tell"}
    assert unknown <= {"R24"}
    assert not [f for f in found.values() if "check failed" in f.title]
    short = {f.rule: f for f in bu.diagnose(plan, runs=runs, budget="1s")}
    assert short["R8"].detail["skipped"]
    assert replace(short["R9"], cost_seconds=0) == replace(found["R9"], cost_seconds=0)
