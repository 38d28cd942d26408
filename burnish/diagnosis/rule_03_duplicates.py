"""R3: the same example on both sides of the split makes validation an examination with known questions."""

from typing import Any

import numpy as np

from burnish.data.data import Data
from burnish.data.spacing import spaced
from burnish.diagnosis.likeness import exact_keys, near_matches
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.showing import shown_row
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

Array = np.ndarray
ROWS = "of the validation rows, whose score is in doubt"
MOST_ROWS = 10_000  # of validation and of test that are compared with the rows before them
SHOWN = 8  # pairs
RULE = Rule(
    id="R3",
    title="training examples in validation or test",
    source="Barz and Denzler, arXiv:1902.00423; cleanlab (0.13 of the median distance); percentages heuristic",
    remedies=("remove duplicates before splitting", "split by group or time (--group, --time)", "score again"),
    chance=0.9,
)


def check(subject: Subject) -> Finding:
    """Share of validation rows, and of sealed test inputs, that are a training row again, exactly or nearly."""
    data, limits = subject.data, subject.thresholds
    train = np.unique(data.train_rows)
    held = np.asarray(data.validation_rows)
    held = held[spaced(len(held), MOST_ROWS)]
    exact, near, match = _copies(data, data.inputs[held], data.inputs[train])
    share, crossing = float((exact | near).mean()), _groups_on_both_sides(subject)
    said = (
        f"of {len(held)} validation rows {int(exact.sum())} ({exact.mean():.1%}) are exact copies of training rows and "
        f"{int(near.sum())} ({near.mean():.1%}) nearly so"
    )
    tested, more = _in_test(data)
    said += more
    worst = max(share, tested)
    detail: dict[str, Any] = {
        "exact": int(exact.sum()),
        "near": int(near.sum()),
        "test_share": tested,
        "groups": crossing,
    }
    detail["severe"] = worst > limits.duplicates_severe
    figure = _figure(data, held, train, match, exact)
    if crossing:
        said = f"{crossing} groups are on both sides; {said}"
        return RULE.fires(worst, 0.0, said + ".", lost=(worst or 1.0, ROWS), figure=figure, **detail)
    if worst <= limits.duplicates_warn:
        return RULE.clear(worst, limits.duplicates_warn, said + ".", figure=figure, **detail)
    grave = ": the score is too good to be believed" if detail["severe"] else ""
    return RULE.fires(worst, limits.duplicates_warn, said + grave + ".", lost=(worst, ROWS), figure=figure, **detail)


def _copies(data: Data, asked: Array, known: Array) -> tuple[Array, Array, Array]:
    """Which rows of `asked` are exact copies of rows of `known`, which are nearly, and of which."""
    places: dict[bytes, int] = {}
    for place, key in enumerate(exact_keys(data, known)):
        if key is not None:
            places.setdefault(key, place)
    match = np.array([-1 if key is None else places.get(key, -1) for key in exact_keys(data, asked)], dtype=int)
    exact = match >= 0
    near = np.zeros(len(asked), dtype=bool)
    left = np.flatnonzero(~exact)
    if len(left):
        found, _ = near_matches(data, asked[left], known)
        near[left] = found >= 0
        match[left] = found
    return exact, near, match


def _in_test(data: Data) -> tuple[float, str]:
    """Share of sealed test inputs that are in training or validation, and that in words."""
    sealed = data.test_inputs(MOST_ROWS)
    if sealed is None or not len(sealed):
        return 0.0, ""
    exact, near, _ = _copies(data, sealed, data.inputs)
    said = f"; of {len(sealed)} test inputs {int(exact.sum())} are in training or validation, {int(near.sum())} nearly"
    return float((exact | near).mean()), said


def _figure(data: Data, held: Array, train: Array, match: Array, exact: Array) -> dict[str, Any]:
    """Some of the pairs, exact ones first."""
    found = np.flatnonzero(match >= 0)
    found = found[np.argsort(~exact[found], kind="stable")][:SHOWN]
    pairs = [[shown_row(data, int(held[i])), shown_row(data, int(train[match[i]]))] for i in found]
    return {"kind": "pairs", "names": ["validation", "training"], "pairs": pairs} if pairs else {}


def _groups_on_both_sides(subject: Subject) -> int:
    data, groups = subject.data, subject.data.scheme.groups
    if groups is None:
        return 0
    return len(np.intersect1d(groups[data.train_rows], groups[data.validation_rows]))
