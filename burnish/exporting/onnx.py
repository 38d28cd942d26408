"""A network to one ONNX file, refused unless ONNX Runtime computes what PyTorch computes.

The file has a free batch axis, holds its weights, and carries no trace of the machine it was made on.
"""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from burnish.errors import BurnishError, ExportMismatch, UsageError
from burnish.exporting.projected import spelled_out
from burnish.exporting.recurrent import lean
from burnish.exporting.runtime import run_all, session
from burnish.ledger.atomic import write_bytes

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["ExportResult", "export_onnx"]

BATCHES = (1, 2, 7)  # sizes the exported model is tried on, besides the whole example
TRACED = 3  # rows the network is traced with: exporters take one row, and two, for constants
LEGACY_OPSET = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """An exported model and how far it is from the network.

    Attributes:
        path: The ONNX file.
        max_abs_difference: Largest absolute difference of an output.
        agreement: Share of examples with the same largest output; for single outputs, within the tolerance.
        opset: ONNX operator set.
        bytes: Size of the file.
        exporter: `dynamo`, or `torchscript` where that one had to help out.
    """

    path: str
    max_abs_difference: float
    agreement: float
    opset: int
    bytes: int
    exporter: str = "dynamo"


def export_onnx(
    model: nn.Module,
    example: torch.Tensor,
    path: Path,
    *,
    tolerance: float = 1e-4,
    opset: int = 20,
    outputs: Sequence[str] = ("output",),
) -> ExportResult:
    """Write `model` in evaluation mode to `path`, once it has been checked on several batch sizes.

    Args:
        model: The network. It is not changed.
        example: Network inputs `(n, ...)`, real ones if possible: the outputs are compared on them.
        path: File to write; it is only touched after the check.
        tolerance: Largest allowed difference, relative to the largest output where that is above one.
        opset: ONNX operator set to aim for.
        outputs: Names of the outputs; where there are several the network gives a tuple.

    Raises:
        UsageError: the example is empty.
        BurnishError: the network uses what no exporter can express.
        ExportMismatch: ONNX Runtime and PyTorch differ.
    """
    if not len(example):
        raise UsageError("the example to export with has no rows; give at least one network input")
    network = copy.deepcopy(model).cpu().eval()
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # or strides enter the graph
    rows = example.detach().cpu().contiguous()
    proto, exporter = _converted(spelled_out(network), rows, opset, outputs)
    _strip(lean(proto))
    content = proto.SerializeToString(deterministic=True)
    with _silence():
        difference, agreement = _compared(content, network, rows, tolerance)
    write_bytes(Path(path), content)
    return ExportResult(
        path=str(path),
        max_abs_difference=difference,
        agreement=agreement,
        opset=proto.opset_import[0].version,
        bytes=len(content),
        exporter=exporter,
    )


def _converted(network: nn.Module, rows: torch.Tensor, opset: int, outputs: Sequence[str]) -> "tuple[ModelProto, str]":
    traced = _repeated(rows, TRACED)
    failures = []
    for name, convert in (("dynamo", _dynamo), ("torchscript", _torchscript)):
        try:
            with _silence():
                proto = convert(network, traced, opset, outputs)
            session(proto.SerializeToString())
        except Exception as error:  # exporters raise whatever the network's code runs into
            failures.append(f"{name}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error)}")
        else:
            return proto, name
    raise BurnishError(
        f"the network cannot be exported to ONNX ({'; '.join(failures)}); its forward may only use tensor operations "
        "with shapes that follow from the input, so look for Python branches or loops over values"
    )


def _dynamo(network: nn.Module, traced: torch.Tensor, opset: int, outputs: Sequence[str]) -> "ModelProto":
    with torch.no_grad():
        program: Any = torch.onnx.export(
            network,
            (traced,),
            dynamo=True,
            opset_version=opset,
            input_names=["input"],
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            external_data=False,
            verbose=False,
        )
    return program.model_proto


def _torchscript(network: nn.Module, traced: torch.Tensor, opset: int, outputs: Sequence[str]) -> "ModelProto":
    import onnx

    buffer = io.BytesIO()
    torch.onnx.export(
        network,
        (traced,),
        buffer,  # type: ignore[arg-type]
        dynamo=False,
        opset_version=min(opset, LEGACY_OPSET),
        input_names=["input"],
        output_names=list(outputs),
        dynamic_axes={name: {0: "batch"} for name in ("input", *outputs)},
    )
    return onnx.load_model_from_string(buffer.getvalue())


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No prints, warnings or log lines of the exporter; it is the comparison that tells whether all is well."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _strip(proto: "ModelProto") -> None:
    """Drop stack traces and other notes: they grow the file and name folders of this machine."""
    graph = proto.graph
    for item in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    for function in proto.functions:
        del function.metadata_props[:]
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]


def _compared(content: bytes, network: nn.Module, rows: torch.Tensor, tolerance: float) -> tuple[float, float]:
    """Largest difference and agreement over all batch sizes; both sides compute every batch size themselves."""
    opened = session(content)
    ours, theirs = [], []
    for size in (*BATCHES, len(rows)):
        batch = _repeated(rows, size)
        with torch.inference_mode():
            ours.append(_table(network(batch)))
        theirs.append(np.concatenate(run_all(opened, batch.numpy(), batch=size), axis=1))
        if ours[-1].shape != theirs[-1].shape:
            raise ExportMismatch(f"ONNX outputs have shape {theirs[-1].shape}, PyTorch's {ours[-1].shape}")
    reference, exported = np.concatenate(ours), np.concatenate(theirs)
    if not np.isfinite(reference).all():
        raise ExportMismatch("the network's own outputs are not finite, so there is nothing to compare an export with")
    allowed = tolerance * max(1.0, float(np.abs(reference).max()))
    distance = np.abs(reference - exported)
    if not distance.max() <= allowed:  # also when it is not a number
        raise ExportMismatch(
            f"ONNX Runtime and PyTorch differ by {distance.max():.3g}, more than the allowed {allowed:.3g}; nothing "
            "was written. Raise the tolerance if that is good enough, or look for what the exporter got wrong"
        )
    same = reference.argmax(1) == exported.argmax(1) if reference.shape[1] > 1 else distance[:, 0] <= allowed
    return float(distance.max()), float(same.mean())


def _table(answer: torch.Tensor | tuple[torch.Tensor, ...]) -> np.ndarray:
    """All outputs side by side."""
    parts = answer if isinstance(answer, tuple) else (answer,)
    return torch.cat([part.float() for part in parts], 1).numpy()


def _repeated(rows: torch.Tensor, size: int) -> torch.Tensor:
    return rows[torch.arange(size) % len(rows)]
