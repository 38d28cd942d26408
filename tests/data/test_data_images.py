import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from burnish.data import images, load
from burnish.errors import DataError


def write(folder, name, array, **options):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(folder / name, **options)


def make_folder(root, *, classes=("cat", "dog"), count=12, shape=(8, 8, 3), suffix="png"):
    rng = np.random.default_rng(0)
    for label in classes:
        for i in range(count):
            write(root / label, f"{i:02}.{suffix}", rng.integers(0, 256, shape, dtype=np.uint8))
    return root


def test_pixels_and_classes_of_a_folder_are_exact(tmp_path):
    make_folder(tmp_path)
    data = load(tmp_path)
    assert data.task.names == ("cat", "dog")
    assert data.inputs.dtype == np.uint8
    sealed = data.open_test("test")
    read = np.concatenate([data.inputs, sealed.inputs])
    labels = np.concatenate([data.targets, sealed.targets])
    for number, label in enumerate(data.task.names):
        files = {np.asarray(Image.open(p)).tobytes() for p in (tmp_path / label).iterdir()}
        assert {image.tobytes() for image in read[labels == number]} == files


def test_grey_only_if_all_are_grey(tmp_path):
    make_folder(tmp_path / "grey", shape=(8, 8))
    assert load(tmp_path / "grey").input_shape == (1, 8, 8)
    make_folder(tmp_path / "mixed", shape=(8, 8))
    write(tmp_path / "mixed" / "cat", "color.png", np.zeros((8, 8, 3), np.uint8))
    data = load(tmp_path / "mixed")
    assert data.input_shape == (3, 8, 8)
    assert any("24 grey images read as RGB" in note for note in data.notes)


def test_a_color_image_in_test_alone_still_makes_all_rgb(tmp_path):
    make_folder(tmp_path / "train", shape=(8, 8))
    make_folder(tmp_path / "test", shape=(8, 8, 3), count=2)
    assert load(tmp_path).input_shape == (3, 8, 8)


def test_transparency_is_put_on_white(tmp_path):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (200, 100, 0, 255)
    rgba[0, 1] = (200, 100, 0, 128)
    image = images.pixels(Image.fromarray(rgba), mode="RGB")
    assert image[0, 0].tolist() == [200, 100, 0]
    assert image[1, 1].tolist() == [255, 255, 255]
    expected = np.array([200, 100, 0]) * 128 / 255 + 255 * 127 / 255
    assert np.abs(image[0, 1] - expected).max() <= 1


def test_sixteen_bit_grey_keeps_its_upper_byte():
    image = Image.fromarray(np.array([[0, 65535], [32768, 256]], dtype=np.uint16))
    assert images.pixels(image, mode="L")[..., 0].tolist() == [[0, 255], [128, 1]]


def test_rotation_in_exif_is_applied(tmp_path):
    array = np.zeros((4, 8, 3), np.uint8)
    array[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise
    Image.fromarray(array).save(tmp_path / "turned.png", exif=exif)
    sizes, _ = images.survey([tmp_path / "turned.png"])
    assert sizes == [(8, 4)]
    decoded, _, _ = images.decode([tmp_path / "turned.png"], mode="RGB", size=(8, 4))
    assert decoded[0, :4].min() == 255
    assert decoded[0, 4:].max() == 0


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_formats(tmp_path, suffix):
    array = np.full((16, 16, 3), (10, 120, 240), np.uint8)
    write(tmp_path, f"flat.{suffix}", array)
    decoded, resized, colored = images.decode([tmp_path / f"flat.{suffix}"], mode="RGB", size=(16, 16))
    assert (resized, colored) == (0, 1)
    assert np.abs(decoded[0].astype(int) - array).max() <= 4


def test_mixed_sizes_become_the_median_capped_and_noted(tmp_path):
    make_folder(tmp_path, shape=(100, 50, 3))
    write(tmp_path / "cat", "wide.png", np.zeros((20, 300, 3), np.uint8))
    data = load(tmp_path)
    assert data.input_shape == (3, 64, 32)
    assert data.preparation.size == (64, 32)
    assert any("resized to 64x32" in note and "capped at 64" in note for note in data.notes)
    assert load(tmp_path, size=(10, 12)).input_shape == (3, 10, 12)


def test_prediction_reads_files_as_training_did(tmp_path):
    make_folder(tmp_path, shape=(30, 20, 3), suffix="jpg")
    data = load(tmp_path, size=8)
    files = sorted((tmp_path / "cat").iterdir())
    stored = data.preparation.encode_files(files)
    everything = {image.tobytes() for image in np.concatenate([data.inputs, data.open_test("x").inputs])}
    assert stored.shape == (12, 8, 8, 3)
    assert {image.tobytes() for image in stored} <= everything


def test_given_splits_are_law(tmp_path):
    for split, count in (("train", 10), ("val", 5), ("test", 3)):
        make_folder(tmp_path / split, count=count)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), data.test_size) == (20, 10, 6)
    assert data.scheme.kind == "fixed"


