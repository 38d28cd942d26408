"""D4: rows that belong together, by time or as parts of one recording, on both sides of a random split."""

import numpy as np

from burnish.data.data import Data
from burnish.diagnosis.data_groups import GroupColumn, column_of_groups
from burnish.diagnosis.features import embedded
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check", "neighbour_ratio"]

Array = np.ndarray
ROWS, LEAST_ROWS = 4000, 200
SURE = 4.0  # standard errors; an order is looked for in every data set, so it has to be plain
RULE = Rule(
    id="D4",
    title="group or time leakage",
    source="cleanlab, non-iid check (neighbours in file order); Kapoor and Narayanan, Patterns 2023; ratio heuristic",
    remedies=("name the column of groups or times (--group, --time)", "split by recording, person or day"),
    chance=0.5,
)


def check(subject: Subject) -> Finding:
    """Rows tied together by a column, or rows of a class that follow one another and are closer than any two."""
    data = subject.data
    if data.scheme.kind == "timed":
        return _in_time(data)
    if data.scheme.kind == "grouped":
        return RULE.clear(None, None, "whole groups are kept on one side.")
    if data.scheme.kind == "fixed":
        return RULE.clear(None, None, "the split is the user's own.")
    if len(data.targets) < LEAST_ROWS:
        return RULE.cannot_tell(f"{len(data.targets)} rows are too few to see an order in them.")
    column = column_of_groups(subject)
    if column and column.power > subject.thresholds.group_power and column.power > SURE * column.error:
        return _by_column(column, subject.thresholds.group_power)
    ratio, error = neighbour_ratio(data)
    limit = subject.thresholds.order_ratio
    said = f"rows of a class that follow one another are {ratio:.2f} (± {error:.2f}) times as far apart as any two"
    figure = {"kind": "bars", "labels": ["neighbours", "at random"], "values": [ratio, 1.0], "unit": "distance"}
    tell = RULE.judge(ratio < limit and ratio + SURE * error < 1)
    said += ": the source is in an order, and a random split tears apart what belongs together" if ratio < limit else ""
    lost = (1 - ratio, "of the score, by which neighbours help one another")
    return tell(ratio, limit, said + ".", lost=lost, figure=figure)


def _by_column(column: GroupColumn, limit: float) -> Finding:
    said = (
        f"rows with the same {column.name!r} take {column.power:.0%} (± {column.error:.0%}) more of the error off one "
        f"another than rows with the next values, and {column.covered:.0%} of the validation rows have such rows in "
        f"training: where new rows come with new values, the score is too good; --group {column.name}"
    )
    lost = (column.power, "of the answer, which rows of a group give one another")
    return RULE.fires(column.power, limit, said + ".", lost=lost, column=column.name)


def neighbour_ratio(data: Data) -> tuple[float, float]:
    """Median distance of successive rows of a class over that of random pairs of a class, and its standard error."""
    rng, labels = np.random.default_rng(0), np.asarray(data.targets)
    classes = labels if data.task.kind == "classification" else np.zeros(len(labels), dtype=int)
    first, second, other = [], [], []
    for c in np.unique(classes):
        mine = np.flatnonzero(classes == c)
        if len(mine) < 20:
            continue
        first.append(mine[:-1])
        second.append(mine[1:])
        other.append(rng.permutation(mine)[: len(mine) - 1])
    if not first:
        return 1.0, 0.0
    a, b, c = np.concatenate(first), np.concatenate(second), np.concatenate(other)
    chosen = np.sort(rng.choice(len(a), min(len(a), ROWS), replace=False))
    here, after, anywhere = (embedded(data, data.inputs[part[chosen]]) for part in (a, b, c))
    near, far = (np.sqrt(np.square(here - part).mean(1)) for part in (after, anywhere))
    ratio = float(near.mean() / max(far.mean(), 1e-12))
    spread = np.hypot(near.std() / max(near.mean(), 1e-12), far.std() / max(far.mean(), 1e-12)) / np.sqrt(len(chosen))
    return ratio, float(ratio * spread)


def _in_time(data: Data) -> Finding:
    times = np.asarray(data.scheme.times)
    late, early = times[data.train_rows].max(), times[data.validation_rows].min()
    if late > early:
        lost = (1.0, "of the validation rows")
        return RULE.fires(
            float((times[data.validation_rows] <= late).mean()),
            0.0,
            "training rows are later than validation rows.",
            lost=lost,
        )
    return RULE.clear(0.0, 0.0, "validation is later than training.")
