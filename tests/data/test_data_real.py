import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from burnish.data import load

REAL = Path(os.environ.get("BURNISH_DATA", Path(__file__).parents[3] / "shared" / "data"))


def real(name):
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{name} is not in {REAL}; set BURNISH_DATA to the folder that holds it")
    return path


def test_trec_splits_validation_from_train():
    data = load(real("trec"))
    assert (len(data.train) + len(data.validation), data.test_size) == (5368, 500)
    assert data.task.names == ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
    assert data.modality == "text"
    assert data.scheme.kind == "resample"


def test_sst2_keeps_its_development_set():
    data = load(real("sst2"), max_rows=4000)
    assert data.scheme.kind == "fixed"
    assert (len(data.train), len(data.validation), data.test_size) == (3600, 400, 872)


def test_adult_counts_what_is_missing():
    path = real("adult/adult.csv")
    data = load(path, target="income", max_rows=5000)
    assert data.task.names == ("<=50K", ">50K")
    gaps = {c.name for c in data.preparation.columns if c.missing}
    table = pd.read_csv(path)
    assert gaps == {name for name in table.columns if (table[name] == "?").any()}
    assert np.isfinite(data.inputs).all()


def test_concrete_is_a_regression(tmp_path):
    table = np.loadtxt(real("uci/concrete/data.txt"))
    frame = pd.DataFrame(table, columns=[f"f{i}" for i in range(table.shape[1] - 1)] + ["target"])
    frame.to_csv(tmp_path / "concrete.csv", index=False)
    data = load(tmp_path / "concrete.csv")
    assert (data.task.kind, data.input_shape) == ("regression", (8,))
    assert len(data.inputs) + data.test_size == 1030
    assert data.task.primary.name == "rmse"


def extract_some(archive, folder, *, classes, count):
    """The first `count` pictures of the first `classes` folders of the archive."""
    kept = {}
    for member in archive:
        parts = Path(member.name).parts
        if not member.isfile() or kept.get(parts[-3:-1], 0) >= count:
            continue
        kept[parts[-3:-1]] = kept.get(parts[-3:-1], 0) + 1
        target = folder.joinpath(*parts[-2:])
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(archive.extractfile(member).read())
        if len(kept) == classes and sum(kept.values()) == classes * count:
            return


def test_cifar_pictures_are_read_exactly(tmp_path):
    with tarfile.open(real("cifar10.tar.gz")) as archive:
        extract_some(archive, tmp_path, classes=3, count=12)
    data = load(tmp_path)
    assert data.input_shape == (3, 32, 32)
    assert len(data.inputs) + data.test_size == 36
    first = sorted(tmp_path.rglob("*.jpg"))[0]
    stored = data.preparation.encode_files([first])
    assert np.array_equal(stored[0], np.asarray(Image.open(io.BytesIO(first.read_bytes()))))
