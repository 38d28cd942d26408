"""The search for the deepest cut that costs little, where nothing is asked of the size."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from burnish.compression.search import DEPTHS, Trial, Ways, deepest, long_ways, longer
from burnish.pipeline.deployed import costs_little
from burnish.pipeline.shapes import distinct_depths
from burnish.pipeline.trials import price, row, trial_spec
from burnish.pipeline.work import Work
from burnish.records import Run

__all__ = ["Descent"]

Json = dict[str, Any]


class Descent:
    """Runs along a bisection over depths, and what became of each.

    Each cut is taught by the winner, and by the labels alone: ResNet-9 on CIFAR-10 after 12 epochs had more to learn
    than it could teach. What is refused then gets twice the epochs, of which a light network does several in the time
    of one of the original's, with every choice of channels; a choice that recovers goes on to the next depth. Where
    none does the best of them gets twice as many once more.

    Args:
        work: A job whose winner is trained.
        max_drop: Largest loss a cut may cost.
        stage: Stage the runs belong to.
        ways: How networks are pruned.
        seconds: Train no more than fits in about this long.

    Attributes:
        runs: All runs.
        tried: A row for each.
        cut_short: What was left out for want of time; empty where nothing was.
    """

    def __init__(
        self, work: Work, max_drop: float, *, stage: str, ways: Ways | None = None, seconds: float | None = None
    ) -> None:
        self.work, self.max_drop, self.stage, self.seconds = work, max_drop, stage, seconds
        self.ways = ways or Ways()
        self.runs: list[Run] = []
        self.tried: list[Json] = []
        self.cut_short = ""
        self._spent = 0.0
        self._paces: dict[float, float] = {}  # seconds for an epoch, by ratio

    def go(self) -> None:
        """Search."""
        depths = distinct_depths(self.work, DEPTHS, self.ways)
        found = deepest(lambda index: bool(self._accepted(self._both(depths[index]))), len(depths))
        self._deeper(depths[(0 if found is None else found + 1) :])
        if found is not None:
            self._accepted([Trial(kind="scratch", ratio=depths[found])])

    def _deeper(self, refused: Sequence[float]) -> None:
        """Longer trainings of what was refused, depth by depth until none is accepted."""
        if not refused:
            return
        by_winner, by_labels = (self._worth(trial) for trial in self._both(refused[0]))
        going = long_ways(self.ways, refused[0], teacher=by_winner > by_labels)  # a teacher costs time
        for ratio in refused:
            tries = [replace(way, ratio=ratio) for way in going]
            going = self._accepted(tries) or self._accepted_longer(tries)
            if not going:
                return

    def _accepted_longer(self, tries: Sequence[Trial]) -> list[Trial]:
        """The best of `tries` trained twice as long again, if that was not too long already and it is accepted then."""
        last = longer(max(tries, key=self._worth))
        return self._accepted([last]) if last else []

    def _both(self, ratio: float) -> list[Trial]:
        return [self.ways.applied(Trial(ratio=ratio)), self.ways.applied(Trial(ratio=ratio, teacher=False))]

    def _accepted(self, planned: Sequence[Trial]) -> list[Trial]:
        """Those of `planned` that cost little once they are trained; none where the time does not suffice."""
        asked = price(self.work, planned, self._paces)
        if not self.cut_short and self.seconds is not None and self._spent + asked > self.seconds and self.runs:
            self.cut_short = f"{' and '.join(trial.name for trial in planned)} were left out to keep the time"
        if self.cut_short:
            return []
        done = self.work.runner.run([trial_spec(self.work, trial, self.stage) for trial in planned], may_fail=True)
        fine = [self._costs_little(run) for run in done]
        for trial, run, good in zip(planned, done, fine, strict=True):
            self.tried.append(row(trial.name, run, "costs little enough" if good else "costs too much"))
            self._time(trial, run)
        self.runs += done
        return [trial for trial, good in zip(planned, fine, strict=True) if good]

    def _time(self, trial: Trial, run: Run) -> None:
        seconds = (run.cost.train_seconds if run.cost else None) or 0.0
        self._spent += seconds / max(self.work.workers, 1)
        if run.epochs and seconds:
            pace = seconds / run.epochs
            self._paces[trial.ratio] = min(pace, self._paces.get(trial.ratio, pace))

    def _worth(self, trial: Trial) -> float:
        """What `trial` scored, higher is better; minus infinity where it has no score."""
        scores = [tried["score"] for tried in self.tried if tried["name"] == trial.name]
        finite = scores and math.isfinite(scores[0])
        return self.work.data.task.primary.gain(0.0, scores[0]) if finite else -math.inf

    def _costs_little(self, run: Run) -> bool:
        """Whether the trained network of `run`, before it is a file, costs little on validation."""
        if run.status != "done":
            return False
        ids = (self.work.stage("finish")["winner"], run.id)
        before, after = (self.work.data.task.decode(self.work.ledger.arrays(run_id)["outputs"]) for run_id in ids)
        return costs_little(self.work, before, after, self.max_drop)
