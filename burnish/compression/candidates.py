"""Int8 candidates: each compared with the float model, and which of them is taken."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from burnish.compression.sensitivity import relative_error
from burnish.errors import NotApplicable
from burnish.exporting.runtime import run, session

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Accept", "Candidate", "Made", "agreement_of", "chosen", "measured"]

Array = np.ndarray
Accept = Callable[[bytes], bool]
CLOSE = 0.1  # relative error up to which size and speed decide; whether the metric suffers is judged afterwards
SLACK = 1.5  # candidates up to this times the smallest error are as good
SAME_SIZE = 1.1
SAME_SPEED = 1.2  # more than what the clock of a busy machine makes of equal kernels
KERNEL_ROWS = 64  # tell whether products overflow; node by node a model is several times slower
ROUNDS = 60  # in each of which every candidate is called once


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to quantize, measured against the float model.

    Attributes:
        kind: `static` (all operators), `static weights` (only those that have weights), each also with ranges by
            `percentile` or `squared error`; `static 7-bit`, `static unsigned`; `dynamic` (ranges of the rows of each
            call, so an output depends a little on the batch it is in); `... with N float layers`.
        bytes: Size of the file.
        relative_error: Root mean square of the difference to the float outputs, relative to their spread.
        agreement: Share of examples with the same largest output; for one output, within a tenth of the spread.
        kernel_error: How far the optimized session is from the same file computed node by node, relative to the
            spread: large where products overflow in this processor's kernels.
        float_layers: Layers that stay float because int8 costs too much there.
        milliseconds: Median time of one call with one row, where speed was asked for.
        error: Why it could not be made; then the numbers say nothing.
    """

    kind: str
    bytes: int = 0
    relative_error: float = float("nan")
    agreement: float = 0.0
    kernel_error: float = 0.0
    float_layers: tuple[str, ...] = ()
    milliseconds: float | None = None
    error: str = ""


Made = tuple[Candidate, bytes]


def measured(
    kind: str, converted: "ModelProto", judged: Array, reference: Array, float_layers: tuple[str, ...] = ()
) -> Made:
    """The converted model as a candidate: run as it will be served, and node by node."""
    content = converted.SerializeToString(deterministic=True)
    outputs = run(content, judged)
    if not np.isfinite(outputs).all():
        return Candidate(kind=kind, error="its outputs are not finite"), b""
    few = slice(None, None, max(1, len(judged) // KERNEL_ROWS))
    plain = run(session(content, optimized=False), judged[few])
    return Candidate(
        kind=kind,
        bytes=len(content),
        relative_error=relative_error(outputs, reference),
        agreement=agreement_of(outputs, reference),
        kernel_error=relative_error(outputs[few], plain),
        float_layers=float_layers,
    ), content


def agreement_of(outputs: Array, reference: Array) -> float:
    """Share of rows with the same answer."""
    if reference.shape[1] > 1:
        return float((outputs.argmax(1) == reference.argmax(1)).mean())
    exact = reference.astype(np.float64)
    spread = max(float(np.sqrt(((exact - exact.mean(0)) ** 2).mean())), 1e-12)
    return float((np.abs(outputs - exact) < spread / 10).mean())


def chosen(tried: Sequence[Made], rows: Array, accept: Accept | None = None) -> tuple[Made, list[Made], bool]:
    """The candidate to ship.

    Of those that are close enough to the float model and nearly as small as the smallest, the closest; before it one
    that is clearly faster, if `accept` takes it. On processors that multiply signed eight-bit numbers fast, unsigned
    weights are the closest and the slowest.

    Args:
        tried: All candidates.
        rows: Network inputs to time with.
        accept: Whether the content of a file is good enough; without it speed is not looked at.

    Returns:
        The choice; all candidates, with times where they were taken; and whether `accept` took the choice.

    Raises:
        NotApplicable: no candidate could be made.
    """
    made = [item for item in tried if not item[0].error]
    if not made:
        reasons = "; ".join(f"{found.kind}: {found.error}" for found, _ in tried)
        raise NotApplicable(f"the model cannot be quantized: {reasons or 'no candidate was asked for'}")
    limit = max(CLOSE, SLACK * min(found.relative_error for found, _ in made))
    close = [item for item in made if item[0].relative_error <= limit]
    smallest = min(found.bytes for found, _ in close)
    small = [item for item in close if item[0].bytes <= SAME_SIZE * smallest]
    closest = min(small, key=_error)
    if accept is None or len(small) < 2:
        return closest, list(tried), False
    times = _milliseconds([content for _, content in small], rows[:1])
    timed = {found.kind: replace(found, milliseconds=ms) for (found, _), ms in zip(small, times, strict=True)}
    known = [(timed.get(found.kind, found), content) for found, content in tried]
    quick = [item for item, ms in zip(small, times, strict=True) if ms <= SAME_SPEED * min(times)]
    best, content = min(quick, key=_error)
    if best.kind != closest[0].kind and accept(content):
        return (timed[best.kind], content), known, True
    return (timed[closest[0].kind], closest[1]), known, False


def _error(made: Made) -> float:
    return made[0].relative_error


def _milliseconds(contents: Sequence[bytes], row: Array) -> list[float]:
    """Median times of calls in turns, so that a load on the machine hits all alike."""
    sessions = [session(content) for content in contents]
    times = np.empty((ROUNDS, len(sessions)))
    for done in times:
        for number, opened in enumerate(sessions):
            start = time.perf_counter_ns()
            run(opened, row)
            done[number] = (time.perf_counter_ns() - start) / 1e6
    return [float(value) for value in np.median(times, axis=0)]
