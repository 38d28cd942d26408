"""The driver's end of one worker process."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from burnish.execution.in_process import thread_environment

__all__ = ["Answers", "Worker"]

# (worker, line of JSON), or (worker, None) when it is gone
Answers = queue.SimpleQueue[tuple["Worker", str | None]]
LAST_WORDS = 2000  # bytes
GRACE = 2.0  # seconds a process that stopped answering gets to end by itself
# -P keeps the working directory off the path until the driver's own path arrives: a user's json.py must not get in.
COMMAND = (
    "import sys; sys.path.append({root!r}); from burnish.execution.worker import main; main({commands}, {results})"
)


class Worker:
    """A running worker process; whatever it says is put into `answers`."""

    def __init__(self, *, target: str, context: dict[str, Any], threads: int, answers: Answers) -> None:
        commands, self._commands = os.pipe()
        self._results, results = os.pipe()
        root = str(Path(__file__).resolve().parents[2])
        code = COMMAND.format(root=root, commands=commands, results=results)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                pass_fds=(commands, results),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=thread_environment(threads),
            )
        except OSError:
            os.close(self._commands)
            os.close(self._results)
            raise
        finally:
            os.close(commands)
            os.close(results)
        self._words = b""
        threading.Thread(target=self._collect, args=(answers,), daemon=True).start()
        self._overhearing = threading.Thread(target=self._overhear, daemon=True)
        self._overhearing.start()
        self.send({"target": target, "context": context, "path": sys.path})

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def send(self, message: dict[str, Any]) -> None:
        """Send one line; a worker that is gone is noticed by its end of the answers, not here."""
        text = memoryview((json.dumps(message) + "\n").encode())
        with contextlib.suppress(BrokenPipeError):
            while text:
                text = text[os.write(self._commands, text) :]

    def end(self) -> None:
        """End the process, in the middle of a job if need be, and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1

    def obituary(self) -> str:
        """How the process ended and the last it printed."""
        try:
            code = self.process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            self.end()
            return "the worker process closed its connection"
        self._overhearing.join(timeout=GRACE)
        cause = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
        hint = "; most likely the memory is full: use fewer workers or smaller batches" if code == -9 else ""
        words = self._words.decode(errors="replace").strip()
        return f"the worker process {cause}{hint}" + (f"; it last said: {words}" if words else "")

    def _collect(self, answers: Answers) -> None:
        with os.fdopen(self._results, encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):  # else it died while writing
                    answers.put((self, line))
        answers.put((self, None))

    def _overhear(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            while chunk := output.read1(65536):  # type: ignore[attr-defined]
                self._words = (self._words + chunk)[-LAST_WORDS:]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
