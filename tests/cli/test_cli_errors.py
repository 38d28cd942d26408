"""Exit codes and the one line on standard error."""

import os
import signal
import subprocess
import sys
import types

import pytest

from burnish.cli.main import main
from burnish.errors import DataError, ExportMismatch, LedgerError, RequirementNotMet, UsageError


@pytest.fixture
def job_raising(monkeypatch):
    """Makes `burnish run` raise."""

    def prepare(error):
        def run(recipe, *, out, observer=None):
            raise error

        module = types.ModuleType("burnish.pipeline.main_job")
        module.run = run
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return prepare


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such network"), 2),
        (DataError("column 'y' is\n   missing"), 2),
        (RequirementNotMet("nothing under 2 ms"), 3),
        (LedgerError("another job"), 1),
        (ExportMismatch("outputs differ"), 1),
        (KeyError("inner"), 1),
        (MemoryError(), 1),
    ],
)
def test_errors_are_one_line_and_an_exit_code(job_raising, capsys, error, code):
    job_raising(error)
    assert main(["run", "--json"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("burnish: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert " ".join(str(error).split()) in captured.err


def test_debugging_shows_the_traceback(job_raising, capsys, monkeypatch):
    monkeypatch.setenv("BURNISH_DEBUG", "1")
    job_raising(UsageError("no such network"))
    assert main(["run"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--epocs", "3"],
        ["run", "--epochs", "three"],
        ["run", "a", "b"],
        ["runn"],
        ["train", "--seeds", "0"],
        ["predict"],
        ["run", "--only", ","],
        ["compare", "a", "b", "c"],
        ["compare", "cnn"],
        ["bench", "no/such/model.onnx"],
        ["predict", "runs/x", "a.png", "--out", "x.txt"],
        ["init", "no/such/folder"],
    ],
)
def test_wrong_usage_is_exit_2(words, capsys):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("burnish: ")
    assert captured.err.count("\n") == 1


def test_a_wrong_flag_names_the_near_one_and_the_help(capsys):
    assert main(["run", "--epocs", "3"]) == 2
    error = capsys.readouterr().err
    assert "--epochs" in error
    assert "burnish run --help" in error


def test_an_interruption_is_130_and_says_what_is_kept(job_raising, capsys, tmp_path):
    job_raising(KeyboardInterrupt())
    assert main(["run", "--out", str(tmp_path)]) == 130
    assert f"state kept in {tmp_path}; run the same command to go on" in capsys.readouterr().err


SLEEPER = """
import sys, time, types
module = types.ModuleType("burnish.pipeline.main_job")
def run(recipe, *, out, observer=None):
    observer({"event": "note", "text": "ready"})
    time.sleep(60)
module.run = run
sys.modules[module.__name__] = module
from burnish.cli.main import main
sys.exit(main(["run", "--out", "somewhere"]))
"""


def test_ctrl_c_in_a_real_process():
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert "ready" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "state kept in somewhere" in error
    assert "Traceback" not in error + out


def test_a_reader_that_leaves_is_no_traceback(tmp_path):
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from burnish.cli.main import main; sys.exit(main(['run', '--help']))"
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
