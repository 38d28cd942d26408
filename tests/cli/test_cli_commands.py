"""Each command calls its function of the library with what was asked, and shows what comes back."""

import csv
import inspect
import io
import json
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from burnish.cli.main import main
from burnish.errors import RequirementNotMet
from burnish.ledger import Ledger
from burnish.pipeline.commands import directory, job, look, runs, ship
from burnish.pipeline.recipe import Recipe
from burnish.records import Comparison, Cost, Estimate, Finding, Run
from burnish.studies.outcomes import outcomes

ESTIMATE = Estimate(value=0.01, low=-0.01, high=0.03, n=3, of="splits")
COMPARISON = Comparison(
    before="a", after="b", metric="accuracy", before_score=ESTIMATE, after_score=ESTIMATE, difference=ESTIMATE,
    verdict="unclear",
)  # fmt: skip


def a_run(seed, techniques=()):
    return Run(
        id=f"r{seed}", stage="train", techniques=techniques, seed=seed, split=seed, status="done",
        primary="accuracy", scores={"accuracy": 0.9 + seed / 100}, cost=Cost(parameters=1, bytes=4, train_seconds=1.5),
    )  # fmt: skip


@pytest.fixture
def library(monkeypatch):
    """Replaces a function of `burnish.pipeline.commands` by a stand-in with the same signature."""

    def replace(name, result):
        (home,) = (module for module in (directory, job, look, runs, ship) if name in module.__all__)
        stand_in = create_autospec(getattr(home, name), return_value=result)
        monkeypatch.setattr(home, name, stand_in)
        return stand_in

    return replace


