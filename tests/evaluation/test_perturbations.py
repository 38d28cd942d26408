"""Typos, gaps and noise on stored rows."""

import numpy as np
import pytest

from burnish.data import load
from burnish.data.preparation import Column, Preparation
from burnish.evaluation.perturbations import NOISE, SHARES, misspelt, names_for, perturbed

WORDS = ("<pad>", "<unk>", "the", "film", "was", "wonderful", "boring", "actors", "from", "form")
TEXT = Preparation(modality="text", input_shape=(12,), vocabulary=WORDS, length=12, dtype="int32")
TABLE = Preparation(
    modality="table",
    input_shape=(6,),
    columns=(
        Column(name="age", mean=40, std=10, missing=True),
        Column(name="work", kind="category", categories=("a", "b", "c"), missing=True),
    ),
)


def texts(rows: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    stored = rng.integers(2, len(WORDS), size=(rows, 12)).astype(np.int32)
    lengths = rng.integers(4, 13, rows)
    return np.where(np.arange(12) < lengths[:, None], stored, 0).astype(np.int32)


def table(rows: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    categories = np.eye(3)[rng.integers(0, 3, rows)]
    return np.c_[rng.normal(size=rows), np.zeros(rows), categories, np.zeros(rows)].astype(np.float32)


def test_names_follow_from_the_columns() -> None:
    assert names_for(TABLE) == ("noise", "missing values", "unseen categories")
    assert names_for(Preparation(modality="table", input_shape=(1,), columns=(Column(name="x"),))) == (
        "noise",
        "missing values",
    )
    assert names_for(TEXT) == ("typos", "dropped words")
    assert len(names_for(load("digits").preparation)) == 8


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_typos_hit_a_share_of_the_longer_words_and_no_padding(severity: int) -> None:
    stored = texts()
    changed = perturbed(stored, TEXT, "typos", severity, reference=stored)
    assert ((stored == 0) == (changed == 0)).all()
    hit = (changed != stored)[stored > 1].mean()
    assert hit == pytest.approx(SHARES[severity - 1], rel=0.25)  # a letter may be replaced by itself
    assert (changed[changed != stored] == 1).mean() > 0.9  # mostly not words any more


def test_misspelt_words_are_one_slip_away() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        wrong = misspelt("wonder", rng)
        assert abs(len(wrong) - 6) <= 1
        assert sum(a != b for a, b in zip(wrong, "wonder", strict=False)) <= 6
        assert len(set(wrong) - set("wonder")) <= 1


def test_dropped_words_keep_the_order_and_leave_one() -> None:
    stored = texts()
    changed = perturbed(stored, TEXT, "dropped words", 5, reference=stored)
    before, after = (stored > 0).sum(1), (changed > 0).sum(1)
    assert after.sum() / before.sum() == pytest.approx(0.5, abs=0.03)
    assert after.min() >= 1
    for old, new in zip(stored[:50], changed[:50], strict=True):
        rest = iter(old[old > 0].tolist())
        assert all(word in rest for word in new[new > 0].tolist())  # a subsequence
        assert (new[(new > 0).sum() :] == 0).all()


def test_noise_on_tables_leaves_categories_and_has_its_deviation() -> None:
    stored = table()
    for severity, deviation in zip(range(1, 6), NOISE, strict=True):
        difference = perturbed(stored, TABLE, "noise", severity, reference=stored) - stored
        assert difference[:, 0].std() == pytest.approx(deviation * stored[:, 0].std(), rel=0.08)
        assert not difference[:, 1:].any()


def test_missing_values_are_encoded_as_the_preparation_does() -> None:
    import pandas as pd

    stored = table()
    changed = perturbed(stored, TABLE, "missing values", 3, reference=stored)
    gone = changed[:, 1] == 1
    assert gone.mean() == pytest.approx(0.2, abs=0.03)
    wanted = TABLE.encode_frame(pd.DataFrame({"age": [None, None], "work": ["?", "?"]}, dtype=object))[0]
    assert (changed[gone][:, :2] == wanted[:2]).all()
    lost = changed[:, 5] == 1
    assert lost.mean() == pytest.approx(0.2, abs=0.03)
    assert (changed[lost][:, 2:] == wanted[2:]).all()
    assert (changed[~gone, 0] == stored[~gone, 0]).all()


def test_unseen_categories_are_encoded_as_the_preparation_does() -> None:
    import pandas as pd

    stored = table()
    changed = perturbed(stored, TABLE, "unseen categories", 5, reference=stored)
    hit = (changed != stored).any(1)
    assert hit.mean() == pytest.approx(0.5, abs=0.05)
    wanted = TABLE.encode_frame(pd.DataFrame({"age": [40.0], "work": ["never seen"]}))[0]
    assert (changed[hit][:, 2:] == wanted[2:]).all()


def test_missing_numbers_of_prepared_arrays_become_the_mean() -> None:
    plain = Preparation(modality="table", input_shape=(2,), columns=(Column(name="x0"), Column(name="x1")))
    stored = np.random.default_rng(0).normal(5, 1, size=(500, 2)).astype(np.float32)
    changed = perturbed(stored, plain, "missing values", 5, reference=stored)
    assert changed[changed != stored] == pytest.approx(5, abs=0.2)


def test_series_lose_one_stretch_or_get_noise() -> None:
    series = Preparation(modality="series", input_shape=(2, 40))
    stored = np.random.default_rng(0).normal(size=(60, 2, 40)).astype(np.float32)
    lost = perturbed(stored, series, "dropouts", 3, reference=stored)
    gaps = (lost != stored).any(1)
    assert (gaps.sum(1) == 8).all()
    assert all(np.ptp(np.flatnonzero(row)) == 7 for row in gaps)
    noise = perturbed(stored, series, "noise", 4, reference=stored) - stored
    assert noise.std() == pytest.approx(0.4 * stored.std(), rel=0.1)


def test_images_of_any_range_stay_in_it_and_in_their_type() -> None:
    data = load("digits")  # whole numbers from 0 to 16
    stored = data.validation.inputs[:20]
    for name in names_for(data.preparation):
        changed = perturbed(stored, data.preparation, name, 3, reference=data.train.inputs)
        assert (changed.dtype, changed.shape) == (stored.dtype, stored.shape)
        assert changed.max() <= 16
    floats = Preparation(modality="image", input_shape=(1, 8, 8), channels_last=False)
    centred = np.random.default_rng(0).uniform(-2, 3, size=(4, 1, 8, 8)).astype(np.float32)
    changed = perturbed(centred, floats, "contrast", 1, reference=centred)
    assert changed.mean((2, 3)) == pytest.approx(centred.mean((2, 3)), abs=1e-4)
    with pytest.raises(ValueError, match="expected gaussian noise"):
        perturbed(centred, floats, "typos", 1, reference=centred)
