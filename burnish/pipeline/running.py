"""Runs of a job: which are done, which are left, and what to tell the user meanwhile."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from burnish.errors import BurnishError, ExecutionError, LedgerError
from burnish.execution import Job
from burnish.ledger import Ledger
from burnish.records import Run

__all__ = ["Runner", "check_finished", "spec"]

Observer = Callable[[dict[str, Any]], None]


def check_finished(runs: list[Run], *, given_rate: bool) -> None:
    """Stop where not one training has a score.

    Args:
        runs: Of one plan, some of which may have diverged.
        given_rate: Whether the learning rate is the user's.

    Raises:
        BurnishError: none did finish; the message says when the first one ended and what to change.
    """
    if any(run.status == "done" for run in runs):
        return
    first = runs[0]
    rate = first.detail.get("lr")
    at = f" at the learning rate {rate:.3g}" if rate else ""
    remedy = "give a smaller --lr, or leave it out and a range test chooses one"
    if not given_rate:
        remedy = "look at the range of inputs and targets, or give a smaller --lr, such as 1e-5"
    plan = ", ".join(first.techniques) or "the baseline"
    raise BurnishError(
        f"{len(runs)} of {len(runs)} trainings of {plan} ended without a score: the loss was not finite any more in "
        f"epoch {max(first.epochs, 1)}{at}; {remedy}"
    )


def spec(
    stage: str,
    index: int,
    *,
    base: dict[str, Any],
    techniques: tuple[str, ...] | list[str] = (),
    split: int = 0,
    seed: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """What fixes one run; its id hashes all of it, so that the run list is a pure function of study and seed."""
    payload = {
        "kind": "train",
        "stage": stage,
        "base": base,
        "techniques": list(techniques),
        "split": split,
        "seed": seed,
        "readouts": True,
        **more,
    }
    digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()[:8]
    return {"id": f"{stage}-{index:02d}-{digest}", **payload}


class Runner:
    """Carries out specs through a pool of workers and keeps the ledger and the observer informed."""

    def __init__(self, ledger: Ledger, pool: Any, observer: Observer, *, greater_is_better: bool = True) -> None:
        self.ledger = ledger
        self.pool = pool
        self.observer = observer
        self.greater_is_better = greater_is_better
        self.best: float | None = None
        self.ahead = 0  # runs of later stages, at most

    def run(self, specs: list[dict[str, Any]], *, may_fail: bool = False) -> list[Run]:
        """The runs of `specs`, in their order; only those without a result are carried out.

        A run that fails is recorded as failed, not repeated for ever; a stage whose every run failed stops the
        job, unless it `may_fail`. A disk that fails is no fault of the run and stops the job.

        Raises:
            BurnishError: all runs failed; the message is the first one's.
            LedgerError: a result could not be kept.
        """
        missing = [s for s in specs if not self.ledger.has_run(s["id"])]
        for item in specs:
            if item not in missing:
                self._see(self.ledger.run(item["id"]).score)
        start, done = time.monotonic(), len(specs) - len(missing)
        for _, result in self.pool.run([Job(id=s["id"], payload=s) for s in missing]):
            done += 1
            item = next(s for s in specs if s["id"] == _)
            if "error" in result:
                self._failed(item, result)
            self._see(result.get("score"))
            self._tell(item, result, done, len(specs), start, done - (len(specs) - len(missing)))
        runs = [self.ledger.run(s["id"]) for s in specs]
        if runs and not may_fail and all(run.status == "failed" for run in runs):
            for run in runs:  # nothing can come of the job as it is; once the cause is mended they are tried again
                self.ledger.forget(run.id)
            raise BurnishError(
                f"every run of stage {runs[0].stage} failed; the first said: {runs[0].error}; mend that and run the "
                "command again"
            )
        return runs

    def _failed(self, item: dict[str, Any], result: dict[str, Any]) -> None:
        kind, _, message = str(result["error"]).partition(": ")
        for stops in (LedgerError, ExecutionError):  # no fault of the run
            if kind == stops.__name__:
                raise stops(message)
        directory = self.ledger.new_run(item["id"])
        failed = Run(
            id=item["id"],
            stage=item["stage"],
            techniques=tuple(item["techniques"]),
            seed=item["seed"],
            split=item["split"],
            status="failed",
            primary="",
            error=str(result["error"]),
            detail={"name": item.get("name", "")},
        )
        self.ledger.finish_run(directory, failed)
        self.observer({"event": "note", "text": f"run {item['id']} failed: {result['error']}"})

    def _see(self, score: float | None) -> None:
        if score is None or score != score:
            return
        better = max if self.greater_is_better else min
        self.best = score if self.best is None else better(self.best, score)

    def _tell(
        self, item: dict[str, Any], result: dict[str, Any], done: int, total: int, start: float, finished: int
    ) -> None:
        per_run = (time.monotonic() - start) / max(finished, 1)
        self.observer(
            {
                "event": "run",
                "stage": item["stage"],
                "id": item["id"],
                "done": done,
                "total": total,
                "score": result.get("score"),
                "best": self.best,
                "seconds_left": per_run * (total - done),
                "job_seconds_left": per_run * (total - done + self.ahead),
            }
        )
