"""Where runs are carried out, with how many workers and threads; decided once, before the first run that counts.

How many threads a run has changes its last bits, so the choice is kept in the ledger with the results. It is made
by a measurement on this machine that does not depend on --workers, and more threads have to be clearly better.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from burnish.errors import LedgerError, UsageError
from burnish.execution import InProcess, Pool
from burnish.execution.ranks import launched
from burnish.ledger import Ledger
from burnish.losses import Loss
from burnish.pipeline import remote
from burnish.pipeline.parcel import packed
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.setup import named_loss
from burnish.pipeline.timing import candidates, cores, fewest, measured_rates, too_small
from burnish.pipeline.worker import held
from burnish.plan import Plan
from burnish.training.loop import device_for

__all__ = ["STAGE", "Executor", "executor"]

STAGE = "executor"  # its name in the ledger
LOCAL = "local"
WORK = "burnish.pipeline.worker:work"


@dataclass(frozen=True, kw_only=True)
class Executor:
    """What carries out the runs of a job.

    Attributes:
        pool: Has `run(jobs)`.
        workers: Runs at the same time.
        threads: Threads of each; also of this process, so that the same numbers come out wherever a step is done.
        note: What was found out, for the user; empty where nothing was.
    """

    pool: Any
    workers: int
    threads: int
    note: str = ""


@contextlib.contextmanager
def executor(plan: Plan, recipe: Recipe, ledger: Ledger, scratch: Path) -> Iterator[Executor]:
    """Start what carries out the runs of `plan`; it ends with the block.

    Raises:
        LedgerError: the disk is full or cannot be written.
        UsageError: there is no such cluster, or the network cannot travel to it.
    """
    count = launched() or recipe.ranks
    if count > 1:
        with _ranks(plan, recipe, ledger, scratch, count) as found:
            yield found
        return
    with _local(plan, recipe, ledger, scratch) as local:
        threads, note = _threads(plan, recipe, ledger, local)
        workers = recipe.workers or (max(cores() // threads, 1) if _on_cpu(recipe) else 1)
        if recipe.on == LOCAL:
            pool = local.resized(workers, threads)
            yield Executor(pool=pool, workers=getattr(pool, "workers", 1), threads=threads, note=note)
            return
    with _cluster(plan, recipe, ledger, scratch, threads) as cluster:
        yield Executor(pool=cluster, workers=cluster.workers, threads=threads, note=note)


def _on_cpu(recipe: Recipe) -> bool:
    return device_for(recipe.device).type == "cpu"


def _threads(plan: Plan, recipe: Recipe, ledger: Ledger, local: "_Local") -> tuple[int, str]:
    """Threads of a run: those on record, or measured now and recorded."""
    known = ledger.stage(STAGE)
    if known is not None:
        return int(known["threads"]), ""
    here, rates = cores(), dict[int, list[float]]()
    if not _on_cpu(recipe):
        threads = max(here // 2, 1)
    elif here == 1 or too_small(plan):
        threads = 1
    else:
        ways = candidates(here) if local.portable else [(1, count) for _, count in candidates(here)]
        rates = measured_rates(local.resized(max(w for w, _ in ways), 1), ways)
        threads = fewest(rates)
    best = {count: max(found) for count, found in rates.items()}
    told = ", ".join(f"{rate:.3g} with {count} each" for count, rate in best.items())
    ledger.put_stage(STAGE, {"threads": threads, "cores": here, "steps_per_second": rates})
    note = f"threads: {threads} for each run; steps a second of all workers together: {told}" if rates else ""
    return threads, note


class _Local:
    """Worker processes of this machine, or this process for a network that only it can build."""

    def __init__(self, context: dict[str, Any], *, portable: bool) -> None:
        self.context, self.portable = context, portable
        self.pool: Pool | InProcess | None = None
        self.threads = 0

    def resized(self, workers: int, threads: int) -> Pool | InProcess:
        """The pool with so many workers and threads; workers that are there stay where they can."""
        if self.pool is not None and self.threads == threads:
            self.pool.resize(workers)
            return self.pool
        self.close()
        context, self.threads = self.context | {"threads": threads}, threads
        if self.portable:
            self.pool = Pool(target=WORK, context=context, workers=workers, threads=threads)
        else:
            self.pool = InProcess(target=WORK, context=context, threads=threads)
        return self.pool

    def close(self) -> None:
        if self.pool is not None:
            self.pool.close()


@contextlib.contextmanager
def _local(plan: Plan, recipe: Recipe, ledger: Ledger, scratch: Path) -> Iterator[_Local]:
    context: dict[str, Any] = {"root": str(ledger.root.resolve()), "device": recipe.device}
    if not _travels(plan, recipe):
        context["held"] = str(scratch)
        with held(str(scratch), plan):
            yield _Local(context, portable=False)
        return
    try:
        plan.data.save(scratch / "data")
        source = plan.source.save(scratch / "network")
    except OSError as error:
        raise LedgerError(
            f"could not write the data for the workers below {ledger.root}: {error.strerror or error}; free or choose "
            "another disk and run the same command again"
        ) from error
    context |= {"data": str(scratch / "data"), "source": source, "loss": recipe.loss, "precision": plan.precision}
    local = _Local(context, portable=True)
    try:
        yield local
    finally:
        local.close()


def _travels(plan: Plan, recipe: Recipe) -> bool:
    """Whether another process can make the same plan."""
    asked = named_loss(recipe.loss) or Loss(name=plan.data.task.default_loss)
    simple = not plan.applied and repr(plan.loss) == repr(asked)
    return plan.source.portable and simple


@contextlib.contextmanager
def _cluster(plan: Plan, recipe: Recipe, ledger: Ledger, scratch: Path, threads: int) -> Iterator[Any]:
    from burnish.execution.cluster import Cluster

    _must_travel(plan, recipe, "to a cluster", "--on")
    shared = {
        "name": scratch.name,
        "sign": scratch.name,
        "root": str(ledger.root.resolve()),
        "parcel": packed(plan, scratch=scratch),
        "threads": threads,
        "device": recipe.device,
    }
    with Cluster(
        target="burnish.pipeline.remote:work",
        shared=shared,
        address=recipe.on,
        threads=threads,
        gpus=0 if _on_cpu(recipe) else 1,
        most=recipe.workers or None,
        own=max(cores(), threads),
        sent=partial(remote.sent, ledger),
        received=partial(remote.received, ledger),
    ) as cluster:
        yield cluster


@contextlib.contextmanager
def _ranks(plan: Plan, recipe: Recipe, ledger: Ledger, scratch: Path, count: int) -> Iterator[Executor]:
    """This process and others that do each run together; started here, or by torchrun."""
    from burnish.execution.ranks import Ranks

    _must_travel(plan, recipe, "to other ranks", "--ranks")
    known = ledger.stage(STAGE)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", count)) if launched() else count
    threads = int(known["threads"]) if known else max(cores() // beside, 1)
    if known is None:
        ledger.put_stage(STAGE, {"threads": threads, "cores": cores(), "steps_per_second": {}})
    context = {"held": str(scratch), "threads": threads, "device": recipe.device, "root": str(ledger.root.resolve())}
    sent = {"context": context, "parcel": packed(plan, scratch=scratch), "first": False}
    shared = {"context": context, "first": True}
    with (
        held(str(scratch), plan),
        Ranks(target="burnish.pipeline.ranked:work", shared=shared, sent=sent, count=count, threads=threads) as ranks,
    ):
        yield Executor(pool=ranks, workers=1, threads=threads, note=f"each run by {count} ranks of {threads} thread(s)")


def _must_travel(plan: Plan, recipe: Recipe, whither: str, flag: str) -> None:
    if not _travels(plan, recipe):
        raise UsageError(
            f"{plan.source.name} cannot travel {whither}: define it in a file and name it file.py:function, and an own "
            f"loss likewise with --loss, or leave out {flag}"
        )
