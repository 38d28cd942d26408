"""Any torch `Dataset` or loader, read once into arrays. Duck-typed: torch is not imported here.

The user's preprocessing is kept: float inputs stay as they are. What is random in it is drawn once,
with the seed of the load, and a note says so.
"""

import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from burnish.data.arrays import read_arrays
from burnish.data.images import is_grey, pixels
from burnish.data.raw import Options, Raw
from burnish.errors import DataError

__all__ = ["is_dataset", "length", "read_dataset"]

Array = np.ndarray
Example = tuple[Any, Any]
INPUT_KEYS = ("image", "pixel_values", "inputs", "input", "x", "img", "input_ids", "text", "data", "features")
TARGET_KEYS = ("label", "labels", "target", "targets", "y", "class", "fine_label")


def is_dataset(value: Any) -> bool:
    """Whether `value` is a data set or loader rather than an array, a table, a path or a plain container."""
    if isinstance(value, str | bytes | list | tuple | dict | np.ndarray) or hasattr(value, "iloc"):
        return False
    return not hasattr(value, "detach") and (hasattr(value, "__getitem__") or hasattr(value, "__iter__"))


def read_dataset(source: Any, options: Options, *, limit: int | None = None) -> Raw:
    """All examples `(input, target)` of a data set or loader, or `limit` of them drawn at random.

    A loader over a map-style data set is read in the data set's order, last batch included: only its
    `collate_fn` and the indices of its sampler count.

    Raises:
        DataError: an example is not a pair, raises, or has another shape than the others.
    """
    notes: list[str] = []
    with _seeded(options.seed):
        examples = list(_examples(source, options, limit, notes))
    if not examples:
        raise DataError("the data set is empty")
    inputs = _stack([x for x, _ in examples])
    own = replace(options, group=None, time=None)
    raw = read_arrays(inputs, _stack([y for _, y in examples]), own, as_is=True, names=_class_names(source))
    return replace(raw, notes=tuple(notes))


def _examples(source: Any, options: Options, limit: int | None, notes: list[str]) -> Iterator[Example]:
    loader = hasattr(source, "collate_fn") and hasattr(source, "dataset")
    dataset = source.dataset if loader else source
    if not _map_style(dataset):
        notes.append("read in the order it was given in; only the first rows where a limit was set")
        stream = _unbatched(source) if loader else (_pair(item) for item in source)
        yield from ((_plain(x, options), _plain(y, options)) for x, y in islice(stream, limit))
        return
    rows = _rows(source, dataset, options.seed, limit)
    _note_random(dataset, rows, options, notes)
    custom = loader and not _default_collate(source)
    pairs = _collated(source, dataset, rows) if custom else (_fetch(dataset, row) for row in rows)
    yield from ((_plain(x, options), _plain(y, options)) for x, y in pairs)


def _map_style(dataset: Any) -> bool:
    streamed = any(kind.__name__ == "IterableDataset" for kind in type(dataset).__mro__)
    return hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and not streamed


def length(source: Any) -> int | None:
    """Number of examples of a data set or loader; None for a stream."""
    dataset = source.dataset if hasattr(source, "collate_fn") and hasattr(source, "dataset") else source
    return len(_rows(source, dataset, 0, None)) if _map_style(dataset) else None


def _rows(source: Any, dataset: Any, seed: int, limit: int | None) -> list[int]:
    indices = getattr(getattr(source, "sampler", None), "indices", None)
    rows = np.arange(len(dataset)) if indices is None else np.sort(np.asarray(indices, dtype=np.int64))
    if limit is not None and limit < len(rows):
        rows = np.sort(np.random.Generator(np.random.PCG64(seed)).choice(rows, limit, replace=False))
    return [int(row) for row in rows]


def _fetch(dataset: Any, row: int) -> Example:
    try:
        return _pair(dataset[row])
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"example {row} of the data set raised {type(error).__name__}: {error}") from error


