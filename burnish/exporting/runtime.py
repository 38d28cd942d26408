"""ONNX Runtime sessions, set up the same way wherever an exported model is run. Never imports torch."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from burnish.errors import UsageError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["example_inputs", "run", "run_all", "session"]

Array = np.ndarray
TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


def session(model: "Path | str | bytes", *, threads: int = 1, optimized: bool = True) -> "InferenceSession":
    """A session on the CPU with a fixed number of threads and all graph optimizations, as a model is served.

    Args:
        model: File, or content, of an ONNX model.
        threads: Threads inside one operator.
        optimized: False computes node by node as the file says, which shows what the fused kernels change.

    Raises:
        UsageError: there is no such file, or it is no ONNX model that this runtime can load.
    """
    import onnxruntime

    if not isinstance(model, bytes) and not Path(model).is_file():
        raise UsageError(f"there is no file {str(model)!r}; give the path of an ONNX model")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        content = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises half a dozen types of its own
        shown = "the model" if isinstance(model, bytes) else str(model)
        raise UsageError(f"ONNX Runtime {onnxruntime.__version__} cannot load {shown}: {error}") from error


def run(model: "Path | str | bytes | InferenceSession", inputs: Array, *, batch: int = 256, threads: int = 1) -> Array:
    """The first outputs `(n, outputs)`, float32, for network inputs `(n, ...)`; see `run_all`."""
    return run_all(model, inputs, batch=batch, threads=threads)[0]


def run_all(
    model: "Path | str | bytes | InferenceSession", inputs: Array, *, batch: int = 256, threads: int = 1
) -> list[Array]:
    """All outputs, each `(n, ...)`, for network inputs `(n, ...)`, computed in batches of `batch`.

    Args:
        model: A session, or what `session` takes.
        inputs: What the network sees; whole numbers are passed on as int64, all else as float32.
        batch: Rows given to the model at once.
        threads: Threads, where a session has to be opened.

    Raises:
        UsageError: the inputs do not fit the model.
    """
    opened = session(model, threads=threads) if isinstance(model, Path | str | bytes) else model
    given = opened.get_inputs()[0]
    values = np.asarray(inputs).astype(TYPES.get(given.type, np.float32), copy=False)
    _check_shape(values, given.shape)
    if not len(values):
        raise UsageError("there are no inputs to run the model on")
    parts = [values[start : start + batch] for start in range(0, len(values), batch)]
    try:
        answers = [opened.run(None, {given.name: np.ascontiguousarray(part)}) for part in parts]
        return [np.concatenate(found) for found in zip(*answers, strict=True)]
    except Exception as error:  # the runtime raises half a dozen types of its own
        raise UsageError(f"the model fails on inputs of shape {values.shape}: {error}") from error


def example_inputs(model: "Path | str | bytes | InferenceSession", rows: int, *, seed: int = 0) -> Array:
    """Made-up inputs of the shape and type `model` takes: standard normal numbers, or tokens that all are 1.

    Good for timing, which does not depend on the values; not for judging outputs.

    Raises:
        UsageError: an axis other than the first has no fixed length.
    """
    opened = session(model) if isinstance(model, Path | str | bytes) else model
    given = opened.get_inputs()[0]
    shape = given.shape[1:]
    if not all(isinstance(length, int) for length in shape):
        raise UsageError(f"the model takes inputs of shape {given.shape}; lengths other than the first must be fixed")
    if given.type == "tensor(int64)":
        return np.ones((rows, *shape), dtype=np.int64)
    return np.random.default_rng(seed).standard_normal((rows, *shape)).astype(np.float32)


def _check_shape(values: Array, expected: list[int | str]) -> None:
    fits = values.ndim == len(expected) and all(
        not isinstance(length, int) or length == given
        for given, length in zip(values.shape[1:], expected[1:], strict=True)
    )
    if not fits or not len(values):
        raise UsageError(f"got inputs of shape {values.shape}; the model takes {tuple(expected)}, at least one row")
