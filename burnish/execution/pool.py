"""Worker processes that stay alive over many jobs.

Plain `subprocess`, not `multiprocessing`: scripts need no `__main__` guard,
notebooks work, and thread counts are in the environment before anything is imported.
"""

import collections
import json
import queue
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from burnish.execution.handle import Answers, Worker
from burnish.execution.in_process import InProcess
from burnish.execution.jobs import Job

__all__ = ["Pool", "execute"]

Json = dict[str, Any]
OnEvent = Callable[[Json], None]
PATIENCE = 1.0  # seconds without an answer after which the pool looks whether its workers live


@dataclass
class _Task:
    job: Job
    deaths: int = 0


class Pool:
    """Up to `workers` processes that call `target(context, payload)` for each job.

    Processes start with the first jobs and stay until the pool is closed. One that dies is replaced
    and its job tried again `retries` times.

    Args:
        target: `package.module:function`, importable in a fresh process.
        context: First argument of every call, plain JSON types; not to be changed by jobs.
        workers: How many processes, at least 1.
        threads: Threads of the numerical libraries in each.
        retries: How often a job is tried again after its worker died.

    Raises:
        ValueError: `workers` or `threads` below 1.

    Example:
        >>> with Pool(target="operator:or_", context={"a": 1}) as pool:
        ...     for job_id, result in pool.run([Job(id="first", payload={"b": 2})]):
        ...         print(job_id, result)
        first {'a': 1, 'b': 2}
    """

    def __init__(self, *, target: str, context: Json, workers: int = 1, threads: int = 1, retries: int = 1) -> None:
        for name, value in {"workers": workers, "threads": threads}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.target = target
        self.context = context
        self.workers = workers
        self.threads = threads
        self.retries = retries
        self._team: list[Worker] = []
        self._answers: Answers = queue.SimpleQueue()
        self._running = False

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers at once. Running again starts new ones."""
        for worker in self._team:
            worker.end()
        self._team.clear()

    def resize(self, workers: int) -> None:
        """Have `workers` workers from now on; those beyond that number end.

        Raises:
            ValueError: fewer than 1.
        """
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self.workers = workers
        for worker in self._team[workers:]:
            self._dismiss(worker)

    def run(self, jobs: Iterable[Job], *, on_event: OnEvent | None = None) -> Iterator[tuple[str, Json]]:
        """Yield `(id, result)` of each job in order of completion.

        A job that raised gives `{"error": message, "traceback": text}`; so does one whose worker died too often.
        Leaving the loop early ends the jobs that are under way.

        Args:
            jobs: What to do; ids must differ.
            on_event: Called with `{"event": "started" | "finished" | "retried", "id": ...}`.

        Raises:
            ValueError: two jobs have the same id.
            RuntimeError: the loop over an earlier `run` of this pool is not finished.
        """
        pending = collections.deque(_Task(job) for job in jobs)
        if len({task.job.id for task in pending}) < len(pending):
            raise ValueError("two jobs have the same id")
        if self._running:
            raise RuntimeError("this pool is in the middle of another run; finish that loop first")
        return self._run(pending, on_event or (lambda event: None))

    def _run(self, pending: collections.deque[_Task], tell: OnEvent) -> Iterator[tuple[str, Json]]:
        busy: dict[Worker, _Task] = {}
        self._running = True
        try:
            while pending or busy:
                self._feed(pending, busy, tell)
                worker, line = self._next_answer(busy)
                task = busy.pop(worker)
                result = json.loads(line) if line is not None else self._died(worker, task)
                if result is None:
                    tell({"event": "retried", "id": task.job.id})
                    pending.appendleft(task)
                    continue
                tell({"event": "finished", "id": task.job.id})
                self._feed(pending, busy, tell)  # nobody idles while the caller looks at the result
                yield task.job.id, result
        finally:
            self._running = False
            for worker in busy:
                self._dismiss(worker)

    def _feed(self, pending: collections.deque[_Task], busy: dict[Worker, _Task], tell: OnEvent) -> None:
        while pending and len(busy) < self.workers:
            worker = self._idle_worker(busy)
            task = busy[worker] = pending.popleft()
            tell({"event": "started", "id": task.job.id})
            worker.send(task.job.payload)

    def _idle_worker(self, busy: dict[Worker, _Task]) -> Worker:
        for worker in [w for w in self._team if w not in busy]:
            if worker.alive:
                return worker
            self._dismiss(worker)
        worker = Worker(target=self.target, context=self.context, threads=self.threads, answers=self._answers)
        self._team.append(worker)
        return worker

    def _next_answer(self, busy: dict[Worker, _Task]) -> tuple[Worker, str | None]:
        while True:
            try:
                worker, line = self._answers.get(timeout=PATIENCE)
            except queue.Empty:
                # A process forked by a job can hold the pipe of a dead worker open.
                gone = next((w for w in busy if not w.alive), None)
                if gone is None:
                    continue
                worker, line = gone, None
            if worker in busy:  # else the last word of one that was dismissed
                return worker, line

    def _died(self, worker: Worker, task: _Task) -> Json | None:
        """What becomes of `task` after its worker died: None to try again, else its result."""
        task.deaths += 1
        message = worker.obituary()
        self._dismiss(worker)
        if task.deaths <= self.retries:
            return None
        return {"error": f"{message} (tried {task.deaths} times)", "traceback": ""}

    def _dismiss(self, worker: Worker) -> None:
        worker.end()
        if worker in self._team:
            self._team.remove(worker)


def execute(
    jobs: Iterable[Job],
    target: str,
    context: Json,
    *,
    workers: int = 1,
    threads: int = 1,
    on_event: OnEvent | None = None,
    retries: int = 1,
) -> dict[str, Json]:
    """Carry out `jobs` and return their results by id; in this process when `workers` is 0."""
    if workers == 0:
        return dict(InProcess(target=target, context=context, threads=threads).run(jobs, on_event=on_event))
    with Pool(target=target, context=context, workers=workers, threads=threads, retries=retries) as pool:
        return dict(pool.run(jobs, on_event=on_event))
