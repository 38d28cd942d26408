"""Post-training quantization to int8, tried several ways and judged by the session that will serve.

Which way is best depends on the network and on the processor: eight-bit weights saturate where a processor has no
VNNI, convolutions want static ranges, recurrent layers and attention want dynamic ones. So each is converted, run
with all graph optimizations on, and compared with the float model.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, arXiv:1712.05877.
"""

import contextlib
import io
import logging
import platform
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.compression.graph import pooled, tidy
from burnish.errors import NotApplicable, UsageError
from burnish.exporting.runtime import run, session
from burnish.ledger.atomic import write_bytes

if TYPE_CHECKING:
    from onnxruntime.quantization import CalibrationDataReader

__all__ = ["Candidate", "QuantizeResult", "quantize", "saturates"]

Array = np.ndarray
CALIBRATION_ROWS = 256
CALIBRATION_BATCH = 32
CLOSE = 0.1  # relative error up to which size decides; whether the metric suffers is judged afterwards
SLACK = 1.5  # candidates up to this times the smallest error are as good
SAME_SIZE = 1.1
DYNAMIC_OPERATORS = ["MatMul", "Gemm", "LSTM", "Gather"]  # a dynamic convolution is slower than a float one
WEIGHTED_OPERATORS = ["Conv", "Gemm", "MatMul"]
DOTS = ("avx512_vnni", "avx_vnni", "amx_int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to quantize, measured against the float model.

    Attributes:
        kind: `static`, `static 7-bit`, `static unsigned`, `static weights` (only operators that have weights) or
            `dynamic` (ranges of the rows of each call, so an output depends a little on the batch it is in).
        bytes: Size of the file.
        relative_error: Root mean square of the difference to the float outputs, relative to their spread.
        agreement: Share of examples with the same largest output; for one output, within a tenth of the spread.
        error: Why it could not be made; then the numbers say nothing.
    """

    kind: str
    bytes: int = 0
    relative_error: float = float("nan")
    agreement: float = 0.0
    error: str = ""


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
    """

    path: str
    kind: str
    bytes: int
    float_bytes: int
    agreement: float
    relative_error: float
    candidates: tuple[Candidate, ...]


def quantize(
    onnx_path: Path,
    out_path: Path,
    calibration: Array,
    *,
    modality: str,
    evaluation: Array | None = None,
) -> QuantizeResult:
    """Write the best int8 version of a float ONNX model to `out_path`.

    Among the candidates whose outputs are closest to the float model's, the smallest file wins. Labels are not
    looked at, so a metric on the evaluation rows may still be trusted afterwards.

    Args:
        onnx_path: The float model.
        out_path: File to write.
        calibration: Network inputs of training rows; at most 256, evenly spaced, fix the ranges.
        modality: `image`, `text`, `table` or `series`: decides which candidates make sense.
        evaluation: Network inputs the candidates are compared on; the calibration rows by default.

    Raises:
        UsageError: there are no calibration rows, or the model cannot be loaded.
        NotApplicable: no way of quantizing it works; the message says why.
    """
    if not len(calibration):
        raise UsageError("quantization needs network inputs to calibrate on, got none")
    rows = calibration[np.unique(np.linspace(0, len(calibration) - 1, CALIBRATION_ROWS).astype(int))]
    judged = rows if evaluation is None else evaluation
    reference = run(onnx_path, judged)
    tried: list[tuple[Candidate, Path]] = []
    with tempfile.TemporaryDirectory() as folder:
        ready = _prepared(Path(onnx_path), Path(folder))
        for kind, convert in _ways(modality).items():
            target = Path(folder) / f"{len(tried)}.onnx"
            tried.append((_candidate(kind, convert, ready, target, rows, judged, reference), target))
        best, source = _chosen(tried)
        write_bytes(Path(out_path), source.read_bytes())
    return QuantizeResult(
        path=str(out_path),
        kind=best.kind,
        bytes=best.bytes,
        float_bytes=Path(onnx_path).stat().st_size,
        agreement=best.agreement,
        relative_error=best.relative_error,
        candidates=tuple(candidate for candidate, _ in tried),
    )


def saturates() -> bool:
    """Whether products of eight-bit numbers overflow sixteen bits on this processor: x86 without VNNI."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True  # cannot tell: seven-bit weights are right everywhere
    return not any(name in flags for name in DOTS)


# -- ways -----------------------------------------------------------------------------------------

Way = Callable[[Path, Path, Array], None]


def _ways(modality: str) -> dict[str, Way]:
    """Conversions `(float model, file to write, calibration rows)` by kind."""
    narrow = saturates()

    def static(*, reduced: bool = narrow, unsigned: bool = False, operators: list[str] | None = None) -> Way:
        return lambda source, target, rows: _static(source, target, rows, reduced, unsigned, operators)

    ways = {"static": static(), "static weights": static(operators=WEIGHTED_OPERATORS)}
    if not narrow:
        ways["static 7-bit"] = static(reduced=True)
    ways["static unsigned"] = static(reduced=False, unsigned=True)
    if modality != "image":
        ways["dynamic"] = lambda source, target, rows: _dynamic(source, target, narrow)
    return ways


def _static(
    source: Path, target: Path, rows: Array, reduced: bool, unsigned: bool, operators: list[str] | None
) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    quantize_static(
        str(source),
        str(target),
        _reader(source, rows),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=operators,
        per_channel=True,
        reduce_range=reduced,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"MatMulConstBOnly": True},
    )


def _dynamic(source: Path, target: Path, reduced: bool) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(source),
        str(target),
        op_types_to_quantize=DYNAMIC_OPERATORS,
        per_channel=True,
        reduce_range=reduced,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def _reader(source: Path, rows: Array) -> "CalibrationDataReader":
    from onnxruntime.quantization import CalibrationDataReader

    name = session(source).get_inputs()[0].name
    feeds = ({name: rows[i : i + CALIBRATION_BATCH]} for i in range(0, len(rows), CALIBRATION_BATCH))

    class Reader(CalibrationDataReader):
        def get_next(self) -> Any:
            return next(feeds, None)

    return Reader()


def _prepared(source: Path, folder: Path) -> Path:
    """The model with constants folded (recurrent weights become plain) and means that int8 kernels know."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = folder / "ready.onnx"
    try:
        with _silence():
            quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
            onnx.save(pooled(onnx.load(str(ready))), str(ready))
            session(ready)
    except Exception:  # preparation only helps; the model as it is can be quantized too
        shutil.copy(source, ready)
    return ready


# -- judging --------------------------------------------------------------------------------------


def _candidate(
    kind: str, convert: Way, source: Path, target: Path, rows: Array, judged: Array, reference: Array
) -> Candidate:
    import onnx

    try:
        with _silence():
            convert(source, target, rows)
            target.write_bytes(tidy(onnx.load(str(target))).SerializeToString(deterministic=True))
        outputs = run(target, judged)
    except Exception as error:  # converters raise whatever an operator they do not expect leads to
        return Candidate(kind=kind, error=f"{type(error).__name__}: {error}".splitlines()[0])
    if not np.isfinite(outputs).all():
        return Candidate(kind=kind, error="its outputs are not finite")
    exact = reference.astype(np.float64)  # squares of a collapsed network's outputs overflow float32
    spread = max(float(np.sqrt(((exact - exact.mean(0)) ** 2).mean())), 1e-12)
    distance = outputs - exact
    same = outputs.argmax(1) == reference.argmax(1) if reference.shape[1] > 1 else np.abs(distance) < spread / 10
    return Candidate(
        kind=kind,
        bytes=target.stat().st_size,
        relative_error=float(np.sqrt((distance**2).mean())) / spread,
        agreement=float(same.mean()),
    )


def _chosen(tried: list[tuple[Candidate, Path]]) -> tuple[Candidate, Path]:
    """Of those that are close enough to the float model, the smallest; of equally small ones, the closest."""
    made = [item for item in tried if not item[0].error]
    if not made:
        reasons = "; ".join(f"{candidate.kind}: {candidate.error}" for candidate, _ in tried)
        raise NotApplicable(f"the model cannot be quantized: {reasons}")
    limit = max(CLOSE, SLACK * min(candidate.relative_error for candidate, _ in made))
    close = [item for item in made if item[0].relative_error <= limit]
    smallest = min(candidate.bytes for candidate, _ in close)
    small = [item for item in close if item[0].bytes <= SAME_SIZE * smallest]
    return min(small, key=lambda item: item[0].relative_error)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No log lines and prints of the converter: what it has to say shows in the comparison."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
