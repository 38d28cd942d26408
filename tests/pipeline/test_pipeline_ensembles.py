"""Ensembles of finished runs: who may be a member, the veto, and the directory that is left."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import burnish as bu
from burnish.data import load
from burnish.errors import LedgerError, UsageError
from burnish.exporting.package import predict_files, predictions
from burnish.ledger import Ledger
from burnish.pipeline.ensembles import combined
from burnish.pipeline.members import fitting, gathered
from burnish.plan import Optimizer, Plan
from burnish.techniques import Ensemble


class Wide(nn.Module):
    """Unlike the zoo's networks."""

    def __init__(self, inputs=(1, 8, 8), outputs=10):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.Tanh(), nn.Linear(24, outputs))

    def forward(self, x):
        return self.layers(x)


def small_plan(model, epochs=2):
    data = load("digits")
    rows = replace(data, train_rows=data.train_rows[:160], validation_rows=data.validation_rows[:150])
    return Plan(model=model, data=rows, epochs=epochs, batch_size=16, optimizer=Optimizer(lr=5e-3))


@pytest.fixture(scope="module")
def like(tmp_path_factory):
    return bu.train(small_plan(Wide), seeds=range(3), split=0, out=tmp_path_factory.mktemp("like"), device="cpu")


@pytest.fixture(scope="module")
def unlike(tmp_path_factory):
    plan = small_plan("mlp", epochs=1)
    return bu.train(plan, seeds=range(2), out=tmp_path_factory.mktemp("unlike"), device="cpu")


def test_members_of_another_split_are_left_out_and_named(like, unlike):
    members, refused = fitting(gathered([like, unlike]))
    assert [m.name for m in members] == ["Wide seed 0", "Wide seed 1", "Wide seed 2", "mlp seed 0"]
    assert len(refused) == 1
    assert "mlp seed 1 is left out: it was trained on" in refused[0]
    assert "(split 1, not 0)" in refused[0]


def test_one_member_and_other_data_are_refused(like, unlike):
    with pytest.raises(UsageError, match=r"at least two networks that share a split, got 1.*--same-split"):
        fitting(gathered([unlike]))
    members = gathered([like])
    other = replace(members[1], data=replace(members[1].data, fingerprint="other"))
    with pytest.raises(UsageError, match="fingerprints"):
        fitting([members[0], other])


def test_an_ensemble_is_judged_written_and_served(like, unlike, tmp_path):
    found = bu.ensemble([like, unlike], method="average", out=tmp_path / "both", device="cpu")
    root, data = tmp_path / "both", like.plan.data
    report = json.loads((root / "report.json").read_text())
    section = report["ensemble"]
    assert [m["name"] for m in section["members"]] == ["Wide seed 0", "Wide seed 1", "Wide seed 2", "mlp seed 0"]
    assert section["n"] == 150
    assert section["ships"] == found.judgement.accepted
    assert 0 < section["diversity"]["disagreement"] < 1
    assert report["test"]["openings"] == 1
    assert "mlp seed 1 is left out" in section["left_out"][0]
    for name in ("model.onnx", "model.json", "baseline.onnx", "predictions.parquet", "report.html", "report.md"):
        assert (root / name).exists(), name
    stored = data.validation.inputs
    with torch.inference_mode():
        x = torch.from_numpy(data.preparation.network_input(stored))
        ours = found.model(x).softmax(1).numpy()
    np.testing.assert_allclose(predictions(root, stored), ours, atol=1e-4)
    np.savez(tmp_path / "rows.npz", inputs=stored[:5])
    assert len(predict_files(root, [tmp_path / "rows.npz"])) == 5
    told = (root / "report.md").read_text()
    word = "The ensemble ships" if section["ships"] else "The best member ships"
    assert f"**{word}.**" in told
    assert "No verdict yet" not in told
    state = json.loads(printed_by("status", str(root), "--json"))
    assert state["done"]
    assert section["reason"] in state["verdict"]["headline"]


def printed_by(*words: str) -> str:
    from typer.testing import CliRunner

    from burnish.cli.main import app

    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_what_is_no_better_than_its_best_member_does_not_ship(like):
    """A member and its twin: their mean is the member."""
    members = gathered([like])
    twins = combined([members[0], replace(members[0], name="twin")], method="average", device="cpu")
    assert not twins.judgement.accepted
    assert twins.judgement.gain.value == 0


@pytest.mark.slow
def test_a_vetoed_ensemble_leaves_the_best_member_and_opens_the_test_set_once(like, tmp_path):
    root, twins = tmp_path / "twins", replace(like, runs=(like.runs[0], like.runs[0]))
    found = bu.ensemble(twins, method="average", out=root, device="cpu")
    assert not found.report["ensemble"]["ships"]
    assert (root / "model.onnx").read_bytes() == (root / "baseline.onnx").read_bytes()
    again = bu.ensemble(twins, method="average", out=root, device="cpu")
    assert again.judgement == found.judgement
    assert len(Ledger(root).openings()) == 1
    with pytest.raises(LedgerError, match="method"):
        bu.ensemble(twins, method="weights", out=root, device="cpu")


@pytest.mark.slow
def test_an_ensemble_is_distilled_into_one_network(like, tmp_path):
    found = bu.ensemble(like, method="average", distill=True, out=tmp_path / "taught", device="cpu")
    assert (tmp_path / "taught" / "student.onnx").exists()
    assert found.distilled["parameters"]["student"] < found.distilled["parameters"]["teacher"]
    assert set(found.distilled["fidelity"]) == {"with", "without"}


def test_weights_soups_and_wrong_words(like, unlike):
    members, _ = fitting(gathered([like]))
    found = combined(members, method="average", weights=(2, 1, 1), device="cpu")
    assert found.combination.weights == (0.5, 0.25, 0.25)
    soup = combined(members, method="soup", device="cpu")
    assert type(soup.network) is Wide
    assert soup.judgement.method == "soup"
    assert sum(m["share"] for m in soup.judgement.members) == pytest.approx(1)
    with pytest.raises(UsageError, match="weights are for"):
        combined(members, method="greedy", weights=(1, 1, 1))
    with pytest.raises(UsageError, match="unknown method 'blend'"):
        combined(members, method="blend")


def test_the_technique_names_how_many_and_how(tmp_path):
    plan = small_plan(Wide, epochs=1).then(Ensemble(members=2, method="vote"))
    found = bu.ensemble(plan, out=tmp_path / "voted", device="cpu")
    assert len(found.judgement.members) == 2
    assert found.judgement.method == "vote"
    with pytest.raises(ValueError, match="members"):
        Ensemble(members=1)


@pytest.mark.slow
def test_the_job_ships_an_ensemble_where_it_was_asked_for_and_is_better(tmp_path):
    from burnish.pipeline.recipe import Recipe

    recipe = Recipe(network="mlp", budget="quick", epochs=1, lr=1e-3, only=("LabelSmoothing",), ensemble=3)
    report = bu.run(recipe, out=tmp_path / "run")
    section, exported = report["ensemble"], report["export"]
    assert len(section["members"]) == 3
    assert section["ships"] == (exported["step"] == f"ensemble of {len(section['members'])}")
    package = json.loads((tmp_path / "run" / "model.json").read_text())
    assert (package["source"]["kind"] == "ensemble") == section["ships"]
    assert report["test"]["openings"] == 1
    assert exported["agreement"] > 0.99
    members, _ = fitting(gathered([tmp_path / "run"]))
    assert len(members) >= 3
    with pytest.raises(UsageError, match="--ensemble must be"):
        Recipe(ensemble=1)