def test_without_validation_the_training_folder_is_split(tmp_path):
    make_folder(tmp_path / "train", count=20)
    make_folder(tmp_path / "test", count=3)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), data.test_size) == (32, 8, 6)
    assert data.scheme.kind == "resample"


def test_statistics_come_from_training_rows_alone(tmp_path):
    make_folder(tmp_path / "train", shape=(8, 8))
    for label in ("cat", "dog"):
        write(tmp_path / "test" / label, "white.png", np.full((8, 8), 255, np.uint8))
        write(tmp_path / "val" / label, "black.png", np.zeros((8, 8), np.uint8))
    data = load(tmp_path)
    assert data.preparation.mean == pytest.approx((data.train.inputs.mean(),), rel=1e-6)


def test_max_rows_caps_before_decoding(tmp_path, monkeypatch):
    make_folder(tmp_path / "train", count=30)
    make_folder(tmp_path / "test", count=2)
    opened = []
    original = images.pixels
    monkeypatch.setattr(images, "pixels", lambda *a, **k: opened.append(1) or original(*a, **k))
    data = load(tmp_path, max_rows=20)
    assert len(data.inputs) == 20
    assert len(opened) == 24
    assert np.bincount(data.targets).tolist() == [10, 10]


def test_large_arrays_live_in_a_file_that_goes_away(monkeypatch):
    monkeypatch.setattr(images, "IN_MEMORY", 10)
    array = images.allocate((4, 2, 2, 3))
    assert isinstance(array, np.memmap)
    folder = Path(str(array.filename)).parent
    array[:] = 7
    assert (np.asarray(array) == 7).all()
    assert os.name != "posix" or not folder.exists()  # a killed process leaves nothing
    del array
    assert not folder.exists()


def test_unreadable_images_are_named_and_counted(tmp_path):
    make_folder(tmp_path)
    for i in range(7):
        (tmp_path / "cat" / f"broken{i}.png").write_bytes(b"not an image")
    whole = (tmp_path / "dog" / "00.png").read_bytes()
    (tmp_path / "dog" / "00.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"8 of 31 images cannot be read: .*broken0\.png"):
        load(tmp_path)


def test_an_empty_class_folder_is_refused(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "bird").mkdir()
    with pytest.raises(DataError, match="'bird'"):
        load(tmp_path)


def test_one_class_is_refused(tmp_path):
    make_folder(tmp_path, classes=("cat",))
    with pytest.raises(DataError, match="at least two classes"):
        load(tmp_path)


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_outside_training_is_refused(tmp_path, split):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / split, classes=("cat", "dog", "owl"), count=2)
    with pytest.raises(DataError, match="not in training: 'owl'"):
        load(tmp_path)


def test_a_folder_without_classes_is_refused(tmp_path):
    write(tmp_path, "a.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match="no class folders"):
        load(tmp_path)