def _pair(item: Any) -> Example:
    if isinstance(item, dict):
        x = [key for key in INPUT_KEYS if key in item]
        y = [key for key in TARGET_KEYS if key in item]
        if x and y:
            return item[x[0]], item[y[0]]
        raise DataError(
            f"examples have the keys {', '.join(map(repr, item))}; expected an input ({', '.join(INPUT_KEYS)}) "
            f"and a target ({', '.join(TARGET_KEYS)})"
        )
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    shown = f"{len(item)} parts" if isinstance(item, tuple | list) else f"a {type(item).__name__}"
    raise DataError(f"each example must be a pair (input, target), got {shown}: wrap the data set to return pairs")


def _note_random(dataset: Any, rows: Sequence[int], options: Options, notes: list[str]) -> None:
    if not rows:
        return
    first, second = (_plain(_fetch(dataset, rows[0])[0], options) for _ in range(2))
    same = np.shape(first) == np.shape(second) and bool(np.all(np.asarray(first) == np.asarray(second)))
    if not same:
        notes.append(
            "the data set's random augmentation is frozen: each example was read once; "
            "hand the data over without it and use augmentation as a technique"
        )


# -- loaders ----------------------------------------------------------------------------------------


def _default_collate(loader: Any) -> bool:
    return str(getattr(loader.collate_fn, "__module__", "")).startswith("torch.utils.data")


def _collated(loader: Any, dataset: Any, rows: Sequence[int]) -> Iterator[Example]:
    """Examples as the user's `collate_fn` makes them, in batches of the loader's size."""
    size = loader.batch_size or 64
    for start in range(0, len(rows), size):
        try:
            batch = loader.collate_fn([dataset[row] for row in rows[start : start + size]])
        except Exception as error:
            raise DataError(f"a batch from example {rows[start]} raised {type(error).__name__}: {error}") from error
        yield from _unbatched([batch])


def _unbatched(batches: Iterable[Any]) -> Iterator[Example]:
    for batch in batches:
        inputs, targets = _pair(batch)
        if len(inputs) != len(targets):
            raise DataError(f"a batch has {len(inputs)} inputs and {len(targets)} targets: one target for each input")
        yield from zip(inputs, targets, strict=True)


# -- values -----------------------------------------------------------------------------------------


def _plain(value: Any, options: Options) -> Any:
    """Tensors and Pillow images as arrays (images H x W x C), numbers and texts as they are."""
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy().copy()
    if hasattr(value, "getbands"):
        return pixels(value, mode="L" if is_grey(value) else "RGB", size=options.size)
    return value


def _stack(values: list[Any]) -> Array:
    if isinstance(values[0], str | int | float | np.generic):
        return np.array(values, dtype=object) if isinstance(values[0], str) else np.asarray(values)
    arrays = [np.asarray(value) for value in values]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) == 1:
        return np.stack(arrays)
    if all(array.ndim == 1 and array.dtype.kind in "iu" for array in arrays):
        return _padded(arrays)
    raise DataError(
        f"examples have {len(shapes)} different shapes, such as {shapes[0]} and {shapes[-1]}: "
        "bring them to one shape in the data set, or give a size for images"
    )


def _padded(arrays: list[Array]) -> Array:
    """Token numbers of different lengths, with 0 at the end."""
    out = np.zeros((len(arrays), max(len(array) for array in arrays)), dtype=np.int32)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return out


def _class_names(source: Any) -> tuple[str, ...]:
    """`classes` of the data set, also below loaders and subsets."""
    while source is not None:
        classes = getattr(source, "classes", None)
        if isinstance(classes, list | tuple) and classes:
            return tuple(map(str, classes))
        source = getattr(source, "dataset", None)
    return ()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators a data set may draw from, and put them back afterwards."""
    torch = sys.modules.get("torch")
    states = random.getstate(), np.random.get_state(), torch.get_rng_state() if torch else None
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch:
        torch.random.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        if torch:
            torch.set_rng_state(states[2])
