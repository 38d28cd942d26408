import sys

import numpy as np
import pandas as pd
import pytest

from burnish.data import load
from burnish.errors import DataError, UsageError


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n"
        "X, Y = np.random.default_rng(0).random((40, 3)), np.arange(40) % 2\n"
        "def arrays(): return X, Y\n"
        "def splits(): return {'train': (X, Y), 'validation': (X[:10], Y[:10])}\n"
        "def file(): return __file__.replace('mine.py', 'data.csv')\n"
        "def broken(): raise RuntimeError('no disk')\n"
    )
    return path


def frame(n=40):
    return pd.DataFrame({"x": np.random.default_rng(0).random(n), "label": np.arange(n) % 2})


def test_functions_in_files(script):
    data = load(f"{script}:arrays")
    assert (data.modality, data.name) == ("table", "mine.py:arrays")
    assert load(f"{script}:splits").scheme.kind == "fixed"
    frame().to_csv(script.parent / "data.csv", index=False)
    assert load(f"{script}:file").fingerprint == load(frame()).fingerprint


def test_functions_in_modules(script, monkeypatch):
    monkeypatch.syspath_prepend(str(script.parent))
    assert len(load("mine:arrays").train) == 24
    sys.modules.pop("mine")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{}:nothing", "no function 'nothing'; it has arrays, splits, file, broken"),
        ("{}:broken", "raised RuntimeError: no disk"),
        ("{}x:arrays", "no file or module"),
        ("absent.py:arrays", "no file 'absent.py'"),
        ("absent/", "no file or folder 'absent/'; a source of data is 'digits'"),
        ("{}", "names no function: write .*mine.py:FUNCTION"),
    ],
)
def test_names_that_lead_nowhere_are_explained(script, source, message):
    with pytest.raises(DataError, match=message):
        load(source.format(script))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (42, "a int is no source"),
        ({"train": (np.zeros((4, 2)), np.zeros(4)), "tset": 1}, "unknown splits tset"),
        ({"a": 1}, "keys 'a' is no source"),
        ([1, 2, 3], "list of 3 values"),
    ],
)
def test_values_that_are_no_source_are_explained(source, message):
    with pytest.raises(DataError, match=message):
        load(source)


def test_a_dict_of_arrays_and_a_folder_with_one_table(tmp_path):
    x, y = np.random.default_rng(0).random((40, 3)), np.arange(40) % 2
    assert load({"x": x, "y": y}).fingerprint == load((x, y)).fingerprint
    frame().to_csv(tmp_path / "only.csv", index=False)
    assert load(tmp_path).name == tmp_path.name
    frame().to_csv(tmp_path / "second.csv", index=False)
    with pytest.raises(DataError, match=r"holds only\.csv, second\.csv"):
        load(tmp_path)


def test_a_split_source_cannot_be_one_split(tmp_path):
    for name in ("train", "test"):
        frame().to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(DataError, match="itself split"):
        load({"train": tmp_path})


BAD_TABLES = [
    (frame().rename(columns={"label": "outcome"}), {}, r"no column called label, target, class, y; .*'x', 'outcome'"),
    (frame(), {"target": "price"}, "no target column 'price'; its columns are 'x', 'label'"),
    (frame().assign(label=1), {}, "all 40 targets are 1"),
    (frame().assign(label=[None, *"ab" * 19, "a"]), {}, "1 of 40 values of 'label' are missing, first in row 0"),
    (frame().assign(label=[np.nan, *[0.5] * 39]), {}, "missing or not finite"),
    (frame().assign(label=["only", *"ab" * 19, "a"]), {}, "a single example: 'only'"),
    (frame().assign(label=[f"n{i}" for i in range(40)]), {}, "40 different targets in 40 rows are no classes"),
    (frame().assign(label=["a", "b"] * 20), {"task": "regression"}, "regression needs numbers"),
    (frame(8), {}, "at least 10 are needed"),
    (frame()[["label"]], {}, "nothing but the target"),
    (frame().assign(x=np.inf), {}, "infinite"),
    (frame(), {"group": "who"}, "no group column 'who'"),
    (frame().assign(day=["soon"] * 40), {"time": "day"}, "neither numbers nor dates"),
    (frame(), {"modality": "image"}, "cannot be read as image"),
    (frame(), {"modality": "sound"}, "unknown modality 'sound'"),
    (frame(), {"modality": "text"}, "no column with texts"),
    (frame(), {"task": "ranking"}, "unknown task 'ranking'"),
    (frame(), {"metric": "rmse"}, "no metric of classification"),
    (frame(), {"metric": "speed"}, "'speed' is no metric"),
    (frame(), {"max_rows": 2}, "max_rows must be at least 10"),
    (frame(), {"size": 0}, "size must be at least 1"),
    (frame(), {"group": "a", "time": "b"}, "not both"),
    (frame(), {"validation": 30, "test": 30}, "cannot give 30 for validation"),
]


@pytest.mark.parametrize(("table", "options", "message"), BAD_TABLES, ids=[m for _, _, m in BAD_TABLES])
def test_unusable_tables_are_explained(table, options, message):
    with pytest.raises(UsageError, match=message):
        load(table, **options)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_labels_outside_training_are_refused(tmp_path, split):
    frame().to_csv(tmp_path / "train.csv", index=False)
    frame().assign(label=np.arange(40) % 3).to_csv(tmp_path / f"{split}.csv", index=False)
    with pytest.raises(DataError, match="not in training: 2"):
        load(tmp_path)


def test_a_class_that_a_split_in_time_leaves_out_of_training_is_refused():
    table = frame(100).assign(day=range(100), label=[0, 1] * 40 + [2] * 20)
    with pytest.raises(DataError, match="training rows lack 1 of 3 classes: '2'"):
        load(table, time="day")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not readable as a table"),
        (b"x,label\n", "has no row"),
        ("x,label\nä,1\n".encode("latin-1"), "not UTF-8"),
        (b'x,label\n1,2,3,4\n1,2\n"', "not readable as a table"),
        (b"x,x ,label\n1,2,0\n", "more than once"),
    ],
)
def test_unreadable_tables_are_explained(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.csv")


def test_broken_binary_files_are_explained(tmp_path):
    for name, message in (("a.parquet", "not readable as a table"), ("a.npz", "not readable as NPZ")):
        (tmp_path / name).write_bytes(b"garbage")
        with pytest.raises(DataError, match=message):
            load(tmp_path / name)
