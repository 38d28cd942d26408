"""A full disk, a directory that cannot be written: one clear error, nothing half-written, nothing lost."""

import errno
import os

import pytest

from burnish.errors import LedgerError
from burnish.ledger import Ledger, write_bytes, write_text
from burnish.records import Run


def run_named(name):
    return Run(id=name, stage="screen", techniques=(), seed=0, split=0, status="done", primary="accuracy")


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


class FullDisk:
    """Lets `spare` synchronizations or renames through, then says the disk is full."""

    def __init__(self, function, spare=0):
        self.function = function
        self.spare = spare

    def __call__(self, *args, **options):
        if self.spare == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.spare -= 1
        return self.function(*args, **options)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_whole(tmp_path, monkeypatch, call):
    file = tmp_path / "x.json"
    write_text(file, "old")
    monkeypatch.setattr(os, call, FullDisk(getattr(os, call)))
    with pytest.raises(LedgerError, match=r"x\.json: No space left on device; free or choose another disk"):
        write_bytes(file, b"new")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["x.json"]


def test_a_stage_lost_to_a_full_disk_is_computed_again(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", FullDisk(os.replace))
        with pytest.raises(LedgerError, match="No space left"):
            ledger.once("pilot", lambda: {"try": 1})
    assert ledger.stage("pilot") is None
    assert ledger.once("pilot", lambda: {"try": 2}) == {"try": 2}


@pytest.mark.parametrize("call", ["fsync", "replace", "rename"])
def test_a_run_lost_to_a_full_disk_leaves_nothing_and_can_be_repeated(tmp_path, monkeypatch, call):
    ledger = Ledger(tmp_path)
    directory = ledger.new_run("x")
    (directory / "weights.bin").write_text("weights")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, FullDisk(getattr(os, call)))
        with pytest.raises(LedgerError, match="No space left"):
            ledger.finish_run(directory, run_named("x"))
    assert names(tmp_path) == []
    assert not ledger.has_run("x")
    ledger.finish_run(ledger.new_run("x"), run_named("x"))
    assert ledger.has_run("x")


def test_a_disk_that_fills_up_between_the_files_of_a_run(tmp_path, monkeypatch):
    for spare in range(1, 6):
        ledger = Ledger(tmp_path / str(spare))
        directory = ledger.new_run("x")
        (directory / "weights.bin").write_text("weights")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", FullDisk(os.fsync, spare))
            try:
                ledger.finish_run(directory, run_named("x"))
            except LedgerError:
                assert not ledger.has_run("x")
        expected = {"result.json", "weights.bin"} if ledger.has_run("x") else set()
        assert {os.path.basename(n) for n in names(ledger.root)} == expected


def test_a_file_in_the_way_of_the_directory_is_a_clear_error(tmp_path):
    (tmp_path / "runs").write_text("I am a file")
    ledger = Ledger(tmp_path / "runs" / "demo")
    with pytest.raises(LedgerError, match=r"could not write .*recipe\.json: Not a directory"):
        ledger.open({"seed": 1})
    with pytest.raises(LedgerError, match=r"could not create .*check disk and permissions"):
        ledger.new_run("x")
    assert (tmp_path / "runs").read_text() == "I am a file"


def test_a_refused_write_is_a_clear_error(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    ledger.open({"seed": 1})

    def refuse(*args, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(LedgerError, match="Permission denied"):
        ledger.put_stage("pilot", {})
    with pytest.raises(LedgerError, match="Permission denied"):
        ledger.new_run("x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write read-only directories")
def test_a_read_only_directory_can_be_read_but_not_written(tmp_path):
    ledger = Ledger(tmp_path / "run")
    ledger.open({"seed": 1})
    ledger.put_stage("pilot", {"a": 1})
    folders = [ledger.root, ledger.path, ledger.path / "stages"]
    for folder in folders:
        folder.chmod(0o555)
    try:
        with pytest.raises(LedgerError, match="Permission denied"):
            ledger.put_stage("screen", {})
        assert ledger.stage("pilot") == {"a": 1}
        assert ledger.open({"seed": 1}) is True
    finally:
        for folder in folders:
            folder.chmod(0o755)
