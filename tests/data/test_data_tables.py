import json

import numpy as np
import pandas as pd
import pytest

from burnish.data import Preparation, load
from burnish.data.tables import encode_columns, fit_columns, numbers
from burnish.errors import DataError


def people(n=60, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "job": rng.choice(["clerk", "nurse", "smith"], n),
            "height": rng.normal(170, 10, n).round(1),
            "y": rng.choice(["no", "yes"], n),
        }
    )
    return frame.assign(height=frame["height"].where(frame.index % 10 != 3))


def test_features_by_hand():
    frame = pd.DataFrame({"n": [1.0, 3.0, None], "c": ["b", "a", None], "k": [True, False, True]})
    columns, notes = fit_columns(frame)
    assert notes == []
    encoded = encode_columns(columns, frame)
    deviation = np.std([1, 0, 1])
    expected = [
        # n standardized, n missing; c is a, c is b, c missing; k standardized
        [-1, 0, 0, 1, 0, (1 - 2 / 3) / deviation],
        [1, 0, 1, 0, 0, (0 - 2 / 3) / deviation],
        [0, 1, 0, 0, 1, (1 - 2 / 3) / deviation],
    ]
    np.testing.assert_allclose(encoded, expected, rtol=1e-6)
    assert encoded.dtype == np.float32


def test_feature_groups_belong_to_one_column_each(tmp_path):
    people().to_csv(tmp_path / "people.csv", index=False)
    data = load(tmp_path / "people.csv")
    assert data.preparation.feature_groups == ((0,), (1, 2, 3), (4, 5))
    assert data.input_shape == (6,)


def test_statistics_come_from_training_rows_alone(tmp_path):
    people().to_csv(tmp_path / "people.csv", index=False)
    data = load(tmp_path / "people.csv")
    ages = data.train.inputs[:, 0]
    assert abs(ages.mean()) < 1e-6
    assert ages.std() == pytest.approx(1, rel=1e-5)
    assert abs(data.validation.inputs[:, 0].mean()) > 1e-3


@pytest.mark.parametrize("marker", ["", "?", "NA", "NaN", " ?"])
def test_missing_markers(tmp_path, marker):
    frame = people().astype({"age": object})
    frame.loc[::5, "age"] = marker
    frame.to_csv(tmp_path / "people.csv", index=False)
    data = load(tmp_path / "people.csv")
    column = data.preparation.columns[0]
    assert (column.name, column.kind, column.missing) == ("age", "number", True)
    features = np.concatenate([data.inputs, data.open_test("x").inputs])
    assert features[:, 1].sum() == 12
    assert (features[features[:, 1] == 1, 0] == 0).all()


def test_unknown_categories_and_new_gaps_are_all_zeros():
    columns, _ = fit_columns(pd.DataFrame({"c": ["a", "b", "a"], "n": [1, 2, 3]}))
    encoded = encode_columns(columns, pd.DataFrame({"c": ["z", None], "n": ["?", "2"]}))
    assert encoded.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_columns_that_say_nothing_are_left_out_and_noted():
    n = 200
    frame = pd.DataFrame(
        {
            "id": range(n),
            "constant": 1,
            "empty": [None] * n,
            "name": [f"person {i}" for i in range(n)],
            "x": np.linspace(0, 1, n),
        }
    )
    columns, notes = fit_columns(frame)
    assert [c.name for c in columns] == ["x"]
    assert len(notes) == 4
    with pytest.raises(DataError, match="no usable input column"):
        fit_columns(frame[["constant"]])


def test_rare_categories_beyond_the_cap_share_all_zeros():
    names = [f"c{i:03}" for i in range(100) for _ in range(100 - i)]
    columns, _ = fit_columns(pd.DataFrame({"c": names}))
    assert columns[0].width == 64
    assert set(columns[0].categories) == {f"c{i:03}" for i in range(64)}


def test_times_are_days():
    stamps = pd.Series(pd.to_datetime(["1970-01-02", "1970-01-03 12:00", None], format="mixed"))
    np.testing.assert_allclose(numbers(stamps), [1, 2.5, np.nan])


def test_prediction_encodes_a_table_as_training_did(tmp_path):
    frame = people()
    frame.to_csv(tmp_path / "people.csv", index=False)
    data = load(tmp_path / "people.csv")
    again = Preparation.from_json(json.loads(json.dumps(data.preparation.to_json())))
    stored = again.encode_frame(frame[["height", "job", "age"]])  # another order, without target
    everything = {row.tobytes() for row in np.concatenate([data.inputs, data.open_test("x").inputs])}
    assert {row.tobytes() for row in stored} == everything
    with pytest.raises(DataError, match="lacks 'job'"):
        again.encode_frame(frame[["height", "age"]])


