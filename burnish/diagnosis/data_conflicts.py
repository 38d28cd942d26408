"""D2: the same input with different answers, which no network can get right."""

from collections import defaultdict
from typing import Any

import numpy as np

from burnish.diagnosis.likeness import exact_keys
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.showing import shown_row
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

Array = np.ndarray
SHOWN = 8
APART = 0.5  # values differ when they are further apart than this share of their deviation
RULE = Rule(
    id="D2",
    title="conflicting labels",
    source="deepchecks, Conflicting Labels; arithmetic",
    remedies=("decide on one answer for each input, or remove the rows", "add the column that tells them apart"),
    chance=0.7,
)


def check(subject: Subject) -> Finding:
    """Share of training and validation rows whose input occurs with another answer too."""
    data = subject.data
    rows = np.unique(np.concatenate([data.train_rows, data.validation_rows]))
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row, key in zip(rows.tolist(), exact_keys(data, data.inputs[rows]), strict=True):
        if key is not None:
            groups[key].append(row)
    repeated = [group for group in groups.values() if len(group) > 1]
    conflicts = [group for group in repeated if _differ(subject, group)]
    count, limit = sum(map(len, conflicts)), subject.thresholds.conflicts
    share = count / len(rows)
    said = f"{count} of {len(rows)} rows ({share:.2%}) have an input that is there with another answer too"
    said += f"; {sum(map(len, repeated))} rows have an input that is there twice or more"
    tell = RULE.judge(share > limit)
    lost = (share / 2, "of the rows, half of those in conflict")
    return tell(share, limit, said + ".", lost=lost, figure=_figure(subject, conflicts), groups=conflicts[:50])


def _differ(subject: Subject, group: list[int]) -> bool:
    answers = np.asarray(subject.data.targets)[group]
    if subject.is_classification:
        return len(np.unique(answers)) > 1
    spread = np.asarray(subject.data.train.targets).std(0)
    return bool((np.ptp(answers, axis=0) > APART * spread).any())


def _figure(subject: Subject, conflicts: list[list[int]]) -> dict[str, Any]:
    """The first pairs with different answers."""
    targets, pairs = np.asarray(subject.data.targets), []
    for group in conflicts[:SHOWN]:
        other = next((row for row in group[1:] if (targets[row] != targets[group[0]]).any()), group[1])
        pairs.append(
            [shown_row(subject.data, row) | {"label": _answer(subject, targets[row])} for row in (group[0], other)]
        )
    return {"kind": "pairs", "names": ["one answer", "another"], "pairs": pairs} if pairs else {}


def _answer(subject: Subject, target: Any) -> str:
    if subject.is_classification:
        return str(subject.data.task.names[int(target)])
    return ", ".join(f"{value:.4g}" for value in np.ravel(target))
