"""The process `latency` starts: times models in turns. `python -m burnish.exporting.latency_process FOLDER`.

Reads the request as JSON from standard input and the inputs from `FOLDER/example.npy`; writes `FOLDER/times.json`.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.errors import UsageError
from burnish.exporting.runtime import TYPES, session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["main", "timed"]

WARM_UP_SECONDS = 0.15
WARM_UP_CALLS = 5
FEWEST_ROUNDS = 20


def timed(
    sessions: "dict[str, InferenceSession]",
    rows: np.ndarray,
    *,
    batch: int,
    repeats: int,
    seconds: float,
    seed: int,
    parent: int,
) -> dict[str, list[float]]:
    """Milliseconds of each call, by model; in every round each model is called once, in random order.

    When the process `parent` is gone nobody waits for the answer, and this one ends too.
    """
    feeds = {name: _feed(opened, rows, batch) for name, opened in sessions.items()}
    for name, opened in sessions.items():
        _warm_up(opened, feeds[name])
    names, generator = list(sessions), np.random.default_rng(seed)
    times: dict[str, list[float]] = {name: [] for name in names}
    start = time.perf_counter()
    for done in range(repeats):
        if done >= FEWEST_ROUNDS and time.perf_counter() - start > seconds:
            break
        if os.name == "posix" and os.getppid() != parent:
            raise SystemExit("the process that asked is gone")
        for i in generator.permutation(len(names)):
            name = names[i]
            before = time.perf_counter_ns()
            sessions[name].run(None, feeds[name])
            times[name].append((time.perf_counter_ns() - before) / 1e6)
    return times


def _feed(opened: "InferenceSession", rows: np.ndarray, batch: int) -> dict[str, np.ndarray]:
    given = opened.get_inputs()[0]
    values = rows[np.arange(batch) % len(rows)].astype(TYPES.get(given.type, np.float32))
    return {given.name: np.ascontiguousarray(values)}


def _warm_up(opened: "InferenceSession", feed: dict[str, np.ndarray]) -> None:
    start, calls = time.perf_counter(), 0
    while calls < WARM_UP_CALLS or time.perf_counter() - start < WARM_UP_SECONDS:
        opened.run(None, feed)
        calls += 1


def main(folder: Path, request: dict[str, Any]) -> None:
    """Carry out `request` and write the times."""
    rows = np.load(folder / "example.npy")
    sessions = {name: session(path, threads=request["threads"]) for name, path in request["models"].items()}
    results: dict[str, dict[str, list[float]]] = {name: {} for name in sessions}
    gc.disable()  # a collection inside a timed call would be counted as the model's
    for batch in request["batches"]:
        times = timed(
            sessions,
            rows,
            batch=batch,
            repeats=request["repeats"],
            seconds=request["seconds"],
            seed=request["seed"],
            parent=request["parent"],
        )
        for name, values in times.items():
            results[name][str(batch)] = values
    (folder / "times.json").write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), json.loads(sys.stdin.read()))
    except UsageError as error:
        print(error, file=sys.stderr)
        sys.exit(UsageError.exit_code)
