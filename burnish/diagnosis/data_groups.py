"""Columns that name groups: rows with the very same value know the answer, rows with the next values do not."""

from dataclasses import dataclass

import numpy as np

from burnish.diagnosis.batches import some_rows
from burnish.diagnosis.data_leak import column_values
from burnish.diagnosis.subject import Subject

__all__ = ["GroupColumn", "column_of_groups"]

Array = np.ndarray
ROWS = 5000
SMALLEST, LARGEST = 1.3, 20.0  # training rows of a group, on average
COVERED = 0.3  # share of the validation rows whose group has training rows


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupColumn:
    """A column whose values tie rows together.

    Attributes:
        name: Its name.
        power: Share of the error of knowing nothing that training rows of the same value take off validation rows,
            beyond what rows of the values next to it do. A column that measures something has neighbours that know
            as much; a number of a patient has not.
        error: Standard error of `power`.
        covered: Share of the validation rows whose value is in the training rows.
    """

    name: str
    power: float
    error: float
    covered: float


def column_of_groups(subject: Subject) -> GroupColumn | None:
    """The column of a table that ties rows together most; None where no column has small groups on both sides."""
    data = subject.data
    if data.modality != "table" or not data.preparation.columns:
        return None
    train, validation = some_rows(data.train, ROWS), some_rows(data.validation, ROWS)
    seen, asked = (column_values(data, part.inputs) for part in (train, validation))
    targets, wanted = (_answers(subject, part.targets) for part in (train, validation))
    found = []
    for k, column in enumerate(data.preparation.columns):
        judged = _beyond(seen[:, k], asked[:, k], targets, wanted)
        if judged is not None:
            found.append(GroupColumn(name=column.name, power=judged[0], error=judged[1], covered=judged[2]))
    return max(found, key=lambda column: column.power, default=None)


def _answers(subject: Subject, targets: Array) -> Array:
    """One-hot classes, or standardized values, `(n, outputs)`."""
    encoded = np.asarray(subject.data.task.encode(targets))
    if subject.is_classification:
        return np.eye(subject.data.task.outputs)[encoded]
    return encoded.reshape(len(encoded), -1).astype(float)


def _beyond(seen: Array, asked: Array, targets: Array, wanted: Array) -> tuple[float, float, float] | None:
    """Power beyond the neighbours, its standard error, and the share of rows that have a group."""
    levels, place = np.unique(seen, return_inverse=True)
    if not np.isfinite(levels).all() or not SMALLEST <= len(seen) / len(levels) <= LARGEST or len(levels) < 3:
        return None
    at = np.searchsorted(levels, asked).clip(0, len(levels) - 1)
    known = levels[at] == asked
    if known.mean() < COVERED:
        return None
    sums = np.zeros((len(levels) + 2, targets.shape[1]))
    np.add.at(sums, place + 1, targets)
    sizes = np.bincount(place + 1, minlength=len(levels) + 2)
    here, truth = at[known] + 1, wanted[known]
    same = sums[here] / sizes[here, None]
    beside = (sums[here - 1] + sums[here + 1]) / (sizes[here - 1] + sizes[here + 1])[:, None]
    alone, next_to, together = (np.square(answer - truth).sum(1) for answer in (targets.mean(0), beside, same))
    # Fewer rows answer for the value than for those beside it, so noise alone makes the gain negative.
    gain = min(alone, next_to, key=np.mean) - together
    nothing, error = max(float(alone.mean()), 1e-12), float(gain.std() / np.sqrt(len(gain)))
    return float(gain.mean()) / nothing, error / nothing, float(known.mean())
