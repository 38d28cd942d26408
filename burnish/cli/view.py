"""What the user sees while a job runs: a live line on a terminal, plain lines elsewhere.

Observers are callables that take events, mappings with an `event`:
`plan, stage, run, effects, note, stage_done, done`. Unknown events are passed over.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from burnish.cli.output import warn

__all__ = ["clock", "describe", "live", "plain", "watching"]

# What each stage of the main job is for, in the words of its user.
PURPOSES = {
    "prepare": "data, network and price",
    "preflight": "bugs that would spoil all that follows",
    "tune": "a fair learning rate and length for the baseline",
    "pilot": "how good the baseline is, and how much scores vary",
    "diagnose": "what limits it",
    "gate": "normalizations and an activation, each alone",
    "screen": "all techniques together, by a design",
    "candidates": "the most promising recipes again, on fresh splits",
    "confirm": "baseline against the best recipe, in pairs on fresh splits",
    "analyse": "what each technique does",
    "finish": "train what ships",
    "ensemble": "whether several networks answer better than one",
    "compress": "prune and quantize, each step under its bound",
    "traits": "robustness, weak segments, speed, what more data would bring",
    "export": "ONNX, compared with PyTorch",
    "test": "the sealed test set, once",
    "verdict": "what it means, and what to do next",
}

Event = dict[str, Any]
Observer = Callable[[Event], None]


@contextlib.contextmanager
def watching(*, json: bool = False, quiet: bool = False, kept: Path | None = None) -> Iterator[Observer]:
    """An observer that shows events as the flags ask; with `json` it keeps standard output clean.

    What the user's own code prints while the job runs goes where the events go. `kept` is the directory
    that an interrupted job can go on from.
    """
    stream = sys.stderr if json else sys.stdout
    with contextlib.redirect_stdout(stream), _reminder(kept):
        if quiet:
            yield lambda event: None
        elif stream.isatty():
            with live(stream) as observer:
                yield observer
        else:
            yield plain(stream)


@contextlib.contextmanager
def _reminder(kept: Path | None) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if kept is not None:
            warn(f"state kept in {kept}; run the same command to go on")
        raise


def plain(stream: TextIO) -> Observer:
    """One line for each event, with the time since the start."""
    start = time.monotonic()

    def observer(event: Event) -> None:
        for line in describe(event):
            print(f"[{clock(time.monotonic() - start):>7}] {line}", file=stream, flush=True)

    return observer


@contextlib.contextmanager
def live(stream: TextIO) -> Iterator[Observer]:
    """A line that shows the stage under way; what is worth keeping scrolls above it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
    )

    class Board(Progress):
        """The line, and below it what the screen has found so far."""

        rows: tuple[Any, ...] = ()

        def get_renderables(self) -> Iterator[Any]:
            yield self.make_tasks_table(self.tasks)
            if self.rows:
                yield Text("\n".join(so_far(self.rows)))

    with Board(*columns, console=Console(file=stream), transient=True) as progress:
        line = progress.add_task("starting", total=None, state="")

        def observer(event: Event) -> None:
            if event["event"] == "stage":
                progress.reset(line, total=event.get("total") or None, description=_stage_words(event), state="")
            elif event["event"] == "run":
                state = f"{event['done']}/{event['total']} runs{_left(event)}{_score('best', event.get('best'))}"
                word = progress.tasks[0].description
                if not word.startswith("stage"):  # commands without stages of the job
                    word = event["stage"]
                progress.update(line, completed=event["done"], total=event["total"], state=state, description=word)
            else:
                if event["event"] == "effects":
                    progress.rows = tuple(event["rows"]) if event["done"] < event["total"] else ()
                for text in describe(event):
                    progress.console.print(text, markup=False, highlight=False)

        yield observer


def describe(event: Event) -> list[str]:
    """The plain lines for one event.

    Example:
        >>> describe({"event": "stage", "name": "pilot", "index": 4, "of": 16, "total": 4})
        ['stage 4 of 16: pilot (how good the baseline is, and how much scores vary), at most 4 runs']
    """
    name = event["event"]
    if name == "plan":
        return list(event["lines"])
    if name == "stage":
        more = (
            ", already done" if event.get("resumed") else f", at most {event['total']} runs" if event["total"] else ""
        )
        purpose = PURPOSES.get(event["name"], "") if not event.get("resumed") else ""
        return [_stage_words(event) + (f" ({purpose})" if purpose else "") + more]
    if name == "run":
        score = _score("score", event.get("score")) or ", no score"
        place = f"{event['stage']} {event['done']}/{event['total']}"
        return [place + score + _score("best", event.get("best")) + _left(event)]
    if name == "effects":  # in plain lines once, when the screen is through
        return so_far(event["rows"]) if event["done"] == event["total"] else []
    if name == "note":
        return [event["text"]]
    if name == "stage_done" and not event.get("resumed") and event["seconds"] >= 1:
        return [f"{event['name']} done in {clock(event['seconds'])}"]
    return []


def so_far(rows: Iterable[Any]) -> list[str]:
    """The lines of what an unfinished experiment says: each technique's gain, give or take its standard error.

    Example:
        >>> from types import SimpleNamespace
        >>> so_far([SimpleNamespace(technique="A", gain=0.02, error=0.01, on=3, off=4)])
        ['effects so far, from the screen alone:', '  A  +0.02 ± 0.01  (3 runs with it, 4 without)']
    """
    rows = list(rows)
    width = max((len(row.technique) for row in rows), default=0)
    gains = ["" if row.gain is None else f"{row.gain:+.2g}" for row in rows]
    errors = ["" if row.error is None else f" ± {row.error:.2g}" for row in rows]
    lines = [
        f"  {row.technique:<{width}}  {gain + error or 'not known yet'}  ({row.on} runs with it, {row.off} without)"
        for row, gain, error in zip(rows, gains, errors, strict=True)
    ]
    return ["effects so far, from the screen alone:", *lines] if lines else []


def clock(seconds: float) -> str:
    """Seconds as a clock shows them.

    Example:
        >>> clock(42.4), clock(125), clock(3725)
        ('0:42', '2:05', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _stage_words(event: Event) -> str:
    return f"stage {event['index']} of {event['of']}: {event['name']}"


def _score(word: str, value: float | None) -> str:
    return "" if value is None or value != value else f", {word} {value:.4g}"


def _left(event: Event) -> str:
    seconds = event.get("seconds_left")
    if seconds is None or event["done"] >= event["total"]:
        return ""
    job = event.get("job_seconds_left")
    whole = f" ({clock(job)} with the stages to come)" if job and job > seconds + 1 else ""
    return f", {clock(seconds)} left{whole}"
