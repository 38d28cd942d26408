"""Recipes, stages, runs and openings: what is put in comes back, and other jobs are refused."""

import json
import math
import os
import time

import pytest

from burnish.errors import LedgerError
from burnish.ledger import Ledger, lock
from burnish.records import Cost, Run


def a_run(run_id="s-00", **changes):
    values = {
        "id": run_id,
        "stage": "screen",
        "techniques": ("Dropout(rate=0.2)",),
        "seed": 3,
        "split": 1,
        "status": "done",
        "primary": "accuracy",
        "scores": {"accuracy": 0.9123456789012345},
        "cost": Cost(parameters=10, bytes=40),
        "curves": ({"epoch": 1, "loss": 0.5},),
    }
    return Run(**{**values, **changes})


def finish(ledger, run, files=()):
    directory = ledger.new_run(run.id)
    for name in files:
        (directory / name).write_text(run.id)
    ledger.finish_run(directory, run)


def test_opening_twice_resumes_and_another_recipe_is_refused_by_name(tmp_path):
    assert Ledger(tmp_path).open({"seed": 1, "epochs": None}) is False
    assert Ledger(tmp_path).open({"seed": 1, "epochs": None}) is True
    with pytest.raises(LedgerError, match=r"epochs: was None, now 4; seed: was 1, now 2"):
        Ledger(tmp_path).open({"seed": 2, "epochs": 4})
    assert Ledger(tmp_path).recipe() == {"seed": 1, "epochs": None}


def test_tuples_and_lists_are_the_same_recipe(tmp_path):
    Ledger(tmp_path).open({"techniques": ("A()", "B()")})
    assert Ledger(tmp_path).open({"techniques": ["A()", "B()"]}) is True


def test_a_directory_that_is_no_run_says_so(tmp_path):
    with pytest.raises(LedgerError, match="is it a run directory"):
        Ledger(tmp_path).recipe()
    with pytest.raises(LedgerError, match="has no result of run nothing"):
        Ledger(tmp_path).run("nothing")
    assert list(Ledger(tmp_path).runs()) == []
    assert Ledger(tmp_path).stage("pilot") is None
    assert Ledger(tmp_path).openings() == []
    assert Ledger(tmp_path).seconds() == {}


def test_a_stage_is_computed_once_and_comes_back_as_it_will_be_read(tmp_path):
    ledger, calls = Ledger(tmp_path), []

    def compute():
        calls.append(1)
        return {"pair": (1, 2), "bad": math.nan, "text": "ü"}

    first = ledger.once("pilot", compute)
    assert first == ledger.once("pilot", compute) == {"pair": [1, 2], "bad": None, "text": "ü"}
    assert len(calls) == 1
    assert set(ledger.seconds()) == {"pilot"}


def test_time_is_counted_once_where_stages_are_nested(tmp_path, monkeypatch):
    ledger, clock = Ledger(tmp_path), iter([0.0, 2.0, 5.0, 10.0])
    monkeypatch.setattr("burnish.ledger.ledger.time.monotonic", lambda: next(clock))
    with ledger.timed("search"):
        ledger.once("latency", dict)
    assert ledger.seconds() == {"latency": 3.0, "search": 7.0}


def test_a_stage_that_raises_leaves_nothing(tmp_path):
    ledger = Ledger(tmp_path)
    with pytest.raises(ZeroDivisionError):
        ledger.once("pilot", lambda: {"x": 1 / 0})
    assert ledger.stage("pilot") is None


def test_a_run_comes_back_equal_with_its_files(tmp_path):
    ledger, run = Ledger(tmp_path), a_run()
    assert not ledger.has_run(run.id)
    finish(ledger, run, ["weights.bin"])
    assert ledger.run(run.id) == run
    assert ledger.has_run(run.id)
    assert (ledger.run_directory(run.id) / "weights.bin").read_text() == run.id


def test_runs_are_in_order_of_names_by_stage_and_without_unfinished_ones(tmp_path):
    ledger = Ledger(tmp_path)
    for name, stage in [("b", "screen"), ("a", "pilot"), ("c", "screen")]:
        finish(ledger, a_run(name, stage=stage))
    ledger.new_run("d")
    (ledger.run_directory("e")).mkdir()
    assert [run.id for run in ledger.runs()] == ["a", "b", "c"]
    assert [run.id for run in ledger.runs("screen")] == ["b", "c"]


def test_the_first_of_two_results_of_one_run_wins(tmp_path):
    ledger = Ledger(tmp_path)
    one, two = ledger.new_run("x"), ledger.new_run("x")
    ledger.finish_run(one, a_run("x", seed=1))
    ledger.finish_run(two, a_run("x", seed=2))
    assert ledger.run("x").seed == 1
    assert [p.name for p in (ledger.path / "runs").iterdir()] == ["x"]


def test_an_opening_is_counted_once_per_reason_and_data(tmp_path):
    ledger = Ledger(tmp_path)
    assert ledger.record_opening("final numbers", "aaa") == 1
    assert ledger.record_opening("final numbers", "aaa") == 1
    assert ledger.record_opening("a second look", "aaa") == 2
    assert ledger.record_opening("final numbers", "bbb") == 1
    assert [(o["reason"], o["data"]) for o in Ledger(tmp_path).openings()] == [
        ("final numbers", "aaa"),
        ("a second look", "aaa"),
        ("final numbers", "bbb"),
    ]


@pytest.mark.parametrize("content", ["", "{", '{"id": "x"}', "[1]", '{"id": "x", "cost": 3}', "\xff"])
def test_a_damaged_run_is_named_with_what_to_do(tmp_path, content):
    ledger = Ledger(tmp_path)
    finish(ledger, a_run("x"))
    file = ledger.run_directory("x") / "result.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(LedgerError, match=r"result\.json.*delete it and run the command again"):
        ledger.run("x")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("stages/pilot.json", lambda ledger: ledger.stage("pilot")),
        ("seconds.json", lambda ledger: ledger.seconds()),
        ("openings.jsonl", lambda ledger: ledger.openings()),
        ("recipe.json", lambda ledger: ledger.open({"seed": 1})),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, read):
    file = tmp_path / "ledger" / name
    file.parent.mkdir(parents=True)
    file.write_text('{"half": ')
    with pytest.raises(LedgerError, match=file.name):
        read(Ledger(tmp_path))


def test_without_locks_only_old_leftovers_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    ledger = Ledger(tmp_path)
    ledger.open({"seed": 1})
    old, young = ledger.new_run("old"), ledger.new_run("young")
    (old / "weights.bin").write_text("half")
    old_file = ledger.path / ".tmp-seconds.json-1-0123abcd"
    old_file.write_text("half")
    for path in (old, old_file):
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    finish(ledger, a_run("done"))
    with ledger.alone():
        assert not old.exists()
        assert not old_file.exists()
        assert young.exists()
    assert ledger.has_run("done")


def test_files_are_strict_json(tmp_path):
    ledger = Ledger(tmp_path)
    finish(ledger, a_run(scores={"accuracy": math.inf}))

    def refuse(text):
        raise AssertionError(text)

    content = json.loads((ledger.run_directory("s-00") / "result.json").read_text(), parse_constant=refuse)
    assert content["scores"] == {"accuracy": None}
    assert math.isnan(ledger.run("s-00").score)
