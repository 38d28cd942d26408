"""A module of ours in a fresh process with a fixed number of threads, as measurements need it. Never imports torch."""

import os
import subprocess
import sys
from pathlib import Path

from burnish.errors import BurnishError, UsageError

__all__ = ["run_fresh"]


def run_fresh(module: str, *arguments: str, threads: int, measuring: str, given: str | None = None) -> str:
    """What `python -m MODULE ARGUMENTS` prints; it finds this installation of Burnish.

    Args:
        module: Full name of the module.
        arguments: Its arguments.
        threads: Threads of the numerical libraries.
        measuring: What it measures, for the message of an error.
        given: Text for its standard input.

    Raises:
        UsageError: it ended with the exit code of one; the message is what it said.
        BurnishError: it failed otherwise.
    """
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", module, *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment, check=False)
    if done.returncode == UsageError.exit_code:
        raise UsageError(done.stderr.strip())
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise BurnishError(f"measuring {measuring} failed (exit {done.returncode}): {last[0]}")
    return done.stdout
