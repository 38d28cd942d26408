"""What a study has found so far, on disk.

    ledger/recipe.json              what the directory was started with
    ledger/stages/NAME.json         the result of each finished stage
    ledger/runs/ID/result.json      one directory per finished run, with its arrays and weights
    ledger/openings.jsonl           each opening of the sealed test set
    ledger/seconds.json             time spent per stage, over all sittings
    ledger/progress.json            how far the job is, for people
    ledger/lock                     held by the process that works on the job

A result exists or does not; there is no half. Resuming means running what has none.
"""

import contextlib
import json
import math
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from burnish.errors import LedgerError, NoRunError
from burnish.ledger.atomic import is_temporary, replace_directory, temporary_beside, write_text
from burnish.ledger.lock import holder, locked
from burnish.records import Run, dumps, from_json

__all__ = ["Ledger"]

Json = dict[str, Any]
DAY = 24 * 3600.0  # seconds


class Ledger:
    """The ledger of the run directory `root`."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.path = self.root / "ledger"

    @contextlib.contextmanager
    def alone(self) -> Iterator[Path]:
        """Work on this job as its only driver; what killed drivers and workers left half-written is removed.

        Yields:
            An empty directory for files that are needed as long as the block lasts.

        Raises:
            LedgerError: another process is at work here.
        """
        with locked(self.path / "lock") as sure:
            self._sweep(older=0 if sure else DAY)
            scratch = self._temporary(self.path.resolve() / "scratch")
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
                self._sweep(older=0 if sure else DAY)

    # -- the recipe ------------------------------------------------------------------------------

    def open(self, recipe: Json) -> bool:
        """Start a ledger for `recipe`, or go on with one that has the same recipe.

        Returns:
            True when results of an earlier sitting are there.

        Raises:
            LedgerError: the directory was started with another recipe; the message names the difference.
        """
        file = self.path / "recipe.json"
        recipe = json.loads(dumps(recipe))
        if not file.exists():
            write_text(file, dumps(recipe))
            return False
        before = _read(file)
        changed = [key for key in {**before, **recipe} if before.get(key) != recipe.get(key)]
        if changed:
            lines = "; ".join(f"{key}: was {before.get(key)!r}, now {recipe.get(key)!r}" for key in sorted(changed))
            raise LedgerError(
                f"{self.root} holds another job ({lines}); give another --out, the recipe of before, "
                "or delete the directory"
            )
        return True

    def recipe(self) -> Json:
        """What the directory was started with.

        Raises:
            NoRunError: it is no run directory.
        """
        if not (self.path / "recipe.json").exists():
            problem = "has no ledger/recipe.json" if self.root.exists() else "does not exist"
            raise NoRunError(
                f"{self.root} {problem}; is it a run directory of Burnish? Name the --out of an earlier `burnish run` "
                "or `burnish train`"
            )
        return self._must_read(self.path / "recipe.json")

    # -- stages ----------------------------------------------------------------------------------

    def stage(self, name: str) -> Json | None:
        """The stored result of stage `name`, or None."""
        file = self.path / "stages" / f"{name}.json"
        return _read(file) if file.exists() else None

    def put_stage(self, name: str, result: Json) -> Json:
        """Store the result of stage `name`; returns it as it will be read back."""
        text = dumps(result)
        write_text(self.path / "stages" / f"{name}.json", text)
        return json.loads(text)

    def once(self, name: str, compute: Callable[[], Json]) -> Json:
        """The result of stage `name`, computed and stored only when it is not there yet."""
        found = self.stage(name)
        if found is not None:
            return found
        with self.timed(name):
            result = compute()
        return self.put_stage(name, result)

    def seconds(self) -> dict[str, float]:
        """Seconds spent in each stage, over all sittings."""
        file = self.path / "seconds.json"
        return _read(file) if file.exists() else {}

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add what the block takes to the seconds of stage `name`, less what stages inside it have noted."""
        start, known = time.monotonic(), sum(self.seconds().values())
        try:
            yield
        finally:
            spent = self.seconds()
            own = time.monotonic() - start - (sum(spent.values()) - known)
            spent[name] = spent.get(name, 0.0) + own
            write_text(self.path / "seconds.json", dumps(spent))

    # -- progress --------------------------------------------------------------------------------

    def put_progress(self, state: Json) -> None:
        """Note how far the job is, for readers; nothing depends on it."""
        write_text(self.path / "progress.json", dumps(state))

    def progress(self) -> Json:
        """The last note of how far the job is; empty where there is none."""
        file = self.path / "progress.json"
        return _read(file) if file.exists() else {}

    def at_work(self) -> str | None:
        """Who works on the job now, or None: nobody, or nobody who could be asked for."""
        return holder(self.path / "lock")

    # -- runs ------------------------------------------------------------------------------------

    def run_directory(self, run_id: str) -> Path:
        """Where run `run_id` lies once it is finished."""
        return self.path / "runs" / run_id

    def has_run(self, run_id: str) -> bool:
        """Whether run `run_id` is finished."""
        return (self.run_directory(run_id) / "result.json").exists()

    def run(self, run_id: str) -> Run:
        """The finished run `run_id`.

        Raises:
            LedgerError: there is none, or its file is damaged.
        """
        file = self.run_directory(run_id) / "result.json"
        if not file.exists():
            stage = self.path / "stages" / f"{run_id.rsplit('-', 2)[0]}.json"
            raise LedgerError(f"{self.root} has no result of run {run_id}; delete {stage} and run the command again")
        try:
            return from_json(Run, self._must_read(file))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _damaged(file, error) from error

    def arrays(self, run_id: str) -> dict[str, Any]:
        """The arrays that run `run_id` kept: `outputs` and `rows` of its validation set.

        Raises:
            LedgerError: there are none, or the file is damaged.
        """
        import numpy as np

        file = self.run_directory(run_id) / "predictions.npz"
        try:
            with np.load(file, allow_pickle=False) as found:
                return {name: found[name] for name in found.files}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise LedgerError(
                f"could not read {file}: {error}; delete {file.parent} and run the command again"
            ) from error

    def runs(self, stage: str | None = None) -> Iterator[Run]:
        """All finished runs in order of their names, or those of one stage."""
        folder = self.path / "runs"
        for directory in sorted(folder.iterdir()) if folder.exists() else ():
            if not directory.name.startswith(".") and (directory / "result.json").exists():
                run = self.run(directory.name)
                if stage is None or run.stage == stage:
                    yield run

    def new_run(self, run_id: str) -> Path:
        """A temporary directory to fill with the files of run `run_id` before `finish_run`."""
        return self._temporary(self.run_directory(run_id))

    @contextlib.contextmanager
    def filling(self, run_id: str) -> Iterator[Path]:
        """`new_run` for a block; what it holds goes when the block fails."""
        directory = self.new_run(run_id)
        try:
            yield directory
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    def forget(self, run_id: str) -> None:
        """Remove run `run_id`, so that it is carried out again."""
        shutil.rmtree(self.run_directory(run_id), ignore_errors=True)

    def finish_run(self, directory: Path, run: Run) -> None:
        """Write `run` as the result of the filled temporary `directory` and give it its name."""
        try:
            write_text(directory / "result.json", dumps(run))
        except LedgerError:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        self.keep_run(directory, run.id)

    def keep_run(self, directory: Path, run_id: str) -> None:
        """Give the temporary `directory`, which holds a result, its name as run `run_id`.

        Raises:
            LedgerError: the disk is full or cannot be written.
        """
        try:
            if not self.has_run(run_id):  # what a user left of a damaged run must not stand in the way
                shutil.rmtree(self.run_directory(run_id), ignore_errors=True)
            replace_directory(directory, self.run_directory(run_id))
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise LedgerError(
                f"could not keep run {run_id}: {error.strerror}; the run will be repeated when the command is"
            ) from error

    # -- the sealed test set ---------------------------------------------------------------------

    def record_opening(self, reason: str, fingerprint: str) -> int:
        """Note that the test set `fingerprint` is read because of `reason`; returns how often it was so far.

        A reason that is on record for this fingerprint is the same opening resumed and is not counted again.
        """
        before = self.openings()
        if not any(o["reason"] == reason and o["data"] == fingerprint for o in before):
            before.append(
                {"reason": reason, "data": fingerprint, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            )
            write_text(self.path / "openings.jsonl", "".join(json.dumps(o) + "\n" for o in before))
        return sum(o["data"] == fingerprint for o in before)

    def openings(self) -> list[Json]:
        """All openings of test sets recorded here."""
        file = self.path / "openings.jsonl"
        if not file.exists():
            return []
        try:
            found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            if not all(isinstance(line, dict) and {"reason", "data"} <= line.keys() for line in found):
                raise ValueError("a line is no opening")
        except (OSError, ValueError) as error:
            raise _damaged(file, error) from error
        return found

    # -- helpers ---------------------------------------------------------------------------------

    def _must_read(self, file: Path) -> Json:
        if not file.exists():
            raise LedgerError(f"{self.root} has no {file.relative_to(self.root)}; is it a run directory of Burnish?")
        return _read(file)

    def _temporary(self, path: Path) -> Path:
        directory = temporary_beside(path)
        try:
            directory.mkdir(parents=True)
        except OSError as error:
            raise LedgerError(f"could not create {directory}: {error.strerror}; check disk and permissions") from error
        return directory

    def _sweep(self, *, older: float) -> None:
        """Remove what a killed process left half-written, once it is `older` seconds and so belongs to nobody.

        With 0 the age is not looked at: a clock that was set back makes files look as if they came from the future.
        """
        old = time.time() - older if older else math.inf
        found = [Path(folder, name) for folder, *names in os.walk(self.path) for name in chain(*names)]
        for leftover in [path for path in chain(self.root.glob(".tmp-*"), found) if is_temporary(path.name)]:
            with contextlib.suppress(OSError):  # it may vanish meanwhile
                if leftover.stat().st_mtime <= old:
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _read(file: Path) -> Json:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(file, error) from error
    if not isinstance(found, dict):
        raise _damaged(file, ValueError(f"it holds a {type(found).__name__}"))
    return found


def _damaged(file: Path, error: Exception) -> LedgerError:
    return LedgerError(f"could not read {file}: {error}; delete it and run the command again")
