"""What the tests on bad input share: the command line in this process, and files that are wrong in one way each."""

import re
from pathlib import Path

import pytest
from bad_input_files import NETWORKS, write_arrays

from burnish.cli.main import main
from burnish.data import load
from burnish.execution import InProcess
from burnish.pipeline import executors


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Runs are carried out here: worker processes take seconds to start and have tests of their own."""

    def pool(*, target, context, workers, threads):
        return InProcess(target=target, context=context)

    monkeypatch.setattr(executors, "Pool", pool)
    monkeypatch.setattr(executors, "cores", lambda: 1)  # nothing to measure


@pytest.fixture
def burnish(capsys):
    """Carries out a command line: its exit code, and what it says on standard output and standard error."""

    def run(*words):
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def check_refused(burnish):
    """Carries out a command line that must fail with one clear line, which must match `says`."""

    def run(*words, says, code=2):
        found, _, error = burnish(*words)
        assert error.startswith("burnish: "), error
        assert error.count("\n") == 1, error
        assert "BURNISH_DEBUG" not in error, error  # the sign of an error nobody thought of
        assert re.search(says, error), error
        assert found == code

    return run


@pytest.fixture(scope="session")
def networks(tmp_path_factory) -> Path:
    """A file of networks for the digits, each wrong in its own way."""
    file = tmp_path_factory.mktemp("networks") / "nets.py"
    file.write_text(NETWORKS)
    return file


@pytest.fixture(scope="session")
def digits():
    """The digits, loaded once."""
    return load("digits")


@pytest.fixture
def arrays(tmp_path) -> Path:
    """An NPZ file with two classes that can be learned."""
    return write_arrays(tmp_path / "arrays.npz")
