"""Post-training quantization to int8, tried several ways and judged by the session that will serve.

Which way is best depends on the network and on the processor: eight-bit weights saturate where a processor has no
VNNI, convolutions want static ranges, recurrent layers and attention want dynamic ones. So each is converted, run
with all graph optimizations on, and compared with the float model. Where even the best is too far from it, the
layers that cause the error go back to float.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, arXiv:1712.05877.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from burnish.compression.candidates import Accept, Candidate, Made, agreement_of, chosen, measured
from burnish.compression.conversion import WEIGHTED_OPERATORS, Layout, dynamic, prepared, saturates, static
from burnish.compression.ranges import Histogram, Ranges, collect, ranges_of
from burnish.compression.sensitivity import Sensitivity, fall_back, sensitivities
from burnish.data.spacing import spaced
from burnish.errors import BurnishError, UsageError
from burnish.exporting.runtime import run
from burnish.ledger.atomic import write_bytes

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Candidate", "QuantizeResult", "Way", "calibration_rows", "candidate", "histograms_of", "quantize", "ways"]

Array = np.ndarray
CALIBRATION_ROWS = 256
CALIBRATION_BATCH = 32
AGREEMENT = 0.98  # below it layers go back to float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to quantize.

    Attributes:
        kind: Its name.
        layout: What becomes int8; None for dynamic ranges.
        method: How static ranges are chosen, one of `ranges.METHODS`.
        reduced: Seven-bit weights, where the ranges are dynamic.
    """

    kind: str
    layout: Layout | None = None
    method: str = "minmax"
    reduced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeResult:
    """The chosen int8 model and what it was chosen from.

    Attributes:
        path: The ONNX file.
        kind: Which candidate it is.
        bytes: Size of the file.
        float_bytes: Size of the float model's file.
        agreement: Share of examples with the float model's answer.
        relative_error: Difference to the float outputs, relative to their spread.
        candidates: All that was tried.
        kernel_error: Difference between the optimized session and the file computed node by node.
        float_layers: Layers that stayed float.
        sensitivity: Layers by the error they cause alone, the worst first; empty where none had to be looked at.
    """

    path: str
    kind: str
    bytes: int
    float_bytes: int
    agreement: float
    relative_error: float
    candidates: tuple[Candidate, ...]
    kernel_error: float = 0.0
    float_layers: tuple[str, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = field(default=())


def quantize(
    onnx_path: Path,
    out_path: Path,
    calibration: Array,
    *,
    modality: str,
    evaluation: Array | None = None,
    kinds: Sequence[str] | None = None,
    agreement: float = AGREEMENT,
    accept: Accept | None = None,
) -> QuantizeResult:
    """Write the best int8 version of a float ONNX model to `out_path`.

    Among the small candidates whose outputs are close to the float model's, one that is clearly faster than the closest
    wins if `accept` takes it; else the closest. Labels are not looked at here.

    Args:
        onnx_path: The float model.
        out_path: File to write.
        calibration: Network inputs of training rows; at most 256, evenly spaced, fix the ranges.
        modality: `image`, `text`, `table` or `series`: decides which candidates make sense.
        evaluation: Network inputs the candidates are compared on; the calibration rows by default.
        kinds: Only these candidates are tried; all that make sense without.
        agreement: Share of rows that must keep the float model's answer; where the best candidate falls short, the
            layers that cause most error go back to float until it does not. 0 keeps all int8.
        accept: Whether the content of a file is good enough; asked once at most. Without it speed is not looked at, and
            the same rows give the same file.

    Raises:
        UsageError: there are no calibration rows, or the model cannot be loaded.
        NotApplicable: no way of quantizing it works; the message says why.
    """
    rows = calibration_rows(calibration)
    judged = rows if evaluation is None else evaluation
    reference = run(onnx_path, judged)
    model = prepared(onnx_path)
    histograms = histograms_of(model, rows)
    tried = [
        candidate(way, model, histograms, judged, reference)
        for way in ways(modality)
        if kinds is None or way.kind in kinds
    ]
    (best, content), tried, taken = chosen(tried, judged, accept)
    ranked: tuple[Sensitivity, ...] = ()
    if not taken and best.agreement < agreement:
        mixed, ranked = _mixed(model, histograms, modality, tried, rows, judged, reference, agreement)
        tried += mixed
        best, content = next((item for item in mixed if not item[0].error), (best, content))
    write_bytes(Path(out_path), content)
    return QuantizeResult(
        path=str(out_path),
        kind=best.kind,
        bytes=best.bytes,
        float_bytes=Path(onnx_path).stat().st_size,
        agreement=best.agreement,
        relative_error=best.relative_error,
        candidates=tuple(item for item, _ in tried),
        kernel_error=best.kernel_error,
        float_layers=best.float_layers,
        sensitivity=ranked,
    )


def calibration_rows(calibration: Array) -> Array:
    """At most 256 of the rows, evenly spaced.

    Raises:
        UsageError: there are none.
    """
    if not len(calibration):
        raise UsageError("quantization needs network inputs to calibrate on, got none")
    return calibration[spaced(len(calibration), CALIBRATION_ROWS)]


def ways(modality: str) -> tuple[Way, ...]:
    """The ways that make sense for data of `modality` on this processor."""
    narrow = saturates()
    all_operators, weights = Layout(reduced=narrow), Layout(reduced=narrow, operators=WEIGHTED_OPERATORS)
    found = [
        Way(kind=name if method == "minmax" else f"{name}, {method}", layout=layout, method=method)
        for name, layout in (("static", all_operators), ("static weights", weights))
        for method in ("minmax", "percentile", "squared error")
    ]
    if not narrow:
        found.append(Way(kind="static 7-bit", layout=Layout(reduced=True)))
    found.append(Way(kind="static unsigned", layout=Layout(unsigned=True)))
    if modality != "image":
        found.append(Way(kind="dynamic", reduced=narrow))
    return tuple(found)


def candidate(
    way: Way,
    model: "ModelProto",
    histograms: "dict[str, Histogram] | Exception",
    judged: Array,
    reference: Array,
    *,
    learned: Ranges | None = None,
) -> Made:
    """The model converted one way and compared with the float outputs; with the content of its file.

    Args:
        way: How.
        model: The float model, as `prepared` gives it.
        histograms: Its activations on the calibration rows, or why there are none.
        judged: Network inputs it is compared on.
        reference: The float model's outputs for them.
        learned: Ranges that replace those of the histograms.
    """
    try:
        if way.layout is None:
            converted = dynamic(model, reduced=way.reduced)
        elif isinstance(histograms, Exception):
            raise histograms
        else:
            converted = static(model, ranges_of(histograms, way.method) | (learned or {}), way.layout)
        return measured(way.kind, converted, judged, reference)
    except Exception as error:  # converters raise whatever an operator they do not expect leads to
        return Candidate(kind=way.kind, error=f"{type(error).__name__}: {error}".splitlines()[0]), b""


def histograms_of(model: "ModelProto", rows: Array) -> "dict[str, Histogram] | Exception":
    """The activations of the prepared `model` on the calibration rows, or why they have no ranges."""
    try:
        return collect(model, (rows[i : i + CALIBRATION_BATCH] for i in range(0, len(rows), CALIBRATION_BATCH)))
    except BurnishError as error:  # dynamic ranges may still work
        return error


def _mixed(
    model: "ModelProto",
    histograms: "dict[str, Histogram] | Exception",
    modality: str,
    tried: Sequence[Made],
    rows: Array,
    judged: Array,
    reference: Array,
    agreement: float,
) -> tuple[list[Made], tuple[Sensitivity, ...]]:
    """The closest static candidate with its worst layers float, and what each layer costs."""
    found = sorted((made.relative_error, made.kind) for made, _ in tried if not made.error and made.kind != "dynamic")
    if not found or isinstance(histograms, Exception):
        return [], ()
    way = next(way for way in ways(modality) if way.kind == found[0][1])
    assert way.layout is not None
    ranges = ranges_of(histograms, way.method)
    try:
        ranked = sensitivities(model, ranges, way.layout, rows)
        mixed = fall_back(
            model,
            ranges,
            way.layout,
            ranked,
            lambda trial: agreement_of(run(trial.SerializeToString(), judged), reference) >= agreement,
        )
    except Exception as error:  # as for any candidate
        return [(Candidate(kind=f"{way.kind} with float layers", error=str(error).splitlines()[0]), b"")], ()
    if mixed is None:
        return [], ranked
    kind = f"{way.kind} with {len(mixed[1])} float layer{'s' * (len(mixed[1]) > 1)}"
    return [measured(kind, mixed[0], judged, reference, mixed[1])], ranked
