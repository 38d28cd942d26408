"""A disk that is full or cannot be written: the job stops with one line and goes on when there is room."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from burnish.ledger import Ledger

WORDS = ("train", "--data", "digits", "--epochs", 1, "--lr", 0.003, "--seeds", 3, "--quiet", "--out")


def mount(*words) -> bool:
    return subprocess.run(["mount", *map(str, words)], capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own, for whoever may mount one; `disk(size)` changes its size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", folder):
        pytest.skip("only root can mount a small file system")

    def resized(options: str) -> Path:
        assert mount("-o", f"remount,{options}", folder)
        return folder

    with contextlib.ExitStack() as stack:
        stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=False)
        yield resized


def test_a_full_disk_keeps_what_is_done_and_goes_on(check_refused, burnish, disk):
    out = disk("size=420k") / "out"
    check_refused(*WORDS, out, says="could not (write|keep) .*No space left on device; free or choose another", code=1)
    done = {run.id: run.score for run in Ledger(out).runs()}
    assert 1 <= len(done) < 3
    assert not [path for path in out.rglob("*") if path.name.startswith(".tmp-")]
    disk("size=4m")
    assert burnish(*WORDS, out)[0] == 0
    after = {run.id: run.score for run in Ledger(out).runs()}
    assert len(after) == 3
    assert after.items() >= done.items()


def test_a_disk_without_room_for_the_data(check_refused, disk):
    check_refused(*WORDS, disk("size=40k") / "out", says="could not write the data for the workers", code=1)


def test_a_disk_that_cannot_be_written(check_refused, disk, arrays):
    folder = disk("ro")
    check_refused(*WORDS, folder / "out", says="Read-only file system", code=1)
    check_refused("init", folder, says="could not write .*recipe.yaml: Read-only file system", code=1)


def test_a_file_in_the_place_of_the_directory(check_refused, arrays):
    check_refused(*WORDS, arrays, says="Not a directory; check disk and permissions", code=1)
    check_refused(*WORDS, arrays / "deeper", says="Not a directory", code=1)
