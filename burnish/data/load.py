"""`load`: from any source to `Data`. Readers find examples, this file splits, caps, prepares and seals them."""

import os
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from burnish.data.data import Data, Split, fingerprint
from burnish.data.dividing import LEAST_ROWS, capped, check_rows, divided
from burnish.data.fitting import prepare
from burnish.data.raw import Options, Parts, Raw
from burnish.data.sources import read
from burnish.data.targets import encode_classes, infer_kind, make_task, order_classes
from burnish.errors import DataError, UsageError

__all__ = ["load"]

Array = np.ndarray


def load(
    source: Any,
    *,
    task: str | None = None,
    target: str | Sequence[str] | None = None,
    modality: str | None = None,
    metric: str | None = None,
    seed: int = 0,
    group: Any = None,
    time: Any = None,
    size: int | tuple[int, int] | None = None,
    validation: float | int | None = None,
    test: float | int | None = None,
    max_rows: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    without: Collection[str] = (),
) -> Data:
    """Read `source` once and return training, validation and sealed test data.

    What is loaded already is given back as it is. Splits the user made are law. Where only training and test are
    given, validation is split from training; where nothing is, validation and test get a fifth of the rows each,
    stratified by class. Statistics and vocabulary come from the training rows alone.

    Args:
        source: `digits`; a folder of image classes, or one with `train`, `val` and `test` inside; a CSV or Parquet
            file, or a folder with `train.csv` and so on; an NPZ file; `file.py:function` that returns data sets,
            loaders or arrays; `(inputs, targets)`; a torch `Dataset` or loader; a dict `train=..., test=...` of these.
        task: `classification`, `multilabel` or `regression`; inferred from the targets when not given, and noted.
        target: Name of the target column; several for several values. `label`, `target`, `class` or `y` by default.
        modality: `image`, `text`, `table` or `series`; inferred when not given, and noted.
        metric: Primary metric instead of the task's own.
        seed: Decides the split.
        group: Name of a column (or an array) whose groups stay together.
        time: Name of a column (or an array) to split by: training first, test last.
        size: Side, or `(height, width)`, that images are resized to.
        validation: Share below 1 or number of rows to validate on, where the user made no such split.
        test: The same for the test rows; 0 for none.
        max_rows: Most rows for training and validation together, drawn with the classes' shares kept.
        mean: Per channel, on the scale of the stored values (0 to 255 for image files), instead of the data's.
        std: Per channel, with `mean`.
        without: Paths of image files to leave out.

    Raises:
        DataError: the data cannot be used as they are; the message says what to change.
        UsageError: an argument is wrong.

    Example:
        >>> data = load("digits")
        >>> data.input_shape, len(data.train), len(data.validation), data.test_size
        ((1, 8, 8), 300, 700, 797)
    """
    if isinstance(source, Data):
        return source
    options = Options(
        task=task,
        target=target,
        modality=modality,
        metric=metric,
        seed=seed,
        group=group,
        time=time,
        size=(size, size) if isinstance(size, int) else size,
        validation=validation,
        test=test,
        max_rows=max_rows,
        mean=None if mean is None else tuple(map(float, mean)),
        std=None if std is None else tuple(map(float, std)),
        without=frozenset(without),
    )
    _check(options)
    return _assemble(read(source, options), options)


def _check(options: Options) -> None:
    if options.max_rows is not None and options.max_rows < LEAST_ROWS:
        raise UsageError(f"max_rows must be at least {LEAST_ROWS}, got {options.max_rows}")
    if options.size is not None and min(options.size) < 1:
        raise UsageError(f"size must be at least 1, got {options.size}")
    if options.group is not None and options.time is not None:
        raise UsageError("rows are kept together by group or ordered in time, not both: name one of the two columns")


def _assemble(parts: Parts, options: Options) -> Data:
    kind, why = infer_kind(parts.train.targets, options.task or _known_task(parts.train))
    encoded, classes = _encode_targets(parts, kind)
    pieces, cuts = capped(divided(parts, encoded, options), options)
    check_rows(pieces, kind, classes)
    preparation, stored, test_stored, notes = prepare(pieces.pool, pieces.train_rows, pieces.test, options)
    task = make_task(
        kind, pieces.targets[pieces.train_rows], classes=classes, columns=parts.train.columns, metric=options.metric
    )
    sealed = None
    if test_stored is not None:
        sealed = partial(Split, test_stored, pieces.test_targets, np.arange(len(pieces.test_targets)))
    marks = [task.to_json(), preparation.to_json(), pieces.train_rows.tolist(), pieces.validation_rows.tolist()]
    if test_stored is not None:
        marks.append(fingerprint(test_stored, pieces.test_targets))
    reader, (origins, folder) = _joined_notes(parts), _origins(pieces.pool)
    return Data(
        inputs=stored,
        targets=pieces.targets,
        train_rows=pieces.train_rows,
        validation_rows=pieces.validation_rows,
        task=task,
        preparation=preparation,
        scheme=pieces.scheme,
        name=parts.name,
        notes=tuple(note for note in (*reader, why, *notes, *cuts) if note),
        origins=origins,
        folder=folder,
        unreadable=tuple(sorted(os.path.relpath(path, folder or os.curdir) for path in options.without)),
        test=sealed,
        test_size=len(pieces.test_targets),
        fingerprint=fingerprint(stored, pieces.targets, *marks),
    )


def _origins(pool: Raw) -> tuple[Array | None, str]:
    """Where each row came from: file names and the folder that holds all of them, or what the reader knows."""
    if pool.kind != "files":
        return pool.origins, ""
    root = os.path.commonpath([os.path.dirname(path) for path in pool.inputs])
    return np.array([os.path.relpath(path, root) for path in pool.inputs], dtype=object), root


def _known_task(train: Raw) -> str | None:
    if train.names and train.targets.dtype.kind == "i":
        return "classification"
    return train.task or None


def _joined_notes(parts: Parts) -> list[str]:
    given = [raw for raw in (parts.train, parts.validation, parts.test) if raw is not None]
    return list(dict.fromkeys(note for raw in given for note in raw.notes))


def _encode_targets(parts: Parts, kind: str) -> tuple[dict[str, Array], tuple[str, ...]]:
    given = {"training": parts.train, "validation": parts.validation, "test": parts.test}
    if kind == "regression":
        return {where: _values(raw, where) for where, raw in given.items() if raw is not None}, ()
    if kind == "multilabel":
        labels = {where: _values(raw, where).astype(np.int64) for where, raw in given.items() if raw is not None}
        return labels, parts.train.names
    values, classes = order_classes(parts.train.targets, parts.train.names)
    codes = {}
    for where, raw in given.items():
        if raw is not None:
            codes[where] = encode_classes(_comparable(raw.targets, values), values, where)
    return codes, classes


def _values(raw: Raw, where: str) -> Array:
    if raw.targets.dtype == object:
        raise DataError(f"the targets of {where} are texts such as {raw.targets[0]!r}; regression needs numbers")
    return raw.targets.astype(np.float64)


def _comparable(targets: Array, values: Array) -> Array:
    """Labels of a split in the type of the training labels: `1` and `"1"` are the same label."""
    if (targets.dtype == object) == (values.dtype == object):
        return targets
    return np.array([str(v) for v in targets.tolist()], dtype=object) if values.dtype == object else targets
