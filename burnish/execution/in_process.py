"""Jobs one after another in this process: for what cannot travel, for debugging, for tests."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

from burnish.execution.jobs import Function, Job, carry_out, find

__all__ = ["THREAD_VARIABLES", "InProcess", "thread_environment"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class InProcess:
    """The same interface as `Pool`, without processes.

    Args:
        target: `package.module:function`, or the function itself.
        context: First argument of every call; shared by all jobs, so not to be changed by them.
        threads: Threads torch may use while a job runs; None leaves it as it is.
    """

    def __init__(self, *, target: str | Function, context: dict[str, Any], threads: int | None = None) -> None:
        self.target = target
        self.context = context
        self.threads = threads

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to end."""

    def resize(self, workers: int) -> None:
        """Nothing to change: jobs go one after another."""

    def run(
        self, jobs: Iterable[Job], *, on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield `(id, result)` of each job in the order given; see `Pool.run`.

        Example:
            >>> pool = InProcess(target=lambda context, payload: {"twice": 2 * payload["x"]}, context={})
            >>> list(pool.run([Job(id="a", payload={"x": 4})]))
            [('a', {'twice': 8})]
        """
        tell = on_event or (lambda event: None)
        for job in jobs:
            tell({"event": "started", "id": job.id})
            payload = json.loads(json.dumps(job.payload))
            with _torch_threads(self.threads):
                line = carry_out(self._call, self.context, payload)
            tell({"event": "finished", "id": job.id})
            yield job.id, json.loads(line)

    def _call(self, context: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
        function = find(self.target) if isinstance(self.target, str) else self.target
        with _torch_threads(self.threads):  # the import just made may be the one that loaded torch
            return function(context, payload)


@contextlib.contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    torch = sys.modules.get("torch")
    if threads is None or torch is None or not hasattr(torch, "set_num_threads"):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def thread_environment(threads: int) -> dict[str, str]:
    """The environment of this process with every numerical library held to `threads` threads."""
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
