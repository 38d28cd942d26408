"""All that is measured of ONNX files on the machine at hand, as one table. Never imports torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.errors import UsageError
from burnish.exporting.footprint import footprint
from burnish.exporting.latency import latency, ratio
from burnish.exporting.memory import peak_memory

__all__ = ["bench"]

Json = dict[str, Any]


def bench(
    models: Sequence[Path], *, batches: Sequence[int] = (1, 32), repeats: int = 400, threads: int = 1
) -> list[Json]:
    """One mapping for each model and batch size.

    Each has `model, batch, p50_ms, p95_ms, p99_ms` (with intervals over the rounds), `ratio` (time relative to the
    first model, paired by rounds), `examples_per_second` at the median, `bytes, parameters, operations, peak_memory`.

    Args:
        models: ONNX files, timed in turns in one fresh process.
        batches: Batch sizes.
        repeats: Rounds.
        threads: Threads inside one operator.

    Raises:
        UsageError: a file is missing, given twice, or no model.
    """
    missing = [str(path) for path in models if not path.is_file()]
    if missing:
        raise UsageError(f"there is no file {', '.join(missing)}")
    names = [str(path) for path in models]
    if len(set(names)) < len(names):
        raise UsageError(f"each file is measured once, got {', '.join(names)}")
    sizes = {name: footprint(name) for name in names}
    measured = latency(dict(zip(names, models, strict=True)), batches=batches, repeats=repeats, threads=threads)
    return [
        {
            "model": name,
            "batch": batch,
            "p50_ms": found.p50,
            "p95_ms": found.p95,
            "p99_ms": found.p99,
            "ratio": ratio(measured[names[0]][batch], found),
            "examples_per_second": 1000 * batch / found.p50.value,
            "bytes": sizes[name].bytes,
            "parameters": sizes[name].parameters,
            "operations": sizes[name].operations,
            "peak_memory": peak_memory(name, batch=batch, threads=threads),
        }
        for name, by_batch in measured.items()
        for batch, found in by_batch.items()
    ]
