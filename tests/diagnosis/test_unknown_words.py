"""The vocabulary is that of the training rows: unknown words in validation are neither copies nor a shift."""

import numpy as np
import pytest

import burnish as bu
from burnish.diagnosis import Subject, data_conflicts, rule_03_duplicates, rule_23_shift
from burnish.diagnosis.likeness import exact_keys

ROWS = 900


@pytest.fixture(scope="module")
def texts():
    """Questions about things of which most are named once (Zipf), so that many words are known to no vocabulary."""
    rng = np.random.default_rng(0)
    things = np.minimum(rng.zipf(1.3, ROWS), 10**6)
    kinds = rng.integers(0, 2, ROWS)
    rows = [
        f"{'who made the' if kind else 'where is the'} thing{thing} ?"
        for kind, thing in zip(kinds, things, strict=True)
    ]
    return rows, kinds, things


def test_texts_that_differ_in_unknown_words_are_no_copies(texts):
    rows, kinds, things = texts
    unique = np.unique(things, return_index=True)[1]
    data = bu.load(([rows[i] for i in unique], kinds[unique]), validation=0.4, test=0)
    unknown = (data.inputs == 1).any(1)
    assert unknown.mean() > 0.1  # there are such rows
    assert [key is None for key in exact_keys(data, data.inputs)] == list(unknown)
    assert rule_03_duplicates.check(Subject(data)).measured == 0.0
    assert data_conflicts.check(Subject(data)).measured == 0.0


def test_long_texts_with_one_unknown_word_still_can_be_copies(texts):
    rows, kinds, _ = texts
    data = bu.load((rows, kinds), validation=0.4, test=0)
    width = data.inputs.shape[1]
    long = np.zeros((2, max(width, 12)), dtype=np.int32)
    long[:, :10] = [*range(2, 11), 1]
    keys = exact_keys(data, long)
    assert keys[0] is not None
    assert keys[0] == keys[1]


def test_rare_words_are_no_shift(texts):
    rows, kinds, _ = texts
    for seed in range(3):
        data = bu.load((rows, kinds), validation=0.4, test=0, seed=seed)
        assert rule_23_shift.check(Subject(data)).state == "clear"


def test_other_words_are_a_shift(texts):
    rows, kinds, _ = texts
    moved = [row.replace("the", "which").replace("?", "please") for row in rows[:300]]
    source = {"train": (rows[300:] + moved[:20], np.r_[kinds[300:], kinds[:20]]), "validation": (moved, kinds[:300])}
    assert rule_23_shift.check(Subject(bu.load(source, test=0))).state == "fires"
