"""What runs inside a worker process.

The driver sends lines of JSON through one pipe and reads lines of JSON from
another, both apart from stdin and stdout: what the user's code prints cannot
break them. When the driver is gone its pipe ends, and so does the worker, in the
middle of a job if need be.
"""

import json
import os
import queue
import signal
import sys
import threading
from typing import Any

from burnish.execution.jobs import Function, carry_out, find

__all__ = ["main"]

Inbox = queue.SimpleQueue[dict[str, Any]]


def main(commands: int, results: int) -> None:
    """Serve jobs until the pipe `commands` ends; `commands` and `results` are file descriptors.

    The first line is `{"target", "context", "path"}`; every later one a payload, answered by one line.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    for pipe in (commands, results):
        os.set_inheritable(pipe, False)
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(commands, inbox), daemon=True).start()
    start = inbox.get()
    sys.path[:] = start["path"]
    serve = _late(start["target"])
    with os.fdopen(results, "w", encoding="utf-8") as out:
        while True:
            payload = inbox.get()
            out.write(carry_out(serve, start["context"], payload) + "\n")
            out.flush()


def _listen(commands: int, inbox: Inbox) -> None:
    with os.fdopen(commands, encoding="utf-8") as lines:
        for line in lines:
            inbox.put(json.loads(line))
    os._exit(0)  # the driver closed the pipe, or died


def _late(target: str) -> Function:
    """`target`, imported at the first call, so that a failing import is the result of a job and not a dead worker."""

    def serve(context: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
        return find(target)(context, payload)

    return serve
