import numpy as np
import pytest

from burnish.data import load
from burnish.data.tensors import network_tensor
from burnish.errors import DataError, UsageError

RNG = np.random.default_rng(0)
LABELS = np.arange(50) % 2


def everything(data):
    return np.concatenate([data.inputs, data.open_test("check").inputs])


@pytest.mark.parametrize("shape", [(50, 3, 6, 5), (50, 6, 5, 3)])
def test_uint8_images_are_stored_channels_last(shape):
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    data = load((array, LABELS))
    assert data.input_shape == (3, 6, 5)
    assert data.inputs.shape == (40, 6, 5, 3)
    assert data.preparation.channels_last
    assert data.preparation.size == (6, 5)


def test_grey_images_without_a_channel():
    data = load((RNG.integers(0, 256, (50, 6, 5), dtype=np.uint8), LABELS))
    assert (data.modality, data.input_shape) == ("image", (1, 6, 5))
    data = load((RNG.random((50, 6, 5)), LABELS), modality="image")
    assert (data.inputs.dtype, data.input_shape) == (np.float32, (1, 6, 5))


@pytest.mark.parametrize("shape", [(50, 3, 6, 5), (50, 6, 5, 3)])
def test_float_images_are_stored_channels_first_and_standardized(shape):
    data = load((RNG.normal(5, 2, shape), LABELS))
    assert data.inputs.shape == (40, 3, 6, 5)
    assert not data.preparation.channels_last
    inputs = data.preparation.network_input(data.train.inputs)
    np.testing.assert_allclose(inputs.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(inputs.std((0, 2, 3)), 1, atol=1e-5)
    np.testing.assert_allclose(network_tensor(data.preparation, data.train.inputs).numpy(), inputs, atol=1e-5)


def test_whole_numbers_of_another_type_are_pixels_too():
    data = load((RNG.integers(0, 256, (50, 4, 4, 1)), LABELS))
    assert data.inputs.dtype == np.uint8


def test_series():
    array = RNG.normal(size=(50, 2, 9)) * [[1], [100]]
    data = load((array, LABELS))
    assert (data.modality, data.input_shape) == ("series", (2, 9))
    np.testing.assert_allclose(data.preparation.network_input(data.train.inputs).std((0, 2)), 1, atol=1e-5)
    flat = load((array[:, 0], LABELS), modality="series")
    assert flat.input_shape == (1, 9)


def test_tables_are_standardized_on_training_rows():
    data = load((RNG.normal(10, 3, (50, 4)), LABELS))
    assert (data.modality, data.input_shape) == ("table", (4,))
    np.testing.assert_allclose(data.train.inputs.mean(0), 0, atol=1e-6)
    assert load((RNG.normal(size=50), LABELS)).input_shape == (1,)


def test_tokens():
    array = RNG.integers(0, 30, (50, 7))
    array[0] = 0
    array[1, 0] = 29
    data = load((array, LABELS), modality="text")
    assert data.inputs.dtype == np.int32
    assert len(data.preparation.vocabulary) == 30
    assert data.inputs.any(axis=1).all()
    with pytest.raises(UsageError, match="token numbers"):
        data.preparation.encode_texts(["hello"])
    with pytest.raises(DataError, match="whole and not negative"):
        load((array - 5, LABELS), modality="text")


def test_npz_whole_and_in_splits(tmp_path):
    x, y = RNG.integers(0, 256, (50, 4, 4), dtype=np.uint8), LABELS
    np.savez(tmp_path / "whole.npz", X=x, labels=y)
    data = load(tmp_path / "whole.npz")
    assert sorted(map(bytes, everything(data).reshape(50, 16))) == sorted(map(bytes, x.reshape(50, 16)))
    np.savez(
        tmp_path / "split.npz",
        train_images=x[:30],
        train_labels=y[:30, None],
        val_images=x[30:40],
        val_labels=y[30:40, None],
        test_images=x[40:],
        test_labels=y[40:, None],
    )
    data = load(tmp_path / "split.npz")
    assert data.scheme.kind == "fixed"
    assert np.array_equal(data.train.inputs[..., 0], x[:30])
    assert np.array_equal(data.validation.targets, y[30:40])
    assert np.array_equal(data.open_test("x").inputs[..., 0], x[40:])


def test_npz_with_a_group_array(tmp_path):
    np.savez(tmp_path / "a.npz", x=RNG.random((50, 3)), y=LABELS, who=np.arange(50) // 5)
    data = load(tmp_path / "a.npz", group="who")
    assert data.scheme.kind == "grouped"
    with pytest.raises(DataError, match="there is no array 'whom'"):
        load(tmp_path / "a.npz", group="whom")


def test_npz_with_other_keys_lists_them(tmp_path):
    np.savez(tmp_path / "a.npz", foo=np.zeros(3), bar=np.zeros(3))
    with pytest.raises(DataError, match="arrays foo, bar"):
        load(tmp_path / "a.npz")


def test_pickled_objects_are_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}, []], dtype=object), y=np.zeros(2))
    with pytest.raises(DataError, match="pickled objects, which are never loaded"):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    x = RNG.random((50, 4))
    x[3, 1] = bad
    with pytest.raises(DataError, match="1 of 200 input values"):
        load((x, LABELS))
    y = RNG.random(50)
    y[7] = bad
    with pytest.raises(DataError, match="first in row 7"):
        load((RNG.random((50, 4)), y))


def test_lengths_and_shapes_must_agree():
    with pytest.raises(DataError, match="50 inputs with 49 targets"):
        load((RNG.random((50, 4)), LABELS[:49]))
    train, test = (RNG.random((50, 3, 4, 4)), LABELS), (RNG.random((20, 3, 5, 5)), LABELS[:20])
    with pytest.raises(DataError, match="one of test"):
        load({"train": train, "test": test})
    with pytest.raises(DataError, match="those of test are texts"):
        load({"train": train, "test": (["a text"] * 20, LABELS[:20])})
    with pytest.raises(DataError, match="series are arrays"):
        load((RNG.random((50, 3, 4, 4)), LABELS), modality="series")


def test_statistics_given_must_fit():
    x = RNG.integers(0, 256, (50, 3, 4, 4), dtype=np.uint8)
    with pytest.raises(UsageError, match="0 to 255"):
        load((x, LABELS), mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))
    with pytest.raises(UsageError, match="go together"):
        load((x, LABELS), mean=(100, 100, 100))
