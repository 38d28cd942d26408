"""Killed writers and two writers at once: every file is whole, every finished run complete."""

import json
import subprocess
import sys
import time
from pathlib import Path

import ledger_writer
import pytest

from burnish.ledger import Ledger

HERE = Path(__file__).parent


def start(root, what):
    process = subprocess.Popen([sys.executable, str(HERE / "ledger_writer.py"), str(root), what])
    end = time.monotonic() + 30
    while not (root / f"started-{what}").exists():
        assert process.poll() is None
        assert time.monotonic() < end, "the writer did not start"
        time.sleep(0.005)
    return process


def check_runs(ledger):
    runs = list(ledger.runs())
    for run in runs:
        weights = (ledger.run_directory(run.id) / "weights.bin").read_bytes()
        assert weights == bytes([run.seed % 256]) * 50_000
    return len(runs)


@pytest.mark.parametrize("delay", [0.03, 0.08, 0.15, 0.22])
def test_kill_while_a_stage_is_replaced(tmp_path, delay):
    writer = start(tmp_path, "stages")
    time.sleep(delay)
    writer.kill()
    writer.wait()
    found = Ledger(tmp_path).stage("screen")
    assert found is None or found == ledger_writer.stage_content(found["number"])
    assert Ledger(tmp_path).open({"seed": 1}) is True


@pytest.mark.parametrize("delay", [0.03, 0.09, 0.17, 0.25])
def test_kill_while_runs_are_finished(tmp_path, delay):
    writer = start(tmp_path, "runs")
    time.sleep(delay)
    writer.kill()
    writer.wait()
    ledger = Ledger(tmp_path)
    done = check_runs(ledger)
    ledger_writer.write_run(ledger, done)  # resuming: the one that has no result
    assert check_runs(ledger) == done + 1


def test_a_reader_never_sees_half_a_stage(tmp_path):
    writer = start(tmp_path, "stages")
    ledger, seen = Ledger(tmp_path), set()
    try:
        while len(seen) < 20:
            found = ledger.stage("screen")
            if found:
                assert found == ledger_writer.stage_content(found["number"])
                seen.add(found["number"])
    finally:
        writer.kill()
        writer.wait()
    assert len(seen) == 20


def test_two_writers_of_the_same_job_agree(tmp_path):
    first, second = start(tmp_path, "runs"), start(tmp_path, "runs")
    ledger = Ledger(tmp_path)
    end = time.monotonic() + 30
    while not ledger.has_run("r0030"):
        assert time.monotonic() < end, "waited in vain"
        assert ledger.open({"seed": 1}) is True  # sweeping beside two writers does no harm
        time.sleep(0.01)
    for writer in (first, second):
        assert writer.poll() is None, "a writer stumbled over the other"
        writer.kill()
        writer.wait()
    assert check_runs(ledger) >= 31


def test_two_writers_of_stages_and_runs_leave_strict_json(tmp_path):
    writers = [start(tmp_path, "stages"), start(tmp_path, "runs")]
    time.sleep(0.2)
    assert [w.poll() for w in writers] == [None, None]
    for writer in writers:
        writer.kill()
        writer.wait()
    whole = [p for p in (tmp_path / "ledger").rglob("*.json") if not any(q.startswith(".tmp-") for q in p.parts)]
    assert all(isinstance(json.loads(p.read_text()), dict) for p in whole)
    assert whole