def test_diagnose(library, capsys):
    finding = Finding(rule="R1", title="overfits", state="fires", measured=0.2, threshold=0.1, evidence="gap 0.2")
    find = library("diagnose", [finding])
    assert main(["diagnose", "cnn", "--data", "digits", "--quick", "--json"]) == 0
    assert find.call_args.args == (Recipe(network="cnn"),)
    assert find.call_args.kwargs["quick"] is True
    told = json.loads(capsys.readouterr().out)
    assert told["findings"][0]["evidence"] == "gap 0.2"
    assert told["counts"] == {"fires": 1, "clear": 0, "cannot tell": 0}
    assert main(["diagnose"]) == 0
    told = capsys.readouterr().out
    assert "1. R1 overfits" in told
    assert "gap 0.2" in told


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cnn"], Recipe(network="cnn", data=None)),
        (["cnn", "--data", "digits"], Recipe(network="cnn")),
        ([], Recipe()),
    ],
)
def test_inspect_needs_no_data_for_a_named_network(library, capsys, words, expected):
    class Inspection:
        def to_json(self):
            return {"parameters": 7}

        def __str__(self):
            return "7 parameters"

    look = library("inspect_network", Inspection())
    assert main(["inspect", *words]) == 0
    assert look.call_args.args == (expected,)
    assert capsys.readouterr().out == "7 parameters\n"
    assert main(["inspect", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"parameters": 7}


def test_train_prints_each_run_and_an_interval(library, capsys, tmp_path):
    train = library("train", [a_run(0), a_run(1), a_run(2)])
    assert main(["train", "cnn", "--seeds", "3", "--out", str(tmp_path), "--quiet"]) == 0
    assert train.call_args.kwargs["seeds"] == 3
    assert train.call_args.kwargs["out"] == tmp_path
    out = capsys.readouterr().out
    assert out.count("0.9") >= 3
    # mean .91, s = .01, t(.975, 2) = 4.303: .91 +- .02484
    assert "no technique: accuracy 0.91 [0.8852, 0.9348] (n=3 splits)" in out
    assert main(["train", "cnn", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["seed"] for run in told["runs"]] == [0, 1, 2]
    assert told["plans"][0]["score"]["n"] == 3


def test_compare_two_directories_or_a_technique(library, capsys):
    runs, technique = library("compare_runs", COMPARISON), library("compare_technique", COMPARISON)
    assert main(["compare", "runs/a", "runs/b"]) == 0
    assert runs.call_args.args == (Path("runs/a"), Path("runs/b"))
    assert "unclear: accuracy" in capsys.readouterr().out
    assert main(["compare", "cnn", "--with", "EMA(decay=0.99)", "--json"]) == 0
    assert technique.call_args.args == (Recipe(network="cnn", techniques=("EMA(decay=0.99)",)),)
    assert json.loads(capsys.readouterr().out)["verdict"] == "unclear"


def test_study_dry_run(library, capsys, tmp_path):
    study = library("study", {"plan": "only"})
    assert main(["study", "cnn", "--only", "Mixup,EMA", "--dry-run", "--out", str(tmp_path)]) == 0
    assert study.call_args.args[0].only == ("Mixup", "EMA")
    assert study.call_args.kwargs["dry_run"] is True
    assert study.call_args.kwargs["out"] == tmp_path
    assert capsys.readouterr().out == ""


def test_compress(library, capsys):
    step = {"step": "int8", "score": 0.9, "bytes": 100, "accepted": True, "reason": "within 0.02", "latency_ms": None}
    found = {"steps": [step], "chosen": "int8", "path": "runs/a/compressed.onnx"}
    shrink = library("compress", found | {"test": {"skipped": "the data have no test set"}})
    assert main(["compress", "runs/a", "--require", "bytes<=500", "--max-drop", "0.02", "--quiet"]) == 0
    assert shrink.call_args.args == (Path("runs/a"),)
    assert shrink.call_args.kwargs["require"] == "bytes<=500"
    assert shrink.call_args.kwargs["max_drop"] == 0.02
    out = capsys.readouterr().out
    assert "within 0.02" in out
    assert out.endswith("chosen: int8, written to runs/a/compressed.onnx\ntest: the data have no test set\n")


def test_a_missed_requirement_shows_the_frontier(library, capsys):
    step = {"step": "int8", "score": 0.9, "bytes": 100, "accepted": True, "reason": "within 0.02", "latency_ms": None}
    shrink = library("compress", {})
    shrink.side_effect = RequirementNotMet("bytes<=5 is missed by 95", result={"steps": [step]})
    assert main(["compress", "runs/a", "--require", "bytes<=5", "--quiet"]) == 3
    out, error = capsys.readouterr()
    assert "within 0.02" in out
    assert "missed by 95" in error


def test_export_names_the_file_after_the_run(library, capsys):
    written = {"path": "a.onnx", "max_abs_difference": 1e-6, "agreement": 0.995, "bytes": 1234, "opset": 20}
    latency = {"1": {"p50": {"value": 0.25}, "p99": {"value": 0.5}}}
    export = library("export", written | {"step": "pruned 25%", "latency_ms": latency})
    assert main(["export", "runs/a"]) == 0
    assert export.call_args.args == (Path("runs/a"), Path("a.onnx"))
    out = capsys.readouterr().out
    assert "1,234 bytes, opset 20, pruned 25%" in out
    assert "largest difference 1e-06, same answer for 99.50%" in out
    assert "0.25 ms at batch 1" in out
    assert main(["export", "runs/a", "there/b.onnx"]) == 0
    assert export.call_args.args == (Path("runs/a"), Path("there/b.onnx"))


def test_init_writes_once(library, capsys, tmp_path):
    library("init", "data: digits\n")
    assert main(["init", str(tmp_path)]) == 0
    assert (tmp_path / "recipe.yaml").read_text() == "data: digits\n"
    (tmp_path / "recipe.yaml").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "recipe.yaml").read_text() == "mine"
    assert main(["init", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "recipe.yaml").read_text() == "data: digits\n"


def test_init_writes_a_recipe_that_can_be_read(tmp_path):
    from burnish.cli.recipe_file import read_recipe

    assert main(["init", str(tmp_path)]) == 0
    assert Recipe.from_mapping(read_recipe(tmp_path / "recipe.yaml")) == Recipe()


def test_predict_prints_csv_json_or_writes_a_file(monkeypatch, capsys, tmp_path):
    from burnish.exporting import package

    rows = [
        {"file": "a,b.png", "row": None, "prediction": "cat", "probability": 0.9, "probabilities": {"cat": 0.9}},
        {"file": "c.png", "row": None, "prediction": "dog", "probability": 0.8, "probabilities": {"dog": 0.8}},
    ]
    predict = create_autospec(package.predict_files, return_value=rows)
    monkeypatch.setattr(package, "predict_files", predict)
    assert main(["predict", "runs/a", "a,b.png", "c.png"]) == 0
    read = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["file"], row["prediction"], row["probability"]) for row in read] == [
        ("a,b.png", "cat", "0.9"),
        ("c.png", "dog", "0.8"),
    ]
    assert main(["predict", "runs/a", "c.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"] == rows
    for name in ("p.csv", "p.json"):
        assert main(["predict", "runs/a", "c.png", "--out", str(tmp_path / name)]) == 0
    assert json.loads((tmp_path / "p.json").read_text())["predictions"] == rows
    assert (tmp_path / "p.csv").read_text().startswith("file,row,prediction,probability\n")


def test_status_of_a_run_under_way_and_done(capsys, tmp_path):
    ledger = Ledger(tmp_path)
    ledger.open({"seed": 0})
    ledger.once("pilot", lambda: {"report": {}})
    ledger.finish_run(ledger.new_run("r0"), a_run(0))
    assert main(["status", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "not done; run the same command to go on" in out
    assert "finished runs: train 1" in out
    ledger.once("verdict", lambda: {"report": {"verdict": {"case": "good", "text": "it is good"}}})
    assert main(["status", str(tmp_path), "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert state["done"] is True
    assert list(state["stages"]) == ["pilot", "verdict"]
    assert main(["status", str(tmp_path)]) == 0
    assert "verdict: it is good" in capsys.readouterr().out


def test_status_of_a_study_and_of_a_diagnosis(capsys, tmp_path):
    study, looked = Ledger(tmp_path / "study"), Ledger(tmp_path / "looked")
    study.open({"seed": 0})
    study.put_progress({"name": "analyse", "index": 10, "of": 10, "time": 0.0})
    assert main(["status", str(tmp_path / "study")]) == 0
    assert "not done" in capsys.readouterr().out
    study.once("analyse", lambda: {"report": {}})
    assert main(["status", str(tmp_path / "study")]) == 0
    assert "study: done" in capsys.readouterr().out
    study.put_progress({"name": "analyse", "index": 10, "of": 17, "time": 0.0})
    assert main(["status", str(tmp_path / "study")]) == 0
    assert "not done" in capsys.readouterr().out, "a job that was interrupted after the same stage"
    looked.open({"seed": 0, "diagnosis": "quick"})
    looked.put_stage("diagnose", {"report": {"diagnosis": []}})
    assert main(["status", str(tmp_path / "looked")]) == 0
    assert "looked: done" in capsys.readouterr().out


def test_status_and_report_of_no_run_directory(capsys, tmp_path):
    assert main(["status", str(tmp_path)]) == 2
    assert main(["report", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("is it a run directory of Burnish?") == 2
    assert list(tmp_path.iterdir()) == []


def test_techniques_as_table_as_json_and_one(capsys):
    assert main(["techniques", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {"name", "class", "source"} <= set(entries[0])
    assert main(["techniques"]) == 0
    out = capsys.readouterr().out
    assert all(entry["name"] in out for entry in entries)
    assert main(["techniques", "Mixup"]) == 0
    card = capsys.readouterr().out
    assert card.startswith("Mixup(alpha=0.2): Blends of two examples")
    assert all(word in card for word in ("arXiv:1710.09412", "Strength: near 0", "burnish.techniques.mixup.mixup("))
    assert main(["techniques", "Mixupp"]) == 2
    assert "Did you mean Mixup?" in capsys.readouterr().err


def test_the_main_job_takes_what_run_gives():
    from burnish.pipeline.main_job import run

    bound = inspect.signature(run).bind(Recipe(), out=Path("x"), observer=print)
    assert set(bound.arguments) == {"recipe", "out", "observer"}


def test_what_finished_jobs_teach_is_pooled(tmp_path, capsys):
    effect = {"technique": "Mixup(alpha=0.2)", "at_baseline": {"value": 0.02, "low": 0.01, "high": 0.03, "n": 16}}
    found = outcomes(
        [{"rule": "R6", "state": "fires", "remedies": ["Mixup"]}],
        [{**effect, "at_recipe": None, "p_helps": 0.99, "word": "helps"}],
        not_tried=[],
        ships=[],
        job={"fingerprint": "a"},
    )
    place = tmp_path / "run" / "ledger"
    place.mkdir(parents=True)
    (place / "outcomes.json").write_text(json.dumps(found))
    assert main(["techniques", "--learned", str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["jobs"] == 1
    assert {(row["finding"], row["technique"], row["helped"]) for row in said["rows"]} >= {("R6", "Mixup", 1)}
    assert main(["techniques", "--learned", str(tmp_path)]) == 0
    assert "Mixup" in capsys.readouterr().out
    assert main(["techniques", "--learned", str(tmp_path / "none")]) == 2
    assert "no finished job lies below" in capsys.readouterr().err
