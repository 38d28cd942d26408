"""One driver at a time; a killed one stands in nobody's way and leaves nothing."""

import subprocess
import sys

import pytest

from burnish.errors import LedgerError
from burnish.ledger import Ledger, lock

HOLDER = """
import sys
from burnish.ledger import Ledger
ledger = Ledger(sys.argv[1])
with ledger.alone() as scratch:
    (scratch / "data.npy").write_bytes(b"large")
    (ledger.new_run("x") / "weights.bin").write_bytes(b"half")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works on `tmp_path`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def temporary(root):
    return [path.name for path in root.rglob(".tmp-*")]


def test_a_second_driver_is_refused_and_told_who_is_at_work(holder, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    before = temporary(tmp_path)
    message = rf"is being worked on by process {holder.pid} on .+; wait until it is done .*or give another --out"
    with pytest.raises(LedgerError, match=message), Ledger(tmp_path).alone():
        pass
    assert temporary(tmp_path) == before, "what the first one needs was removed"


def test_a_killed_driver_stands_in_nobodys_way_and_its_leftovers_go(holder, tmp_path):
    (tmp_path / ".tmp-report.json-12-0123abcd").write_text("half")
    (tmp_path / ".tmp-mine").write_text("the user's own")
    assert len(temporary(tmp_path)) == 4
    holder.kill()
    holder.wait()
    with Ledger(tmp_path).alone() as scratch:
        assert sorted(temporary(tmp_path)) == sorted([".tmp-mine", scratch.name])
        assert list(scratch.iterdir()) == []
    assert temporary(tmp_path) == [".tmp-mine"]


def test_one_that_is_about_to_end_is_waited_for(holder, tmp_path):
    holder.stdin.close()
    with Ledger(tmp_path).alone() as scratch:
        assert scratch.is_absolute()


def test_the_lock_is_given_back_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), Ledger(tmp_path).alone():
            raise KeyboardInterrupt
    assert temporary(tmp_path) == []


def test_the_same_process_cannot_work_twice_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    with Ledger(tmp_path).alone(), pytest.raises(LedgerError, match="is being worked on"), Ledger(tmp_path).alone():
        pass


@pytest.mark.parametrize("broken", ["platform", "file system"])
def test_without_locks_work_goes_on_and_young_leftovers_stay(tmp_path, monkeypatch, broken):
    if broken == "platform":
        monkeypatch.setattr(lock, "fcntl", None)
    else:
        monkeypatch.setattr(lock.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(37, "No locks available")))
    other = Ledger(tmp_path).new_run("of another driver")
    with Ledger(tmp_path).alone() as first, Ledger(tmp_path).alone() as second:
        assert first != second
    assert other.exists()
    assert not first.exists()
    assert not second.exists()


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "run").write_text("I am a file")
    with pytest.raises(LedgerError, match=r"could not create .*lock: .*; check disk"), Ledger(tmp_path / "run").alone():
        pass


@pytest.mark.parametrize("clock", [0.0, 4e9])
def test_leftovers_go_whatever_the_clock_says(tmp_path, monkeypatch, clock):
    ledger = Ledger(tmp_path)
    ledger.open({"seed": 0})
    leftover = ledger.new_run("x")
    monkeypatch.setattr("burnish.ledger.ledger.time.time", lambda: clock)
    with ledger.alone() as scratch:
        assert not leftover.exists()
        assert ledger.open({"seed": 0}) is True
        assert scratch.is_dir(), "what is in use was taken for a leftover"
    assert temporary(tmp_path) == []


def test_who_holds_the_lock_can_be_asked(holder, tmp_path):
    assert str(holder.pid) in Ledger(tmp_path).at_work()
    holder.kill()
    holder.wait()
    assert Ledger(tmp_path).at_work() is None
    assert Ledger(tmp_path / "absent").at_work() is None
