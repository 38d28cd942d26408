"""R3: the same example on both sides of the split makes validation an examination with known questions."""

import hashlib

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

Array = np.ndarray
ROWS = "of the validation rows, whose score is in doubt"
RULE = Rule(
    id="R3",
    title="training examples in validation",
    source="Barz and Denzler, arXiv:1902.00423; cleanlab and deepchecks warn above zero; percentages heuristic",
    remedies=("remove duplicates before splitting", "split by group or time (--group, --time)", "score again"),
)


def check(subject: Subject) -> Finding:
    """Share of validation rows whose stored input is, byte for byte, that of a training row."""
    data, limits = subject.data, subject.thresholds
    train, validation = data.train, data.validation
    known = set(_hashes(train.pool_inputs, np.unique(train.rows)))
    copied = np.array([h in known for h in _hashes(validation.pool_inputs, validation.rows)])
    count, share = int(copied.sum()), float(copied.mean())
    crossing = _groups_on_both_sides(subject)
    said = f"{count} of {len(copied)} validation rows ({share:.1%}) are exact copies of training rows"
    if crossing:
        return RULE.fires(
            share,
            limits.duplicates_warn,
            f"{crossing} groups are on both sides; {said}",
            lost=(share or 1.0, ROWS),
            groups=crossing,
        )
    if share <= limits.duplicates_warn:
        return RULE.clear(share, limits.duplicates_warn, said + ".", rows=count)
    grave = ": the validation score is too good to be believed" if share > limits.duplicates_severe else ""
    return RULE.fires(
        share,
        limits.duplicates_warn,
        said + grave + ".",
        lost=(share, ROWS),
        rows=count,
        severe=share > limits.duplicates_severe,
    )


def _hashes(pool: Array, rows: Array) -> list[bytes]:
    return [hashlib.blake2b(pool[row].tobytes(), digest_size=16).digest() for row in rows]


def _groups_on_both_sides(subject: Subject) -> int:
    data, groups = subject.data, subject.data.scheme.groups
    if groups is None:
        return 0
    return len(np.intersect1d(groups[data.train_rows], groups[data.validation_rows]))
