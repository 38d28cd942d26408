"""What training and serving cost, and how much the score varies from run to run."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Section, Table, Text
from burnish.reporting.format import DASH, bytes_text, count, duration, estimate, milliseconds, number, short_count
from burnish.reporting.view import View

__all__ = ["speed"]

TITLE = "Speed, size, stability"
ARMS = ("baseline", "shipped")


def speed(view: View) -> Section:
    """Training speed, latency, memory and size of baseline and shipped model, and the spread over splits and seeds."""
    if view.skipped("speed"):
        return Section(id="speed", title=TITLE, blocks=(Text(text=view.skipped("speed"), tone="skipped"),))
    found = view.mapping("speed")
    rows = [*_training(found), *_serving(found), *_stability(view)]
    shown = [row for row in rows if any(cell.text not in (DASH, "") for cell in row[1:])]
    columns = (Column(name="Trait"), *(Column(name=arm, kind="num") for arm in ARMS))
    blocks: list[Block] = [Table(columns=columns, rows=tuple(shown))]
    lead = "One training run each; latency and memory of the exported files on this machine, one thread."
    return Section(id="speed", title=TITLE, lead=lead, blocks=tuple(blocks))


def _row(name: str, found: dict[str, Any], key: str, text: Any) -> tuple[Cell, ...]:
    return (Cell(text=name), *(Cell(text=text(found[arm].get(key))) for arm in ARMS))


def _training(found: dict[str, Any]) -> list[tuple[Cell, ...]]:
    return [
        _row("examples per second in training", found, "examples_per_second", short_count),
        _row("training time", found, "train_seconds", duration),
        _row("training time to the baseline's best score", found, "seconds_to_baseline", _reached),
    ]


def _reached(value: Any) -> str:
    return "not reached" if number(value) is None else duration(value)


def _serving(found: dict[str, Any]) -> list[tuple[Cell, ...]]:
    batches = sorted({b for arm in ARMS for b in found[arm].get("latency_ms") or {}}, key=int)
    latencies = [
        (
            Cell(text=f"latency, batch {batch}, {point}"),
            *(_latency((found[arm].get("latency_ms") or {}).get(batch, {}).get(point)) for arm in ARMS),
        )
        for batch in batches
        for point in ("p50", "p99")
    ]
    return [
        *latencies,
        _row("examples per second, largest batch", found, "throughput", short_count),
        _row(f"peak memory of serving a batch of {found.get('batch')}", found, "peak_memory", bytes_text),
        _row("size of the file", found, "bytes", bytes_text),
        _row("parameters in training", found, "parameters", count),
        _row("operations per example in training", found, "operations", short_count),
    ]


def _latency(value: Any) -> Cell:
    found = estimate(value)
    if found is None:
        return Cell(text=DASH)
    detail = "" if found.low is None else f"[{milliseconds(found.low)[:-3]}, {milliseconds(found.high)[:-3]}]"
    return Cell(text=milliseconds(found.value), detail=detail)


def _stability(view: View) -> list[tuple[Cell, ...]]:
    found, scale = view.mapping("stability"), view.scale
    if not found:
        return []

    def spread(arm: str) -> Cell:
        deviation = estimate(found[arm].get("deviation"))
        if deviation is None:
            return Cell(text=DASH)
        return Cell(text=scale.gain(deviation).lstrip("+"), detail=f"{scale.interval(deviation)} n = {deviation.n}")

    def ends(arm: str) -> Cell:
        least, most = found[arm].get("least"), found[arm].get("most")
        return Cell(text=DASH if number(least) is None else f"{scale.bare(least)} to {scale.score(most)}")

    return [
        (Cell(text=f"deviation of {scale.label} over splits and seeds"), *(spread(arm) for arm in ARMS)),
        (Cell(text="worst and best of these runs"), *(ends(arm) for arm in ARMS)),
    ]
