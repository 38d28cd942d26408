"""Jobs that several processes carry out together, one after another: for networks too large for one device.

This process is rank 0 and drives. The others follow: they wait for a job, carry it out too, and wait again. They are
started here (on this machine), or by torchrun (on any number of machines), which then starts this process as well.
"""

import contextlib
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from burnish.errors import ExecutionError
from burnish.execution.in_process import thread_environment
from burnish.execution.jobs import Job, carry_out, find

__all__ = ["Ranks", "dismiss", "follow", "launched"]

Json = dict[str, Any]
HERE = "127.0.0.1"
PATIENCE = datetime.timedelta(minutes=30)  # until all ranks are there, and until a step is through
RAISED = 17  # exit code of a follower whose job raised
GRACE = 5.0  # seconds a follower gets to end by itself
PORT = "BURNISH_RANKS_PORT"
COMMAND = "import sys; sys.path[:0] = [{root!r}]; from burnish.execution.ranks import follow; sys.exit(follow())"


def launched() -> int:
    """How many ranks torchrun has started, this one among them; 0 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 0


class Ranks:
    """The same interface as `Pool`, over `count` processes that do each job together.

    Args:
        target: `package.module:function`, called in every rank with `(shared, payload)`; rank 0's result counts.
        shared: First argument of every call in this process.
        sent: The same for the others; may hold arrays and bytes, and is sent once.
        count: How many ranks, this process included.
        threads: Threads of the numerical libraries in each.
        retries: How often a job is tried again after a rank was lost.
    """

    def __init__(
        self, *, target: str, shared: Json, sent: Json, count: int, threads: int = 1, retries: int = 1
    ) -> None:
        self.target, self.shared, self.sent = target, shared, sent
        self.count, self.threads, self.retries = count, threads, retries
        self._others: list[subprocess.Popen[bytes]] = []
        self._ready = False

    def __enter__(self) -> "Ranks":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the followers that were started here; those of torchrun wait for what comes next."""
        if not launched():
            self._end()

    def run(self, jobs: Iterable[Job], *, on_event: Callable[[Json], None] | None = None) -> Iterator[tuple[str, Json]]:
        """Yield `(id, result)` of each job in the order given; see `Pool.run`.

        Raises:
            ExecutionError: a rank of torchrun was lost.
        """
        tell = on_event or (lambda event: None)
        for job in jobs:
            tell({"event": "started", "id": job.id})
            result = self._carried_out(job)
            tell({"event": "finished", "id": job.id})
            yield job.id, result

    def _carried_out(self, job: Job) -> Json:
        for _ in range(self.retries + 1):
            self._gather()
            payload = json.loads(json.dumps(job.payload))
            _tell_all({"payload": payload})
            result: Json = json.loads(carry_out(find(self.target), self.shared, payload))
            if "error" not in result:
                return result
            if not self._lost(result):
                return result
        return result | {"error": f"a rank was lost again and again: {result['error']}"}

    def _gather(self) -> None:
        """Have all ranks ready for a job."""
        if self._ready:
            return
        if launched():
            _join()
        else:
            self._start()
        _tell_all({"target": self.target, "shared": self.sent, "path": sys.path})
        self._ready = True

    def _start(self) -> None:
        from torch import distributed

        store = distributed.TCPStore(HERE, 0, self.count, is_master=True, wait_for_workers=False, timeout=PATIENCE)
        root = str(Path(__file__).resolve().parents[2])
        for rank in range(1, self.count):
            places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self.count, PORT: store.port}
            environment = thread_environment(self.threads) | {name: str(value) for name, value in places.items()}
            command = [sys.executable, "-P", "-c", COMMAND.format(root=root)]
            self._others.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment))
        distributed.init_process_group(_backends(), store=store, rank=0, world_size=self.count, timeout=PATIENCE)

    def _lost(self, result: Json) -> bool:
        """Whether the job failed because a rank went away; the group is of no use any more either way."""
        self._ready = False
        if launched():
            if _about_the_connection(result["error"]):
                raise ExecutionError(
                    f"a rank of torchrun was lost ({result['error']}); run the same command again to go on, or let "
                    "torchrun do that with --max-restarts"
                )
            return False
        codes = []
        for other in self._others:
            with contextlib.suppress(subprocess.TimeoutExpired):
                codes.append(other.wait(GRACE))
        self._end()
        return any(code != RAISED for code in codes)

    def _end(self) -> None:
        for other in self._others:
            other.kill()
            other.wait()
        self._others.clear()
        self._ready = False
        _leave()


def follow() -> int:
    """Carry out what rank 0 says until it says no more; the exit code."""
    _join()
    target, shared = "", {}
    while (news := _heard()) is not None:
        if "target" in news:
            target, shared = news["target"], news["shared"]
            sys.path.extend(entry for entry in news["path"] if entry not in sys.path)
            continue
        if "error" in json.loads(carry_out(find(target), shared, news["payload"])):
            os._exit(RAISED)  # the others may wait for this rank in the middle of a step: they notice this at once
    _leave()
    return 0


def dismiss() -> None:
    """Let the followers of torchrun go home; rank 0 calls it at its very end, whatever it did."""
    with contextlib.suppress(Exception):  # some may be gone
        _join()
        _tell_all(None)
        _leave()


def _join() -> None:
    """Enter the group of all ranks, once."""
    import torch
    from torch import distributed

    if distributed.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    if PORT not in os.environ:
        distributed.init_process_group(_backends(), timeout=PATIENCE)
        return
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = distributed.TCPStore(HERE, int(os.environ[PORT]), count, is_master=False, timeout=PATIENCE)
    distributed.init_process_group(_backends(), store=store, rank=rank, world_size=count, timeout=PATIENCE)


def _backends() -> str:
    from torch import distributed

    return "cpu:gloo,cuda:nccl" if distributed.is_nccl_available() else "gloo"


def _leave() -> None:
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _tell_all(news: Json | None) -> None:
    import torch
    from torch import distributed

    distributed.broadcast_object_list([news], src=0, device=torch.device("cpu"))


def _heard() -> Json | None:
    import torch
    from torch import distributed

    box: list[Any] = [None]
    distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def _about_the_connection(text: str) -> bool:
    return any(word in text.lower() for word in ("connection", "gloo", "nccl", "timed out", "process group"))
