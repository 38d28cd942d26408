"""How far a job is, for those who look from elsewhere: a small file in its ledger, and the effects so far."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

from burnish.errors import LedgerError
from burnish.ledger import Ledger
from burnish.metrics import metric
from burnish.records import to_json
from burnish.studies.so_far import SoFar, effects_so_far

__all__ = ["Progress", "screened_so_far"]

Event = dict[str, Any]
PAUSE = 1.0  # seconds between two notes of runs
SCREEN = "screen"
NUISANCE = ("LearningRate(",)  # varied beside the techniques, none itself


class Progress:
    """An observer that notes what it hears in the ledger and passes it on; after runs of the screen, effects too."""

    def __init__(self, ledger: Ledger, observer: Callable[[Event], None]) -> None:
        self.ledger, self.observer = ledger, observer
        self.state: Event = {}
        self.noted = -PAUSE

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self.observer(event)
        if event["event"] == "stage":
            self._note({key: event.get(key) for key in ("name", "index", "of", "total")} | {"done": 0}, at_once=True)
        elif event["event"] == "run":
            keys = ("done", "total", "best", "seconds_left", "job_seconds_left")
            name = {} if self.state.get("name") else {"name": event["stage"]}
            self._note(name | {key: event.get(key) for key in keys}, at_once=event["done"] == event["total"])
            if event["stage"] == SCREEN:
                rows = screened_so_far(self.ledger)
                self.observer({"event": "effects", "done": event["done"], "total": event["total"], "rows": rows})

    def _note(self, news: Event, *, at_once: bool) -> None:
        if "of" in news:
            self.state = {}
        self.state |= news | {"time": time.time()}
        if at_once or time.monotonic() - self.noted >= PAUSE:
            self.noted = time.monotonic()
            with contextlib.suppress(LedgerError):  # a full disk is said where a result is lost
                self.ledger.put_progress(to_json(self.state))


def screened_so_far(ledger: Ledger) -> list[SoFar]:
    """What the finished runs of the screen in `ledger` say."""
    runs = list(ledger.runs(SCREEN))
    named = next((run.primary for run in runs if run.primary), None)
    if named is None:
        return []
    scores = [run.score if run.status == "done" else float("nan") for run in runs]
    recipes = [[text for text in run.techniques if not text.startswith(NUISANCE)] for run in runs]
    return effects_so_far(recipes, scores, greater_is_better=metric(named).greater_is_better)
