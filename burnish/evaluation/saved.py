"""Everything about quality again from saved predictions: no network, no torch, no data but the table.

A table has one row per example: `target` and probabilities `NAME_p_CLASS` (classes), `target_LABEL` and
`NAME_p_LABEL` (labels), or `target_COLUMN` and `NAME_COLUMN` (values); and, where it has them, `split` and for values
predicted quantiles `NAME_q05_COLUMN`, `NAME_q95_COLUMN`. NAME is a model, such as `baseline` and `model`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.errors import DataError, UsageError
from burnish.evaluation.paired import paired_examples
from burnish.evaluation.quality import confusion, interval_of, per_class, quality, reliability_of
from burnish.evaluation.spread import coverage
from burnish.tasks import Classification, Multilabel, Regression, Task, task_from_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["evaluate_saved", "task_of"]

Array = np.ndarray
FILE = "predictions.parquet"


def evaluate_saved(
    path: Path | str,
    *,
    task: Task | None = None,
    split: str | None = None,
    metric: str | None = None,
    level: float = 0.95,
) -> dict[str, Any]:
    """Quality with intervals of every model in a table of predictions.

    Args:
        path: A run directory, or a CSV or Parquet file.
        task: What is predicted; known from the columns without.
        split: Only this split; all by default.
        metric: What models are compared by; the task's own by default.
        level: Coverage of the intervals.

    Returns:
        `task`, `metric`, and for each split its `n`, `models` (each with `metrics`, and what suits the task of
        `per_class`, `confusion`, `reliability`, `coverage`) and `differences` of the later models from the first.

    Raises:
        DataError: the file is missing, or its columns are not understood.
        UsageError: there is no such split, or the metric is none of the task.
    """
    frame = _read(Path(path))
    task = task or task_of(frame)
    if metric is not None:
        try:
            task = task_from_json(task.to_json() | {"metric": metric})
        except ValueError as error:
            raise UsageError(str(error)) from error
    names = _models(frame, task)
    parts = {str(key): part for key, part in frame.groupby("split", sort=False)} if "split" in frame else {"all": frame}
    if split is not None and split not in parts:
        raise UsageError(f"there is no split {split!r} in {path}; there are {', '.join(parts)}")
    chosen = parts if split is None else {split: parts[split]}
    return {
        "task": task.kind,
        "metric": task.primary.name,
        "greater_is_better": task.primary.greater_is_better,
        "level": level,
        "splits": {key: _measured(part, task, names, level) for key, part in chosen.items()},
    }


def task_of(frame: "pd.DataFrame") -> Task:
    """What the columns of a table of predictions say is predicted.

    Raises:
        DataError: they say nothing that is understood.
    """
    columns = [str(column) for column in frame.columns]
    targets = [column.removeprefix("target_") for column in columns if column.startswith("target_")]
    if "target" in columns:
        names = list(dict.fromkeys(column.partition("_p_")[2] for column in columns if "_p_" in column))
        if names:
            codes = _codes(frame["target"], names)
            return Classification.for_targets(tuple(names), codes)
    elif targets and any(f"_p_{targets[0]}" in column for column in columns):
        return Multilabel(labels=tuple(targets))
    elif targets:
        return Regression(columns=tuple(targets), center=(0.0,) * len(targets), scale=(1.0,) * len(targets))
    raise DataError(
        f"the columns {', '.join(columns[:8])} are no predictions: expected target and NAME_p_CLASS, target_LABEL and "
        "NAME_p_LABEL, or target_COLUMN and NAME_COLUMN"
    )


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"there is no file {file}: name a finished run directory, or a CSV or Parquet file")
    try:
        return pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    except Exception as error:  # each reader has errors of its own
        raise DataError(f"{file} is not readable as a table: {type(error).__name__}: {error}") from error


def _models(frame: "pd.DataFrame", task: Task) -> list[str]:
    last = f"_{task.names[0]}" if task.kind == "regression" else f"_p_{task.names[0]}"
    found = [str(column).removesuffix(last) for column in frame.columns if str(column).endswith(last)]
    names = [name for name in found if name != "target" and not re.fullmatch(r".*_q\d\d", name)]
    if not names:
        raise DataError(f"no column ends in {last!r}, so there is nothing to measure")
    return names


def _measured(frame: "pd.DataFrame", task: Task, names: list[str], level: float) -> dict[str, Any]:
    targets = _targets(frame, task)
    predictions = {name: _predictions(frame, task, name) for name in names}
    first = names[0]
    return {
        "n": len(frame),
        "models": {name: _one(frame, task, name, predictions[name], targets, level) for name in names},
        "differences": {
            name: paired_examples(task.primary, predictions[first], predictions[name], targets, level=level)
            for name in names[1:]
        },
    }


def _one(
    frame: "pd.DataFrame", task: Task, name: str, predictions: Array, targets: Array, level: float
) -> dict[str, Any]:
    metrics = quality(task, predictions, targets, level=level)
    found: dict[str, Any] = {
        "metrics": metrics,
        "intervals": {key: interval_of(key, targets) for key in metrics},
        "per_class": per_class(task, predictions, targets, level=level),
        "confusion": confusion(task, predictions, targets),
        "reliability": reliability_of(task, predictions, targets, level=level),
        "coverage": _coverage(frame, task, name, level) if task.kind == "regression" else [],
    }
    return {key: value for key, value in found.items() if value}


def _coverage(frame: "pd.DataFrame", task: Task, name: str, level: float) -> list[dict[str, Any]]:
    """Coverage between every pair of predicted quantiles that lie as far from both ends."""
    rows = []
    for column in task.names:
        for percent in range(1, 50):
            low, high = f"{name}_q{percent:02d}_{column}", f"{name}_q{100 - percent:02d}_{column}"
            if low in frame and high in frame:
                ends = (frame[low].to_numpy(), frame[high].to_numpy())
                nominal = 1 - 2 * percent / 100
                found = coverage(*ends, frame[f"target_{column}"].to_numpy(), nominal=nominal, level=level)
                rows.append({"column": column} | found)
    return rows


def _targets(frame: "pd.DataFrame", task: Task) -> Array:
    if task.kind == "classification":
        return _codes(frame["target"], list(task.names))
    table = frame[[f"target_{name}" for name in task.names]].to_numpy()
    if task.kind == "multilabel":
        return table.astype(np.int64)
    return table.astype(float)[:, 0] if table.shape[1] == 1 else table.astype(float)


def _predictions(frame: "pd.DataFrame", task: Task, name: str) -> Array:
    middle = "_" if task.kind == "regression" else "_p_"
    absent = [n for n in task.names if f"{name}{middle}{n}" not in frame]
    if absent:
        raise DataError(
            f"the table has no column {name}{middle}{absent[0]}: one is needed for each of the task's names"
        )
    table = frame[[f"{name}{middle}{n}" for n in task.names]].to_numpy(dtype=float)
    if task.kind == "classification":
        return table / table.sum(1, keepdims=True)  # stored with seven digits
    return table[:, 0] if task.kind == "regression" and table.shape[1] == 1 else table


def _codes(values: "pd.Series", names: list[str]) -> Array:
    number = {name: i for i, name in enumerate(names)}
    unknown = sorted({str(v) for v in values if str(v) not in number})
    if unknown:
        raise DataError(f"targets such as {unknown[0]!r} have no column of probabilities; there are {', '.join(names)}")
    return np.array([number[str(v)] for v in values], dtype=np.int64)
