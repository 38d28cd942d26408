"""Targets: cleaned, the task inferred, encoded as class numbers or values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from burnish.data.tables import MISSING
from burnish.errors import DataError, UsageError
from burnish.tasks import TASKS, Classification, Multilabel, Regression, Task

__all__ = ["clean", "encode_classes", "infer_kind", "label_names", "make_task", "order_classes"]

Array = np.ndarray
FEW = 20  # up to as many different numbers are taken as classes
MANY = 1000  # up to as many classes, where they are numbered 0, 1, 2, ... and each has five examples or more


def clean(values: Any, *, what: str = "target") -> Array:
    """Targets as finite numbers, or as an object array of stripped strings.

    Raises:
        DataError: values are missing or not finite; the message counts them.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 0 or array.ndim > 2:
        raise DataError(f"targets of shape {array.shape} are not one value, or one row of values, for each example")
    if array.dtype.kind == "b":
        return array.astype(str).astype(object)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        return _finite(array.astype(np.float64), what)
    if array.ndim == 2:
        return _finite(_as_numbers(array, what), what)
    return _clean_strings(array, what)


def _finite(array: Array, what: str) -> Array:
    bad = ~np.isfinite(array)
    if bad.any():
        where = np.flatnonzero(bad.reshape(len(array), -1).any(1))
        raise DataError(
            f"{len(where)} of {len(array)} values of {what!r} are missing or not finite, first in row {where[0]}: "
            "drop these rows or correct them"
        )
    return array


def _as_numbers(array: Array, what: str) -> Array:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what!r} has several columns, which must all be numbers: {error}") from error


def _clean_strings(array: Array, what: str) -> Array:
    missing = np.array([v is None or v != v or str(v).strip() in MISSING for v in array.tolist()], dtype=bool)
    if missing.any():
        raise DataError(
            f"{missing.sum()} of {len(array)} values of {what!r} are missing, first in row {np.argmax(missing)}: "
            "drop these rows or give them a label"
        )
    text = np.array([str(v).strip() for v in array.tolist()], dtype=object)
    try:
        return clean(text.astype(np.float64), what=what)
    except (TypeError, ValueError):  # a DataError about infinities is a ValueError too: such strings are labels
        return text


def infer_kind(targets: Array, asked: str | None) -> tuple[str, str]:
    """Kind of the task, and why.

    Raises:
        UsageError: `asked` is no kind of task.
        DataError: the targets do not fit what is asked.
    """
    if asked is not None and asked not in TASKS:
        raise UsageError(f"unknown task {asked!r}; one of {', '.join(TASKS)}")
    inferred, why = _infer(targets)
    kind = asked or inferred
    if kind == "regression" and targets.dtype == object:
        raise DataError(f"regression needs numbers, the targets are texts such as {targets[0]!r}")
    checks = {"classification": _check_classes, "multilabel": _check_labels, "regression": _check_values}
    checks[kind](targets)
    other = "classification" if kind == "regression" and targets.ndim == 1 else "regression"
    return kind, "" if asked else f"task taken as {kind}: {why} (set the task to {other} to override)"


def _infer(targets: Array) -> tuple[str, str]:
    if targets.ndim == 2 and np.isin(targets, (0, 1)).all():
        return "multilabel", f"there are {targets.shape[1]} targets of 0 and 1 for each example"
    if targets.ndim == 2:
        return "regression", f"there are {targets.shape[1]} targets for each example"
    distinct = len(np.unique(targets))
    if targets.dtype == object:
        return "classification", f"the targets are {distinct} different texts"
    if not (targets == np.round(targets)).all():
        return "regression", f"the targets are {distinct} different fractional numbers"
    numbered = targets.min() == 0 and targets.max() == distinct - 1 < MANY and len(targets) >= 5 * distinct
    few = distinct <= FEW
    if few or (numbered and targets.dtype.kind == "i"):
        return "classification", f"the targets are {distinct} different whole numbers"
    return "regression", f"the targets are {distinct} different numbers"


def _check_classes(targets: Array) -> None:
    if targets.ndim == 2:
        raise DataError(f"classification needs one class for each example, the targets have shape {targets.shape}")
    distinct = len(np.unique(targets))
    if distinct < 2:
        only = targets.tolist()[0]
        raise DataError(f"all {len(targets)} targets are {only!r}: classification needs at least two classes")
    if distinct > max(FEW, len(targets) // 2):
        raise DataError(
            f"{distinct} different targets in {len(targets)} rows are no classes: name another target column, "
            "or set the task to regression if they are numbers"
        )


def _check_labels(targets: Array) -> None:
    if targets.ndim != 2 or not np.isin(targets, (0, 1)).all():
        raise DataError(
            f"multilabel needs a column of 0 and 1 for each label, the targets have shape {targets.shape} and values "
            f"such as {targets.reshape(-1)[:3].tolist()}: encode the labels so, or name another task"
        )
    constant = np.flatnonzero((targets == targets[:1]).all(0))
    if len(constant):
        raise DataError(
            f"{len(constant)} of {targets.shape[1]} labels never differ, the first is number {constant[0] + 1}, always "
            f"{int(targets[0, constant[0]])}: leave these columns out"
        )


def _check_values(targets: Array) -> None:
    table = targets.reshape(len(targets), -1)
    constant = np.flatnonzero((table == table[:1]).all(0))
    if len(constant):
        which = f" of column {constant[0] + 1}" if table.shape[1] > 1 else ""
        raise DataError(
            f"all {len(table)} targets{which} are {table[0, constant[0]].item()!r}: regression needs values that "
            "differ; name another target column"
        )


def order_classes(targets: Array, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """The different values of `targets` in order, and their names."""
    values = np.unique(targets)
    if names and values.dtype.kind in "iu" and values.min() >= 0 and values.max() < len(names):
        return values, tuple(names[i] for i in values)
    whole = values.dtype.kind in "iu" or (values.dtype.kind == "f" and (values == np.round(values)).all())
    return values, tuple(str(int(v)) if whole else str(v) for v in values)


def encode_classes(targets: Array, values: Array, where: str) -> Array:
    """Class numbers int64 of `targets`.

    Raises:
        DataError: a class does not occur in training.
    """
    unseen = set(targets.tolist()) - set(values.tolist())
    if unseen:
        listed = ", ".join(sorted(map(repr, unseen))[:5])
        raise DataError(
            f"labels that occur only in {where}, not in training: {listed}{' and more' if len(unseen) > 5 else ''}; "
            "move examples of them into training, or leave them out"
        )
    return np.searchsorted(values, targets).astype(np.int64)


def make_task(
    kind: str, targets: Array, *, classes: tuple[str, ...], columns: tuple[str, ...], metric: str | None
) -> Task:
    """The task for the encoded training targets.

    Raises:
        UsageError: the metric does not apply.
    """
    try:
        if kind == "classification":
            return Classification.for_targets(classes, targets, metric)
        if kind == "multilabel":
            return Multilabel(labels=label_names(targets, classes or columns), metric_name=metric or "pr_auc")
        return Regression.for_targets(columns, targets, metric)
    except ValueError as error:
        raise UsageError(str(error)) from error


def label_names(targets: Array, names: Sequence[str]) -> tuple[str, ...]:
    """A name for each column of `targets`: the given ones, or numbered ones.

    Example:
        >>> label_names(np.zeros((3, 2)), ["target"])
        ('target_0', 'target_1')
    """
    width = targets.shape[1]
    return tuple(names) if len(names) == width else tuple(f"{(*names, 'label')[0]}_{i}" for i in range(width))
