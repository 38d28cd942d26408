"""How far a job is, told from elsewhere: while it runs, after it was killed, whatever the clock does."""

import json
import math
import time

import numpy as np
import pytest

from burnish.cli.main import main
from burnish.ledger import Ledger
from burnish.pipeline.progress import Progress, screened_so_far
from burnish.records import Run
from burnish.studies.so_far import effects_so_far

DESIGN = [(), ("A",), ("B",), ("A", "B"), (), ("A",)]


def put(ledger, index, techniques, score, status="done"):
    scores = {"accuracy": score} if status == "done" else {}
    run = Run(
        id=f"screen-{index}", stage="screen", techniques=techniques, seed=0, split=0,
        status=status, primary="accuracy" if status == "done" else "", scores=scores,
    )  # fmt: skip
    ledger.finish_run(ledger.new_run(run.id), run)


def test_effects_so_far_are_least_squares():
    rng = np.random.default_rng(0)
    recipes = [[n for n, on in zip("ABC", rng.random(3) < 0.5, strict=True) if on] for _ in range(12)]
    scores = rng.normal(size=12)
    columns = np.column_stack([np.ones(12), *[[n in r for r in recipes] for n in "ABC"]]).astype(float)
    expected, residual, *_ = np.linalg.lstsq(columns, scores, rcond=None)
    error = np.sqrt(residual[0] / 8 * np.diag(np.linalg.inv(columns.T @ columns)))
    for row in effects_so_far(recipes, scores):
        place = 1 + "ABC".index(row.technique)
        assert row.gain == pytest.approx(expected[place])
        assert row.error == pytest.approx(error[place])
        assert row.on == sum(row.technique in r for r in recipes) == 12 - row.off


def test_errors_count_as_gains_when_they_fall():
    (row,) = effects_so_far([["A"], []], [0.2, 0.5], greater_is_better=False)
    assert row.gain == pytest.approx(0.3)
    assert row.error is None


def test_what_cannot_be_told_yet_is_not_told(tmp_path):
    assert effects_so_far([["A"], ["A"]], [0.1, 0.2]) == []
    rows = effects_so_far([["A", "B"], []], [0.1, 0.2])
    assert [(row.technique, row.gain) for row in rows] == [("A", None), ("B", None)]
    assert effects_so_far([["A"], []], [0.1, math.nan]) == []
    assert screened_so_far(Ledger(tmp_path)) == []


def test_failed_runs_of_the_screen_are_left_out(tmp_path):
    ledger = Ledger(tmp_path)
    put(ledger, 0, ("A",), 0.0, status="failed")
    for index, techniques in enumerate(DESIGN, 1):
        put(ledger, index, techniques, 0.5 + 0.1 * ("A" in techniques))
    found = {row.technique: row for row in screened_so_far(ledger)}
    assert found["A"].gain == pytest.approx(0.1)
    assert (found["A"].on, found["A"].off) == (3, 3)


def told(root, capsys):
    assert main(["status", str(root)]) == 0
    return capsys.readouterr().out


def test_status_of_a_job_that_runs_and_of_one_that_was_killed(tmp_path, capsys, monkeypatch):
    ledger, events = Ledger(tmp_path), []
    ledger.open({"seed": 0})
    with ledger.alone():
        progress = Progress(ledger, events.append)
        progress({"event": "stage", "name": "screen", "index": 7, "of": 16, "total": 12})
        for index, techniques in enumerate(DESIGN, 1):
            put(ledger, index, techniques, 0.5 + 0.1 * ("A" in techniques))
        progress.noted = -math.inf
        progress(
            {"event": "run", "stage": "screen", "done": 6, "total": 12, "seconds_left": 65, "job_seconds_left": 300}
        )
        text = told(tmp_path, capsys)
        assert "under way, by process " in text
        assert "stage 7 of 16: screen, 6/12 runs, 1:05 left, 5:00 for the runs to come at most (noted 0:0" in text
        assert "A  +0.1" in text
        assert "(3 runs with it, 3 without)" in text
        monkeypatch.setattr(time, "time", lambda: 0.0)  # the clock is set back
        assert "(noted 0:00 ago)" in told(tmp_path, capsys)
    assert events[-1]["event"] == "effects"
    assert [row.technique for row in events[-1]["rows"]] == ["A", "B"]
    text = told(tmp_path, capsys)
    assert "not done; run the same command to go on" in text
    assert "stage 7" not in text
    assert "A  +0.1" in text
    assert main(["status", str(tmp_path), "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert (state["at_work"], state["progress"]["done"]) == (None, 6)


def test_a_full_disk_does_not_stop_the_notes(tmp_path):
    (tmp_path / "ledger").write_text("a file where the ledger should be")
    events = []
    Progress(Ledger(tmp_path), events.append)({"event": "stage", "name": "pilot", "index": 1, "of": 2, "total": 4})
    assert len(events) == 1