def test_parquet_semicolons_and_tabs_give_the_same_data(tmp_path):
    frame = people()
    frame.to_parquet(tmp_path / "people.parquet")
    frame.to_csv(tmp_path / "semicolon.csv", sep=";", index=False)
    frame.to_csv(tmp_path / "people.tsv", sep="\t", index=False)
    prints = {load(path).fingerprint for path in tmp_path.iterdir()}
    assert len(prints) == 1
    assert prints == {load(frame).fingerprint}


def test_regression_is_inferred_and_scaled_by_training_rows(tmp_path):
    frame = people().assign(y=np.random.default_rng(3).normal(50, 5, 60))
    data = load(frame)
    assert data.task.kind == "regression"
    assert data.task.center == pytest.approx((data.train.targets.mean(),))
    assert data.task.scale == pytest.approx((data.train.targets.std(),))
    assert any("task taken as regression" in note for note in data.notes)


def test_several_targets():
    frame = people().drop(columns="y").assign(a=np.random.default_rng(0).random(60), b=np.arange(60.0))
    data = load(frame, target="a, b")
    assert data.task.names == ("a", "b")
    assert data.targets.shape == (48, 2)
    assert load(frame, target=["a", "b"]).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        (np.arange(60) % 3, "classification"),
        (np.arange(60) % 2 * 1.0, "classification"),
        (np.arange(60) % 2 == 0, "classification"),
        (np.arange(60) * 10, "regression"),
        (np.arange(60) / 7, "regression"),
        (np.array(["1", "2", "3"] * 20), "classification"),
    ],
)
def test_the_kind_of_task_follows_from_the_targets(targets, kind):
    data = load(people().assign(y=targets))
    assert data.task.kind == kind
    assert any(f"task taken as {kind}" in note for note in data.notes)


def test_the_target_column_may_have_any_case_and_whole_numbers_read_as_such():
    data = load(people().drop(columns="y").assign(LABEL=np.arange(60) % 2 * 1.0))
    assert data.task.names == ("0", "1")


def test_rare_classes_make_macro_f1_primary():
    labels = np.array(["a"] * 95 + ["b"] * 5)
    assert load(people(100).assign(y=labels)).task.primary.name == "accuracy"
    labels = np.array(["a"] * 490 + ["b"] * 10)
    assert load(people(500).assign(y=labels)).task.primary.name == "f1_macro"
    assert load(people(500).assign(y=labels), metric="log_loss").task.primary.name == "log_loss"


def test_groups_and_times(tmp_path):
    frame = people(200).assign(patient=np.arange(200) // 4, day=pd.date_range("2020-01-01", periods=200))
    grouped = load(frame, group="patient")
    assert grouped.scheme.kind == "grouped"
    assert "patient" not in [c.name for c in grouped.preparation.columns]
    groups = grouped.scheme.groups
    assert not set(groups[grouped.train_rows]) & set(groups[grouped.validation_rows])
    frame.to_csv(tmp_path / "timed.csv", index=False)
    timed = load(tmp_path / "timed.csv", time="day")
    assert timed.scheme.kind == "timed"
    assert timed.scheme.times[timed.train_rows].max() < timed.scheme.times[timed.validation_rows].min()
    grouped.save(tmp_path / "saved")
    assert np.array_equal(type(grouped).restore(tmp_path / "saved").scheme.groups, groups)


def test_a_folder_with_splits_is_law(tmp_path):
    people(40).to_csv(tmp_path / "train.csv", index=False)
    people(12, seed=1).to_csv(tmp_path / "test.csv", index=False)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), data.test_size) == (32, 8, 12)
    people(10, seed=2).to_csv(tmp_path / "dev.csv", index=False)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), data.test_size) == (40, 10, 12)
    assert data.scheme.kind == "fixed"


def test_series_in_a_table_keep_their_shape():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(3, 2, (50, 16)), columns=[f"t{i}" for i in range(16)]).assign(y=np.arange(50) % 2)
    data = load(frame, modality="series")
    assert data.input_shape == (1, 16)
    assert data.inputs.shape == (40, 1, 16)
    assert data.preparation.mean == pytest.approx((data.train.inputs.mean(),), rel=1e-4)
    frame.loc[3, "t4"] = None
    with pytest.raises(DataError, match="missing values"):
        load(frame, modality="series")
