import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.studies.levels import coded, features, level_contrasts, levels_of, owners, products, recipe_of
from burnish.studies.strength import alias_matrix, largest_leaks, relative_errors


@given(st.integers(2, 7))
def test_contrasts_are_orthonormal_over_the_levels(count):
    table = level_contrasts(count)
    assert table.shape == (count, count - 1)
    assert table.sum(0) == pytest.approx(np.zeros(count - 1), abs=1e-12)
    assert table.T @ table / count == pytest.approx(np.eye(count - 1), abs=1e-12)


@given(st.lists(st.sampled_from([2, 3, 4]), min_size=1, max_size=5), st.integers(0, 99))
def test_features_hold_one_column_for_each_contrast_and_each_product_of_two_factors(levels, seed):
    rows = np.random.default_rng(seed).integers(0, levels, size=(6, len(levels)))
    columns = features(coded(rows, levels), levels)
    main = [count - 1 for count in levels]
    between = sum(a * b for i, a in enumerate(main) for b in main[i + 1 :])
    assert columns.shape == (6, 1 + sum(main) + between)
    assert all(a != b for a, b in products(coded(rows, levels), levels)[1])
    assert np.bincount(owners(levels)).tolist() == main


def test_all_codings_of_off_and_on_are_one():
    assert levels_of([-1, 1, 2]).tolist() == levels_of([False, True, 2]).tolist() == [0, 1, 2]
    assert recipe_of(np.array([-1.0, 1.0])) == (0, 1) == (False, True)
    assert coded([(-1, 1)]).tolist() == coded([(0, 1)]).tolist() == [[-1.0, 1.0]]


def test_errors_of_effects_by_hand():
    # three levels in three runs each: the difference of two means of three
    rows = np.repeat([[0], [1], [2]], 3, axis=0)
    assert relative_errors(rows, (3,)) == [[pytest.approx(np.sqrt(2 / 3))] * 2]
    assert relative_errors(np.array([[1, -1], [1, 1]])) == [[np.inf], [pytest.approx(np.sqrt(2))]]


def test_leaks_name_the_worst_pair():
    rows = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])  # C = A × B
    assert alias_matrix(rows).round(9).tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert [pair for _, pair in largest_leaks(rows)] == [(1, 2), (0, 2), (0, 1)]
    assert [leak for leak, _ in largest_leaks(rows)] == pytest.approx([1.0] * 3)
