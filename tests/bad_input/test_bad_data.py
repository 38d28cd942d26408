"""Data that cannot be used: one line that says what was found and what to do about it, and nothing written."""

from pathlib import Path

import numpy as np
import pytest
from bad_input_files import rows, write_arrays
from PIL import Image

from burnish.data import load
from burnish.errors import DataError

TABLES = {
    "missing target column": ("a,b\n" + rows(lambda i: f"{i},{i % 2}"), "no column called label.*columns are 'a', 'b'"),
    "missing targets": (
        "a,label\n" + rows(lambda i: f"{i},{'' if i == 4 else i % 2}"),
        "1 of 60 values of 'label'",
    ),
    "infinite target": ("a,y\n" + rows(lambda i: f"{i},{'inf' if i == 4 else i / 7}"), "missing or not finite.* row 4"),
    "infinite input": ("a,label\n" + rows(lambda i: f"{'-inf' if i == 4 else i},{i % 2}"), "'a' holds 1 infinite"),
    "huge input": ("a,label\n" + rows(lambda i: f"{1e308 if i % 9 else i},{i % 2}"), "'a' holds 1e.308, too large"),
    "one class": ("a,label\n" + rows(lambda i: f"{i},x"), "all 60 targets are 'x'.*at least two classes"),
    "one value": ("a,y\n" + rows(lambda i: f"{i},1.5"), "all 60 targets are 1.5: regression needs values that differ"),
    "single example": ("a,label\n" + rows(lambda i: f"{i},{'r' if i == 3 else i % 2}"), "a single example: 'r'"),
    "names as targets": ("a,label\n" + rows(lambda i: f"{i},id{i}"), "60 different targets in 60 rows are no classes"),
    "nothing but missing": ("a,label\n" + rows(lambda i: f",{i % 2}"), "no usable input column among 'a': .*is empty"),
    "nothing but targets": ("label\n" + rows(lambda i: f"{i % 2}"), "nothing but the target label"),
    "too few rows": ("a,label\n1,x\n2,y\n3,x\n4,y\n", "rows for training and validation; at least 10"),
    "no rows": ("a,label\n", "has no row"),
    "empty file": ("", "not readable as a table"),
    "ragged": ("a,label\n1,x\n1,2,3,y\n", "not readable as a table: .*line 3"),
    "repeated column": ("a,label,label\n" + rows(lambda i: f"{i},{i % 2},1"), "column 'label' more than once"),
    "not text": (bytes(range(256)), "not UTF-8 text"),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables(check_refused, tmp_path, case):
    content, message = TABLES[case]
    file = tmp_path / "t.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    check_refused("train", "--data", file, "--out", tmp_path / "out", says=message)
    assert not (tmp_path / "out").exists()


def test_missing_inputs_are_no_error(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,label\n" + rows(lambda i: f"{'?' if i % 3 else i},{i},{i % 2}"))
    assert np.isfinite(load(tmp_path / "t.csv").inputs).all()


X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
ARRAYS = {
    "NaN input": ({"x": np.where(X > 2, np.nan, X)}, "input values are NaN or infinite: fill or drop them"),
    "infinite input": ({"x": np.where(X > 2, np.inf, X)}, "input values are NaN or infinite"),
    "huge input": ({"x": np.where(X > 2, 1e200, X.astype(float))}, r"hold 1e\+200, too large to compute with"),
    "NaN target": (
        {"y": np.where(np.arange(60) == 7, np.nan, X[:, 0])},
        "1 of 60 values .* first in row 7",
    ),
    "fewer targets": ({"y": np.arange(40) % 2}, "60 inputs with 40 targets"),
    "objects": ({"x": np.array([{}] * 60, dtype=object)}, "pickled objects, which are never loaded"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(check_refused, tmp_path, case):
    changes, message = ARRAYS[case]
    check_refused("train", "--data", write_arrays(tmp_path / "a.npz", **changes), says=message)


def test_archives_that_are_cut_off_or_something_else(check_refused, arrays):
    content = arrays.read_bytes()
    for wrong in (content[:300], b"", b"hello"):
        arrays.write_bytes(wrong)
        check_refused("train", "--data", arrays, says="not readable as NPZ: it is cut off, something else")


def picture(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(len(file.name)).integers(0, 255, (8, 8), dtype=np.uint8)).save(file)


@pytest.fixture
def photos(tmp_path) -> Path:
    for label in ("cat", "dog"):
        for i in range(12):
            picture(tmp_path / "photos" / label / f"{i}.png")
    return tmp_path / "photos"


def test_unreadable_images_are_named(check_refused, photos):
    (photos / "cat" / "3.png").write_bytes(b"no image")
    (photos / "dog" / "2.png").write_bytes((photos / "dog" / "1.png").read_bytes()[:50])
    says = "2 of 24 images cannot be read: .*cat/3.png .*dog/2.png .*Repair or remove them"
    check_refused("train", "--data", photos, says=says)


def test_an_empty_class(check_refused, photos):
    (photos / "bird").mkdir()
    check_refused(
        "train", "--data", photos, says="1 of 3 class folders of .* hold no images .*'bird'; remove them or add"
    )


def test_one_class_and_none(check_refused, photos, tmp_path):
    check_refused("train", "--data", tmp_path, says="all 24 targets are 'photos'")
    check_refused(
        "train", "--data", photos / "cat", says="no class folders; expected one folder of images for each class"
    )


def test_labels_only_in_validation(check_refused, photos, tmp_path):
    photos.rename(tmp_path / "train")
    for label in ("cat", "bird"):
        picture(tmp_path / "val" / label / "1.png")
    says = "labels that occur only in validation, not in training: 'bird'; move examples"
    check_refused("train", "--data", tmp_path, says=says)


def test_a_split_with_other_columns(check_refused, tmp_path):
    (tmp_path / "train.csv").write_text("a,b,label\n" + rows(lambda i: f"{i},1{i},{i % 2}"))
    (tmp_path / "val.csv").write_text("a,c,label\n" + rows(lambda i: f"{i},1,{i % 2}", 20))
    check_refused("train", "--data", tmp_path, says="table of validation lacks 'b', which the training table has")
    (tmp_path / "val.csv").rename(tmp_path / "test.csv")
    (tmp_path / "test.csv").write_text("a,b\n" + rows(lambda i: f"{i},1", 20))
    check_refused("train", "--data", tmp_path, says="test.csv has no target column 'label' as the training table has")


def test_columns_of_a_split_that_training_lacks_are_left_out(tmp_path):
    (tmp_path / "train.csv").write_text("a,label\n" + rows(lambda i: f"{i},{i % 2}"))
    (tmp_path / "val.csv").write_text("extra,a,label\n" + rows(lambda i: f"x,{i},{i % 2}", 20))
    assert load(tmp_path).input_shape == (1,)


SCRIPT = """
import sys
import numpy as np
def raises(): raise RuntimeError("no disk")
def exits(): sys.exit(2)
def nothing(): return None
def three(): return 1, 2, 3
def wants(path): return path
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (":raises", r"data.py:raises\(\) raised RuntimeError: no disk"),
        (":exits", "raised SystemExit: 2"),
        (":nothing", "a NoneType is no source of data; expected 'digits', an image folder"),
        (":three", "a tuple of 3 values is no source"),
        (":wants", "missing 1 required positional argument: 'path'"),
        (":absent", "has no function 'absent'; it has raises, exits, nothing, three, wants"),
        ("", "names no function: write .*data.py:FUNCTION"),
        ("x:raises", "there is no file or module"),
    ],
)
def test_functions(check_refused, tmp_path, name, message):
    (tmp_path / "data.py").write_text(SCRIPT)
    check_refused("train", "--data", f"{tmp_path}/data.py{name}", says=message)


def test_sources_that_are_not_there(check_refused, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    check_refused("train", "--data", tmp_path / "absent.csv", says="there is no file or folder .*absent.csv'; a source")
    check_refused(
        "train", "--data", tmp_path / "notes.txt", says="a file of unknown type; a source of data is 'digits'"
    )


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (("--target", "z"), "has no target column 'z'; its columns are 'a', 'label'"),
        (("--group", "z"), "has no group column 'z'; its columns are 'a'"),
        (("--task", "ranking"), "unknown task 'ranking'; one of classification, multilabel, regression"),
        (
            ("--task", "regression", "--target", "label"),
            "regression needs numbers, the targets are texts such as 'yes'",
        ),
        (("--modality", "video"), "unknown modality 'video'; one of image, text, table, series"),
        (("--metric", "acc"), "'acc' is no metric of classification; one of accuracy"),
        (("--max-rows", "3"), "max_rows must be at least 10, got 3"),
    ],
)
def test_flags_that_do_not_fit_the_data(check_refused, tmp_path, flag, message):
    (tmp_path / "t.csv").write_text("a,label\n" + rows(lambda i: f"{i},{'no' if i % 2 else 'yes'}"))
    check_refused("train", "--data", tmp_path / "t.csv", *flag, says=message)


def test_a_column_named_where_there_is_none(check_refused, photos, arrays):
    check_refused(
        "train", "--data", "digits", "--target", "z", says="'digits' holds images and no columns, so there is"
    )
    check_refused("train", "--data", photos, "--group", "owner", says="no columns, so there is no group 'owner'")
    check_refused("train", "--data", arrays, "--target", "z", says="has the arrays x, y; expected .*targets: z")


def test_python_says_the_same():
    with pytest.raises(DataError, match="60 of 240 input values are NaN or infinite"):
        load((np.where(np.arange(4) == 0, np.nan, X), np.arange(60) % 2))
