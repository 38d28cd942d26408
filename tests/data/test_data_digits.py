import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from burnish.data import Data, Preparation, load
from burnish.data.tensors import network_tensor


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_sizes_and_layout(digits):
    assert (len(digits.train), len(digits.validation), digits.test_size) == (300, 700, 797)
    assert digits.inputs.shape == (1000, 8, 8, 1)
    assert digits.inputs.dtype == np.uint8
    assert digits.inputs.max() == 16
    assert digits.input_shape == (1, 8, 8)
    assert digits.task.names == tuple("0123456789")
    assert digits.task.primary.name == "accuracy"


def test_the_three_splits_are_all_of_the_digits_once(digits):
    sealed = digits.open_test("test")
    pixels = np.concatenate([digits.train.inputs, digits.validation.inputs, sealed.inputs]).reshape(1797, 64)
    labels = np.concatenate([digits.train.targets, digits.validation.targets, sealed.targets])
    expected, targets = load_digits(return_X_y=True)

    def rows(x, y):
        return sorted(map(tuple, np.column_stack([x, y]).astype(int).tolist()))

    assert rows(pixels, labels) == rows(expected, targets)


def test_statistics_are_those_of_the_training_rows(digits):
    assert digits.preparation.mean == pytest.approx((digits.train.inputs.mean(),), rel=1e-6)
    assert digits.preparation.std == pytest.approx((digits.train.inputs.std(),), rel=1e-6)


def test_network_input_is_standardized_and_equal_to_its_torch_twin(digits):
    stored = digits.train.inputs
    inputs = digits.preparation.network_input(stored)
    assert inputs.shape == (300, 1, 8, 8)
    assert inputs.dtype == np.float32
    assert abs(inputs.mean()) < 1e-5
    assert abs(inputs.std() - 1) < 1e-5
    np.testing.assert_allclose(network_tensor(digits.preparation, stored).numpy(), inputs, rtol=1e-5, atol=1e-6)


def test_the_seed_decides_the_split_and_the_fingerprint(digits):
    assert load("digits").fingerprint == digits.fingerprint
    other = load("digits", seed=1)
    assert other.fingerprint != digits.fingerprint
    assert not np.array_equal(other.train.targets, digits.train.targets)


def test_the_seal_needs_a_reason_and_counts(digits):
    data = load("digits")
    with pytest.raises(ValueError, match="reason"):
        data.open_test("")
    data.open_test("final")
    assert data.openings == ["final"]


def test_saved_data_come_back_without_the_test_set(digits, tmp_path):
    digits.save(tmp_path)
    back = Data.restore(tmp_path)
    assert back.describe() == digits.describe()
    assert back.preparation == digits.preparation
    assert np.array_equal(back.replicate(4).train.inputs, digits.replicate(4).train.inputs)
    with pytest.raises(ValueError, match="no test set"):
        back.open_test("final")


def test_preparation_survives_json(digits):
    text = json.dumps(digits.preparation.to_json())
    assert Preparation.from_json(json.loads(text)) == digits.preparation


def test_shares_and_caps_can_be_chosen():
    data = load("digits", validation=0.25, test=0, max_rows=200)
    assert (len(data.train), len(data.validation), data.test_size) == (150, 50, 0)
    assert data.test is None
    assert any("max_rows" in note for note in data.notes)


def test_what_is_loaded_is_given_back(digits):
    assert load(digits) is digits


def test_own_statistics_are_taken():
    data = load("digits", mean=[4], std=[8])
    assert (data.preparation.mean, data.preparation.std) == ((4.0,), (8.0,))


def test_importing_the_package_needs_no_heavy_library():
    code = "import sys, burnish.data; print({'torch', 'sklearn', 'pandas', 'PIL'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
