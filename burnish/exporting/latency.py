"""How long exported models take, measured so that the numbers can be compared. Never imports torch.

All models are timed in one fresh process with a fixed number of threads, call by call in turns and in random
order, so that whatever else slows the machine down slows them all down.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from burnish.errors import UsageError
from burnish.exporting.fresh_process import run_fresh
from burnish.exporting.runtime import example_inputs
from burnish.records import Estimate

__all__ = ["Latency", "latency", "quantile", "ratio", "summary"]

Array = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time of one call in milliseconds.

    Attributes:
        p50: Median with its interval.
        p95: The time that 95 of 100 calls stay under.
        p99: The time that 99 of 100 calls stay under.
        samples: All timed calls, in the order of the rounds; round i of one model belongs to round i of another.
    """

    p50: Estimate
    p95: Estimate
    p99: Estimate
    samples: tuple[float, ...]


def latency(
    models: Mapping[str, Path | str],
    example: Array | None = None,
    *,
    batches: Sequence[int] = (1, 32),
    repeats: int = 400,
    seconds: float = 4.0,
    threads: int = 1,
    level: float = 0.95,
    seed: int = 0,
    processes: int = 1,
) -> dict[str, dict[int, Latency]]:
    """Median and 99th percentile of the time per call, of each model at each batch size.

    Args:
        models: ONNX files by name.
        example: Network inputs `(n, ...)` to time with, repeated to the batch size; made up when None.
        batches: Batch sizes.
        repeats: Rounds; in each, every model is called once.
        seconds: At most about this long for each batch size; rounds that do not fit are left out, but 20 are made.
        threads: Threads inside one operator.
        level: Coverage of the intervals.
        seed: Seed of the order in each round.
        processes: Fresh processes that share the rounds and the seconds: where a process happens to put things in
            memory moves its times by a few percent.

    Raises:
        UsageError: there are no models, or a file cannot be loaded.
        BurnishError: the measuring process failed.
    """
    if not models:
        raise UsageError("there is no model to measure; name at least one ONNX file")
    first = next(iter(models.values()))
    rows = example_inputs(first, 1, seed=seed) if example is None else np.asarray(example)[: max(batches)]
    request = {
        "models": {name: str(path) for name, path in models.items()},
        "batches": list(batches),
        "repeats": max(1, repeats // processes),
        "seconds": seconds / processes,
        "threads": threads,
        "parent": os.getpid(),
    }
    measured = [_in_fresh_process(request | {"seed": seed + turn}, rows, threads) for turn in range(processes)]
    return {
        name: {batch: summary([t for times in measured for t in times[name][str(batch)]], level) for batch in batches}
        for name in models
    }


def ratio(before: Latency, after: Latency, *, level: float = 0.95) -> Estimate:
    """Median over the rounds of `after / before`: below one is faster. Both must come from the same measurement.

    Raises:
        UsageError: they have different numbers of rounds.
    """
    if len(before.samples) != len(after.samples):
        raise UsageError(f"{len(before.samples)} and {len(after.samples)} rounds: measure both models in one call")
    return quantile(np.array(after.samples) / np.array(before.samples), 0.5, level=level, unit="ratio")


def quantile(samples: Array, q: float, *, level: float = 0.95, unit: str = "ms") -> Estimate:
    """The `q` quantile with an interval between two order statistics, which assumes no distribution.

    An end that would lie beyond the samples leaves the interval open: then there is none.

    Source: Conover, "Practical Nonparametric Statistics", 3rd edition, 1999, section 3.2.

    Example:
        >>> print(quantile(np.arange(1.0, 102.0), 0.5))
        51 [41, 61] (n=101 examples)
    """
    from scipy.stats import binom

    ordered, n = np.sort(samples), len(samples)
    below = int(binom.ppf((1 - level) / 2, n, q)) - 1
    above = int(binom.ppf((1 + level) / 2, n, q))
    low, high = (float(ordered[below]), float(ordered[above])) if below >= 0 and above < n else (None, None)
    return Estimate(value=float(np.quantile(samples, q)), low=low, high=high, n=n, level=level, unit=unit)


def _in_fresh_process(request: dict[str, object], rows: Array, threads: int) -> dict[str, dict[str, list[float]]]:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "example.npy", rows)
        run_fresh(
            "burnish.exporting.latency_process",
            folder,
            threads=threads,
            measuring="latency",
            given=json.dumps(request),
        )
        return json.loads((Path(folder) / "times.json").read_text(encoding="utf-8"))


def summary(samples: Sequence[float], level: float = 0.95) -> Latency:
    """Medians and tails of the times of calls, in milliseconds."""
    times = np.asarray(samples, dtype=np.float64)
    return Latency(
        p50=quantile(times, 0.5, level=level),
        p95=quantile(times, 0.95, level=level),
        p99=quantile(times, 0.99, level=level),
        samples=tuple(times.tolist()),
    )
