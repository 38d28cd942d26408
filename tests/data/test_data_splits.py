import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data.splits import Scheme, first_split, resplit, subsample
from burnish.errors import DataError

LABELS = np.repeat([0, 1, 2], [60, 30, 10])


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(3, 40), min_size=2, max_size=6),
    validation=st.floats(0.1, 0.3),
    test=st.floats(0.1, 0.3),
    seed=st.integers(0, 1000),
)
def test_first_split_partitions_the_rows_and_keeps_every_class_in_training(counts, validation, test, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    train, held, sealed = first_split(labels, validation=validation, test=test, scheme=Scheme(), seed=seed)
    assert np.array_equal(np.sort(np.concatenate([train, held, sealed])), np.arange(len(labels)))
    assert set(labels[train]) == set(labels)


def test_stratified_shares_are_within_one_row_of_proportional():
    train, held, sealed = first_split(LABELS, validation=20, test=30, scheme=Scheme(), seed=5)
    for rows, size in ((train, 50), (held, 20), (sealed, 30)):
        assert len(rows) == size
        assert np.abs(np.bincount(LABELS[rows]) - size * np.array([0.6, 0.3, 0.1])).max() <= 1.5


def test_a_seed_gives_one_split_and_another_seed_another():
    def rows(seed):
        return first_split(LABELS, validation=0.2, test=0.2, scheme=Scheme(), seed=seed)

    assert all(np.array_equal(a, b) for a, b in zip(rows(1), rows(1), strict=True))
    assert not np.array_equal(rows(1)[0], rows(2)[0])


def test_regression_targets_are_not_stratified_but_split_to_size():
    train, held, sealed = first_split(np.linspace(0, 1, 50), validation=0.2, test=5, scheme=Scheme(), seed=0)
    assert (len(train), len(held), len(sealed)) == (35, 10, 5)


def test_resample_keeps_pool_and_sizes():
    train, held, _ = first_split(LABELS, validation=0.3, test=0, scheme=Scheme(), seed=0)
    again, held_again = resplit(Scheme(), LABELS, train, held, 7)
    assert (len(again), len(held_again)) == (len(train), len(held))
    assert not np.array_equal(held, held_again)
    assert np.array_equal(np.sort(np.concatenate([again, held_again])), np.arange(100))
    assert np.abs(np.bincount(LABELS[held_again]) - np.bincount(LABELS[held])).max() <= 1


def test_fixed_keeps_validation_and_bootstraps_training_without_losing_a_class():
    labels = np.array([0] * 50 + [1] * 50 + [2])
    train, held = np.arange(0, 101, 2), np.arange(1, 101, 2)
    kept = []
    for seed in range(1, 40):
        drawn, same = resplit(Scheme(kind="fixed"), labels, train, held, seed)
        assert np.array_equal(same, held)
        assert len(drawn) == len(train)
        assert set(drawn) <= set(train)
        assert set(labels[drawn]) == {0, 1, 2}
        kept.append(len(set(drawn)) / len(train))
    assert np.mean(kept) == pytest.approx(1 - np.exp(-1), abs=0.02)


def test_groups_stay_whole_in_first_split_and_replicates():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 25, 300)
    labels = rng.integers(0, 3, 300)
    scheme = Scheme(kind="grouped", groups=groups)
    parts = first_split(labels, validation=0.2, test=0.2, scheme=scheme, seed=0)
    seen = [set(groups[rows]) for rows in parts]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 25
    assert all(abs(len(rows) - 60) <= 15 for rows in parts[1:])
    train, held = resplit(scheme, labels, parts[0], parts[1], 3)
    assert not set(groups[train]) & set(groups[held])
    assert not np.array_equal(held, parts[1])


def test_time_runs_from_training_to_validation_to_test():
    times = np.random.default_rng(1).permutation(200) // 2  # every time twice
    scheme = Scheme(kind="timed", times=times)
    train, held, sealed = first_split(np.arange(200.0), validation=0.2, test=0.2, scheme=scheme, seed=0)
    assert times[train].max() < times[held].min()
    assert times[held].max() < times[sealed].min()
    origins = set()
    for seed in range(1, 9):
        early, late = resplit(scheme, np.arange(200.0), train, held, seed)
        assert times[early].max() < times[late].min()
        assert len(early) >= len(train) // 2 - 2
        assert not set(late) & set(sealed)
        origins.add(len(early))
    assert len(origins) > 3


def test_subsample_keeps_rare_classes():
    rows = subsample(np.arange(100), LABELS, 10, seed=0)
    assert len(rows) == 10
    assert set(LABELS[rows]) == {0, 1, 2}


def test_scheme_of_a_part_follows_its_rows():
    scheme = Scheme(kind="grouped", groups=np.array([3, 1, 2])).take(np.array([2, 0]))
    assert scheme.groups is not None
    assert scheme.groups.tolist() == [2, 3]


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="unknown split scheme"):
        Scheme(kind="random")
    with pytest.raises(ValueError, match="needs one value"):
        Scheme(kind="grouped")
    with pytest.raises(DataError, match="cannot give"):
        first_split(LABELS, validation=60, test=60, scheme=Scheme(), seed=0)
    with pytest.raises(DataError, match="makes no sense"):
        first_split(LABELS, validation=1.5, test=0, scheme=Scheme(), seed=0)
    with pytest.raises(DataError, match="two groups"):
        first_split(LABELS, validation=9, test=0, scheme=Scheme(kind="grouped", groups=np.zeros(100)), seed=0)
    with pytest.raises(DataError, match="two different times"):
        first_split(LABELS, validation=9, test=0, scheme=Scheme(kind="timed", times=np.zeros(100)), seed=0)
