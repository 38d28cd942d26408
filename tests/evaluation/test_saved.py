"""The same numbers from a table as from the arrays it was written from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from burnish.errors import DataError, UsageError
from burnish.evaluation.paired import paired_examples
from burnish.evaluation.quality import confusion, per_class, quality
from burnish.evaluation.saved import evaluate_saved, task_of
from burnish.metrics import metric
from burnish.tasks import Classification, Multilabel, Regression

RNG = np.random.default_rng(0)
NAMES = ("ant", "bee", "cow")


def classes() -> tuple[pd.DataFrame, np.ndarray, list[np.ndarray]]:
    targets = RNG.integers(0, 3, 200)
    models = [Classification(classes=NAMES).decode(RNG.normal(size=(200, 3)) + k * np.eye(3)[targets]) for k in (1, 2)]
    columns = {"split": np.repeat(["validation", "test"], 100), "target": [NAMES[i] for i in targets]}
    for label, model in zip(("baseline", "model"), models, strict=True):
        columns |= {f"{label}_p_{name}": model[:, i] for i, name in enumerate(NAMES)}
    return pd.DataFrame(columns), targets, models


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_classes_from_a_file(tmp_path: Path, suffix: str) -> None:
    frame, targets, models = classes()
    path = tmp_path / f"predictions{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    task = task_of(frame)
    assert task.names == NAMES
    found = evaluate_saved(path)
    assert list(found["splits"]) == ["validation", "test"]
    part, rows = found["splits"]["test"], slice(100, 200)
    model = part["models"]["model"]
    expected = quality(task, models[1][rows], targets[rows])
    for name, estimate in expected.items():
        got = model["metrics"][name]
        assert (got.value, got.low, got.high) == pytest.approx((estimate.value, estimate.low, estimate.high))
    assert model["confusion"] == confusion(task, models[1][rows], targets[rows])
    assert [row["f1"].value for row in model["per_class"]] == pytest.approx(
        [row["f1"].value for row in per_class(task, models[1][rows], targets[rows])]
    )
    gain = paired_examples(metric("accuracy"), models[0][rows], models[1][rows], targets[rows])
    assert part["differences"]["model"].value == pytest.approx(gain.value)
    assert sum(row["rate"].n for row in model["reliability"]) == 100
    assert list(evaluate_saved(path, split="test", metric="f1_macro")["splits"]) == ["test"]


def test_labels_and_values_are_told_by_their_columns(tmp_path: Path) -> None:
    there = RNG.integers(0, 2, size=(60, 2))
    sure = np.clip(there * 0.5 + RNG.random((60, 2)) * 0.5, 0, 1)
    frame = pd.DataFrame({"target_hat": there[:, 0], "target_red": there[:, 1]})
    frame["net_p_hat"], frame["net_p_red"] = sure.T
    frame.to_parquet(tmp_path / "labels.parquet")
    found = evaluate_saved(tmp_path / "labels.parquet")
    assert isinstance(task_of(frame), Multilabel)
    measured = found["splits"]["all"]["models"]["net"]
    assert measured["metrics"]["pr_auc"].value == pytest.approx(metric("pr_auc")(sure, there))
    assert [row["name"] for row in measured["per_class"]] == ["hat", "red"]

    truth = RNG.normal(size=80)
    values = pd.DataFrame({"target_price": truth, "net_price": truth + 0.1})
    values["net_q10_price"], values["net_q90_price"] = truth - 1, truth + np.repeat([1, -0.5], 40)
    values.to_csv(tmp_path / "values.csv", index=False)
    assert isinstance(task_of(values), Regression)
    measured = evaluate_saved(tmp_path / "values.csv")["splits"]["all"]["models"]["net"]
    assert measured["metrics"]["rmse"].value == pytest.approx(0.1)
    assert [(row["nominal"], row["coverage"].value) for row in measured["coverage"]] == [(0.8, 0.5)]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    frame, _, _ = classes()
    with pytest.raises(DataError, match="there is no file"):
        evaluate_saved(tmp_path)
    path = tmp_path / "table.csv"
    pd.DataFrame({"a": [1]}).to_csv(path)
    with pytest.raises(DataError, match="are no predictions"):
        evaluate_saved(path)
    frame.to_csv(path)
    with pytest.raises(UsageError, match="no split 'train'"):
        evaluate_saved(path, split="train")
    with pytest.raises(UsageError, match="no metric of classification"):
        evaluate_saved(path, metric="rmse")
    frame.assign(target="dog").to_csv(path)
    with pytest.raises(DataError, match="have no column of probabilities"):
        evaluate_saved(path)
