"""Arrays in memory: layouts and checks."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from burnish.data.raw import Options, Raw
from burnish.data.targets import clean
from burnish.errors import DataError

__all__ = ["canonical", "read_arrays"]

Array = np.ndarray


def canonical(array: Array, modality: str) -> tuple[Array, str]:
    """`array` in the layout it is stored in, and a note where that was a choice.

    Images become `uint8` NHWC or `float32` NCHW, tokens `int32` `(n, T)`, tables `float32` `(n, F)`, series
    `float32` `(n, C, L)`.

    Raises:
        DataError: the shape does not fit the modality.
    """
    if modality == "image":
        return _image_layout(array)
    if modality == "text":
        return _token_layout(array)
    if modality == "series":
        stored = array[:, None, :] if array.ndim == 2 else array
        _check_shape(stored, 3, "series are arrays (n, channels, length) or (n, length)")
        return stored.astype(np.float32, copy=False), ""
    _check_shape(array, 2, "tables are arrays (n, features)")
    return array.astype(np.float32, copy=False), ""


def _check_shape(array: Array, dimensions: int, expected: str) -> None:
    if array.ndim != dimensions:
        raise DataError(f"inputs of shape {array.shape}; {expected}: reshape them, or name another modality")


def _image_layout(array: Array) -> tuple[Array, str]:
    if array.ndim == 3:
        array = array[:, None]
    _check_shape(array, 4, "images are arrays (n, C, H, W), (n, H, W, C) or (n, H, W)")
    first, last = array.shape[1] in (1, 3), array.shape[3] in (1, 3)
    whole = array.dtype.kind in "iu" and array.dtype != np.uint8
    if whole and array.min() >= 0 and array.max() <= 255:
        array = array.astype(np.uint8)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array if last and not first else np.moveaxis(array, 1, -1)), ""
    if last and not first:
        array = np.moveaxis(array, -1, 1)
        return np.ascontiguousarray(array, dtype=np.float32), "images taken as (n, H, W, C)"
    return np.ascontiguousarray(array, dtype=np.float32), ""


def _token_layout(array: Array) -> tuple[Array, str]:
    _check_shape(array, 2, "token numbers are arrays (n, length)")
    if array.dtype.kind not in "iu" or array.min(initial=0) < 0:
        raise DataError(f"token numbers are whole and not negative; got {array.dtype} from {array.min()}")
    empty = ~array.any(axis=1)
    stored = array.astype(np.int32)
    stored[empty, 0] = 1  # an example of padding alone has nothing to attend to
    return stored, "token 0 is taken as padding"


def read_arrays(
    inputs: Any, targets: Any, options: Options, *, as_is: bool = False, names: tuple[str, ...] = ()
) -> Raw:
    """Inputs and targets in memory: numpy arrays, tensors, a `DataFrame`, or a list of texts.

    Raises:
        DataError: there are no examples, or values are not finite.
    """
    shared = partial(
        Raw,
        targets=clean(_array(targets)),
        names=names,
        groups=_column(options.group, "group"),
        times=_column(options.time, "time"),
    )
    if hasattr(inputs, "iloc"):
        return shared(inputs=inputs.reset_index(drop=True), kind="frame")
    array = _array(inputs)
    if array.dtype.kind in "UT" or (array.dtype == object and _are_texts(array)):
        return shared(inputs=[str(v) for v in array], kind="texts")
    _check_numbers(array)
    if array.ndim == 1:
        array = array[:, None]
    modality = options.modality or _infer_modality(array, as_is)
    raw = shared(inputs=array, kind="array", modality=modality, as_is=as_is)
    return raw if as_is or modality != "table" else _as_frame(raw)


def _as_frame(raw: Raw) -> Raw:
    """A plain array as a table, so that its columns are standardized on the training rows."""
    import pandas as pd

    if raw.inputs.ndim != 2:
        raise DataError(f"a table has shape (n, features), these inputs {raw.inputs.shape}: name another modality")
    columns = [f"x{i}" for i in range(raw.inputs.shape[1])]
    return replace(raw, inputs=pd.DataFrame(raw.inputs, columns=columns), kind="frame")


def _infer_modality(array: Array, as_is: bool) -> str:
    if array.ndim == 4 or (array.ndim == 3 and array.dtype == np.uint8):
        return "image"
    if array.ndim == 3:
        return "series"
    return "text" if as_is and array.dtype.kind in "iu" else "table"


def _array(values: Any) -> Array:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"examples have different shapes ({error}): bring them to one shape first") from error


def _column(values: Any, name: str) -> Array | None:
    if values is None:
        return None
    if isinstance(values, str):
        raise DataError(f"{name}={values!r} names a column, but the inputs are arrays: give an array of {name} values")
    column = _array(values)
    if column.dtype.kind in "fM" and (column != column).any():
        raise DataError(f"{int((column != column).sum())} {name} values are missing: fill them")
    return column


def _are_texts(array: Array) -> bool:
    return array.ndim == 1 and all(isinstance(v, str) for v in array[:100].tolist())


def _check_numbers(array: Array) -> None:
    if len(array) == 0:
        raise DataError("the inputs hold no example")
    if array.dtype.kind not in "iufb":
        raise DataError(f"inputs of type {array.dtype} are neither numbers nor texts: give one array of numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(f"{bad} of {array.size} input values are NaN or infinite: fill or drop them first")
    if array.dtype == np.float64 and np.abs(array).max(initial=0) > np.finfo(np.float32).max:
        raise DataError(f"the inputs hold {np.abs(array).max():.3g}, too large to compute with: correct or rescale it")
