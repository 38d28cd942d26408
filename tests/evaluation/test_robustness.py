"""Errors under perturbation: counted by hand, paired, relative to a baseline."""

from dataclasses import replace

import numpy as np
import pytest

from burnish.data import load
from burnish.evaluation.predict import outputs_on
from burnish.evaluation.robustness import Errors, example_errors, perturbation_errors, robustness, rows_for
from burnish.plan import Plan
from burnish.tasks import Classification, Regression


def errors(values: np.ndarray, *, root: bool = False) -> Errors:
    return Errors(names=("a", "b"), severities=(1, 2), clean=values[0, 0] * 0.5, values=values, root=root)


def test_relative_error_by_hand() -> None:
    ours = errors(np.array([[[1, 0, 0, 0], [1, 1, 0, 0]], [[0, 0, 0, 0], [1, 1, 1, 1]]], dtype=float))
    theirs = errors(np.array([[[1, 1, 0, 0], [1, 1, 1, 1]], [[0, 0, 0, 0], [1, 0, 0, 1]]], dtype=float))
    found = robustness(ours, theirs, resamples=200)
    assert [row["mean"].value for row in found["perturbations"]] == [3 / 8, 4 / 8]
    assert found["perturbations"][0]["relative"].value == pytest.approx((3 + 0.5) / (6 + 0.5))
    assert found["perturbations"][1]["relative"].value == pytest.approx((4 + 0.5) / (2 + 0.5))
    assert found["relative"].value == pytest.approx(np.mean([3.5 / 6.5, 4.5 / 2.5]))
    assert found["mean"].value == pytest.approx(7 / 16)
    assert found["clean"].value == pytest.approx(1 / 8)


def test_against_itself_the_ratio_is_one_without_spread() -> None:
    values = np.random.default_rng(0).integers(0, 2, size=(2, 2, 50)).astype(float)
    relative = robustness(errors(values), errors(values), resamples=100)["relative"]
    assert (relative.value, relative.low, relative.high) == pytest.approx((1, 1, 1))
    assert robustness(errors(values), resamples=10)["relative"] is None


def test_values_use_the_root_of_the_mean_square() -> None:
    task, targets = Regression(), np.zeros(3)
    squared = example_errors(task, np.array([1.0, 2.0, 2.0]), targets)
    assert squared.tolist() == [1, 4, 4]
    found = robustness(errors(np.broadcast_to(squared, (2, 2, 3)).copy(), root=True), resamples=50)
    assert found["mean"].value == pytest.approx(np.sqrt(3))


def test_interval_has_the_width_of_a_share() -> None:
    values = np.random.default_rng(0).integers(0, 2, size=(2, 2, 400)).astype(float)
    cell = robustness(errors(values))["perturbations"][0]["errors"][0]
    assert (cell.high - cell.low) / 2 == pytest.approx(1.96 * np.sqrt(0.25 / 400), rel=0.1)


def test_other_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="same perturbed examples"):
        robustness(errors(np.zeros((2, 2, 4))), errors(np.zeros((2, 2, 5))), resamples=5)
    with pytest.raises(ValueError, match="same perturbed examples"):
        robustness(errors(np.zeros((2, 2, 4))), replace(errors(np.zeros((2, 2, 4))), names=("a", "c")), resamples=5)


def test_a_network_is_measured_on_all_kinds_and_repeats() -> None:
    data = load("digits")
    model = Plan(model="cnn", data=data).probe()

    def outputs(stored: np.ndarray) -> np.ndarray:
        return outputs_on(model, stored, data.preparation)

    found = perturbation_errors(outputs, data, rows=60)
    assert found.values.shape == (8, 5, 60)
    assert set(np.unique(found.values)) <= {0.0, 1.0}
    again = perturbation_errors(outputs, data, rows=60)
    assert (found.values == again.values).all()
    one = perturbation_errors(outputs, data, names=["contrast"], severities=[3], rows=60)
    assert (one.values[0, 0] == found.values[list(found.names).index("contrast"), 2]).all()


def test_rows_shrink_with_the_size_of_the_network() -> None:
    assert rows_for(None) == rows_for(10_000) == 500
    assert rows_for(10**12) == 100
    assert 100 < rows_for(20_000_000) < 500


def test_wrong_or_not_counts_for_classes() -> None:
    task = Classification(classes=("a", "b"))
    assert example_errors(task, np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1, 1])).tolist() == [1, 0]
