"""Jobs as tasks of a Ray cluster: on this machine, or on many that share no files.

What all jobs need is put into the object store once; a job's answer comes back as plain types and bytes,
and only the driver writes. Ray is imported when a cluster is opened, not before.
"""

import importlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

from burnish.errors import ExecutionError, UsageError
from burnish.execution.in_process import THREAD_VARIABLES
from burnish.execution.jobs import Job, failure, find

__all__ = ["Cluster"]

Json = dict[str, Any]
ANSWER = 10.0  # seconds a cluster has to take a connection
RETRIES = 3  # of a task whose worker or node was lost
INSTALL = "`--on ray` needs Ray, which is not installed: pip install 'burnish[ray]'"


class Cluster:
    """The same interface as `Pool`, over Ray.

    Args:
        target: `package.module:function`, importable on every node. Called with `(shared, payload)`, it may return
            bytes and arrays.
        shared: First argument of every call; arrays in it are mapped, not copied, by all workers of a node.
        address: `ray` (RAY_ADDRESS, else a Ray of its own on this machine), `ray://HOST:PORT`, or `HOST:PORT`.
        threads: Threads of a job, which takes as many of a node's CPUs.
        gpus: GPUs of a job.
        most: How many jobs may run at a time; None leaves it to the cluster.
        own: CPUs of a Ray of its own.
        sent: What a payload needs beyond `shared`, added to it when it leaves.
        received: Called with each answer before it is given out; keeps what it brought and returns plain JSON types.
        retries: How often a job is tried again after its worker or node was lost.

    Raises:
        UsageError: Ray is not installed, or no cluster answers at `address`.
    """

    def __init__(
        self,
        *,
        target: str,
        shared: Json,
        address: str = "ray",
        threads: int = 1,
        gpus: int = 0,
        most: int | None = None,
        own: int | None = None,
        sent: Callable[[Json], Json] = lambda payload: payload,
        received: Callable[[str, Json], Json] = lambda job_id, answer: answer,
        retries: int = RETRIES,
    ) -> None:
        self._ray, self._mine = _connected(address, own)
        self._threads, self._most, self._sent, self._received = threads, most, sent, received
        variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
        options = {"num_cpus": threads, "num_gpus": gpus, "max_retries": retries}
        self._task = self._ray.remote(_serve).options(**options, runtime_env={"env_vars": variables})
        self._target, self._shared = target, self._ray.put(shared)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; one of our own ends, one that the caller had joined stays."""
        if self._mine:
            self._ray.shutdown()

    @property
    def workers(self) -> int:
        """Jobs that can run at the same time as the cluster is now."""
        found = int(self._ray.cluster_resources().get("CPU", 1) // self._threads)
        return max(min(found, self._most or found), 1)

    def run(self, jobs: Iterable[Job], *, on_event: Callable[[Json], None] | None = None) -> Iterator[tuple[str, Json]]:
        """Yield `(id, result)` of each job in order of completion; see `Pool.run`.

        Raises:
            ExecutionError: a node cannot do what it is asked to, whatever the job.
        """
        tell = on_event or (lambda event: None)
        pending = list(jobs)[::-1]
        busy: dict[Any, Job] = {}
        try:
            while pending or busy:
                while pending and len(busy) < (self._most or len(pending) + len(busy)):
                    job = pending.pop()
                    busy[self._task.remote(self._target, self._shared, self._sent(job.payload))] = job
                    tell({"event": "started", "id": job.id})
                (done, *_), _ = self._ray.wait(list(busy), num_returns=1)
                job = busy.pop(done)
                tell({"event": "finished", "id": job.id})
                yield job.id, self._answer(job, done)
        finally:
            for reference in busy:
                self._ray.cancel(reference, force=True)

    def _answer(self, job: Job, reference: Any) -> Json:
        lost = self._ray.exceptions
        try:
            answer = self._ray.get(reference)
        except lost.OutOfMemoryError:
            return {"error": f"{_MEMORY} (tried several times)", "traceback": ""}
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.ObjectLostError) as error:
            return {"error": f"the worker or its node was lost again and again: {_line(error)}", "traceback": ""}
        except lost.RayError as error:
            raise ExecutionError(
                f"a node of the cluster could not take up {job.id}: {_line(error)}; every node needs the same versions "
                "of Python, torch and Burnish"
            ) from error
        return answer if "error" in answer else self._received(job.id, answer)


_MEMORY = "out of memory on a node: use fewer workers (--workers), smaller batches, or nodes with more memory"


def _serve(target: str, shared: Json, payload: Json) -> Json:
    """What a node does: the result, or `failure` of what was raised."""
    try:
        return find(target)(shared, payload)
    except (Exception, SystemExit) as error:
        return failure(error)


def _connected(address: str, own: int | None) -> tuple[Any, bool]:
    """The module `ray`, connected, and whether that was done here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = importlib.import_module("ray")
    except ImportError:
        raise UsageError(INSTALL) from None
    if ray.is_initialized():
        return ray, False
    place = os.environ.get("RAY_ADDRESS") or "local" if address == "ray" else address
    options: Json = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    if place == "local":
        options["num_cpus"] = own
    elif place.startswith("ray://"):
        options = {"log_to_driver": False}
    else:
        options.pop("include_dashboard")
    try:
        if place != "local":  # Ray itself tries for minutes
            host, _, port = place.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=ANSWER).close()
        ray.init(address=place, **options)
    except Exception as error:  # Ray raises its own, and others
        raise UsageError(
            f"no Ray cluster can be used at {place!r}: {_line(error)}; start one with `ray start --head`, with the "
            "RAY_AUTH_MODE and token that are set here, or give --on ray for one on this machine"
        ) from error
    return ray, True


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
