"""Several labels for each example, from every source that can hold them."""

from pathlib import Path

import numpy as np
import pytest

from burnish.data import load
from burnish.data.splits import strata
from burnish.errors import DataError, UsageError
from burnish.tasks import Multilabel

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)).astype(np.float32)
Y = (RNG.random((400, 3)) < [0.5, 0.3, 0.02]).astype(int)


def test_arrays_files_tables_and_datasets_give_the_same_task(tmp_path: Path) -> None:
    import pandas as pd
    import torch
    from torch.utils.data import TensorDataset

    np.savez(tmp_path / "labels.npz", x=X, y=Y)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(hat=Y[:, 0], red=Y[:, 1], big=Y[:, 2])
    frame.to_csv(tmp_path / "labels.csv", index=False)
    sources = {
        "arrays": load((X, Y)),
        "npz": load(tmp_path / "labels.npz"),
        "table": load(tmp_path / "labels.csv", target=["hat", "red", "big"]),
        "dataset": load(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y).float())),
    }
    for data in sources.values():
        assert isinstance(data.task, Multilabel)
        assert (data.task.outputs, data.targets.dtype.kind, data.targets.shape) == (3, "i", (len(data.targets), 3))
        assert any("multilabel" in note for note in data.notes)
    assert sources["table"].task.names == ("hat", "red", "big")
    assert sources["npz"].task.names == ("y_0", "y_1", "y_2")


def test_rare_labels_are_spread_over_the_splits() -> None:
    data = load((X, Y))
    test = data.open_test("a test").targets
    for part in (data.train.targets, data.validation.targets, test):
        assert part[:, 2].mean() == pytest.approx(Y[:, 2].mean(), abs=0.012)
        assert part[:, 2].sum() >= 1
    again = data.replicate(3)
    assert again.validation.targets[:, 2].sum() >= 1
    assert not np.array_equal(again.validation_rows, data.validation_rows)


def test_strata_are_the_rarest_labels() -> None:
    found = strata(Y)
    assert (found[Y[:, 2] == 1] == 2).all()
    assert (found[~Y.any(1)] == 3).all()
    values = RNG.normal(size=(10, 2))
    assert strata(values) is values


def test_other_tasks_can_be_asked_for_and_wrong_targets_are_refused() -> None:
    assert load((X, Y), task="regression").task.kind == "regression"
    with pytest.raises(DataError, match="column of 0 and 1 for each label"):
        load((X, Y + 1), task="multilabel")
    with pytest.raises(DataError, match="1 of 3 labels never differ"):
        load((X, Y * [1, 1, 0]))
    with pytest.raises(UsageError, match="no metric of labels"):
        load((X, Y), metric="rmse")


def test_the_data_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    data = load((X, Y))
    data.save(tmp_path)
    restored = type(data).restore(tmp_path)
    assert restored.task == data.task
    assert np.array_equal(restored.validation.targets, data.validation.targets)
