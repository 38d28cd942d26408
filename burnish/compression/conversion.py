"""Float ONNX graphs to int8 ones, with ONNX Runtime's quantizer and our own ranges."""

import contextlib
import io
import logging
import platform
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from burnish.compression.graph import pooled, tidy
from burnish.compression.ranges import Ranges
from burnish.exporting.runtime import session

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["WEIGHTED_OPERATORS", "Layout", "dynamic", "prepared", "saturates", "silence", "static"]

DYNAMIC_OPERATORS = ["MatMul", "Gemm", "LSTM", "Gather"]  # a dynamic convolution is slower than a float one
WEIGHTED_OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
DOTS = ("avx512_vnni", "avx_vnni", "amx_int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What of a graph becomes int8, and how.

    Attributes:
        reduced: Weights of seven bits, for processors whose products of eight-bit numbers overflow.
        unsigned: Weights from 0 to 255 instead of -127 to 127: exact everywhere, slower.
        operators: Kinds of nodes; None for all that have an int8 kernel.
        only: Names of nodes; empty for all.
        excluded: Names of nodes that stay float.
    """

    reduced: bool = False
    unsigned: bool = False
    operators: tuple[str, ...] | None = None
    only: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def saturates() -> bool:
    """Whether products of eight-bit numbers overflow sixteen bits on this processor: x86 without VNNI."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True  # cannot tell: seven-bit weights are right everywhere
    return not any(name in flags for name in DOTS)


def prepared(source: Path | str) -> "ModelProto":
    """The model with constants folded (recurrent weights become plain), every node named, and int8-able means."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        with silence(), tempfile.TemporaryDirectory() as folder:
            ready = Path(folder) / "ready.onnx"
            quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
            model = pooled(onnx.load(str(ready)))
            session(model.SerializeToString())
    except Exception:  # preparation only helps; the model as it is can be quantized too
        model = onnx.load(str(source))
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return model


def static(model: "ModelProto", ranges: Ranges, layout: Layout) -> "ModelProto":
    """A copy of the prepared `model` with int8 weights per channel and activations quantized to `ranges`.

    Args:
        model: What `prepared` gave.
        ranges: Of every floating-point activation.
        layout: What becomes int8.
    """
    from onnx import ModelProto, shape_inference
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorsData

    bounds = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    copied = ModelProto()
    copied.CopyFrom(shape_inference.infer_shapes(model))
    with silence():
        quantizer = QDQQuantizer(
            copied,
            True,
            layout.reduced,
            QuantType.QUInt8 if layout.unsigned else QuantType.QInt8,
            QuantType.QUInt8,
            TensorsData(CalibrationMethod.MinMax, bounds),
            list(layout.only),
            list(layout.excluded),
            list(layout.operators or _all_operators()),
            {"MatMulConstBOnly": True},
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    return tidy(quantizer.model.model)


def dynamic(model: "ModelProto", *, reduced: bool) -> "ModelProto":
    """A copy of the prepared `model` with int8 weights, whose activations get their ranges anew in each call."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with silence(), tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "ready.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, str(source))
        quantize_dynamic(
            str(source),
            str(target),
            op_types_to_quantize=DYNAMIC_OPERATORS,
            per_channel=True,
            reduce_range=reduced,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        return tidy(onnx.load(str(target)))


def _all_operators() -> Sequence[str]:
    """All that have an int8 kernel; normalizations have none, and would only lose precision."""
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    return sorted(name for name in {*QDQRegistry, *QLinearOpsRegistry} if not name.endswith("Normalization"))


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """No log lines and prints of the converter: what it has to say shows in the comparison."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
