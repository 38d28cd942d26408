import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from exporting_networks import TextCNN, cnn1d
from PIL import Image
from torch import nn

from burnish.data.preparation import Column, Preparation
from burnish.errors import DataError, UsageError
from burnish.exporting.onnx import export_onnx
from burnish.exporting.package import ModelPackage, predict_files, predictions, read_package, write_package
from burnish.tasks import Classification, Regression


def packed(folder, model, preparation, task, **more):
    """A run directory with an exported model."""
    torch.manual_seed(0)
    shape = (4, *preparation.input_shape)
    rows = torch.ones(shape, dtype=torch.long) if preparation.modality == "text" else torch.randn(shape)
    folder.mkdir(exist_ok=True)
    export_onnx(model, rows, folder / "model.onnx")
    write_package(folder, ModelPackage(task=task, preparation=preparation, **more))
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    preparation = Preparation(
        modality="image", input_shape=(3, 6, 6), mean=(10.0, 20.0, 30.0), std=(5.0, 6.0, 7.0), size=(6, 6), mode="RGB"
    )
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)).eval()
    run = packed(root / "run", model, preparation, Classification(classes=("cat", "dog")), temperature=2.0)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (5, 6, 6, 3), dtype=np.uint8)
    (root / "files").mkdir()
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(root / "files" / f"{i}.png")
    return run, root / "files", pixels, model


def test_image_files_are_predicted_as_torch_would(photos):
    run, files, pixels, model = photos
    lines = predict_files(run, [files], batch=2)
    normalized = (pixels.astype(np.float64) - [10, 20, 30]) / [5, 6, 7]
    with torch.no_grad():
        logits = model(torch.from_numpy(normalized.transpose(0, 3, 1, 2).astype(np.float32)))
    expected = (logits / 2.0).softmax(1).numpy()  # the temperature of the package
    given = np.array([[line["probabilities"]["cat"], line["probabilities"]["dog"]] for line in lines])
    np.testing.assert_allclose(given, expected, atol=1e-5)
    assert [line["prediction"] for line in lines] == [("cat", "dog")[i] for i in expected.argmax(1)]
    assert [line["file"] for line in lines] == [str(files / f"{i}.png") for i in range(5)]
    assert lines[0]["probability"] == pytest.approx(expected[0].max(), abs=1e-5)
    json.dumps(lines)
    np.testing.assert_allclose(predictions(run, pixels), expected, atol=1e-5)


def test_stored_arrays_are_predicted_too(photos, tmp_path):
    run, files, pixels, _ = photos
    np.savez(tmp_path / "rows.npz", inputs=pixels)
    lines = predict_files(run, [tmp_path / "rows.npz", files / "0.png"])
    assert [line["row"] for line in lines] == [None, 0, 1, 2, 3, 4]
    assert lines[0]["probabilities"] == pytest.approx(lines[1]["probabilities"])


def test_prediction_never_imports_torch(photos):
    run, files, _, _ = photos
    code = (
        "import sys; from burnish.exporting.package import predict_files; "
        f"lines = predict_files({str(run)!r}, [{str(files)!r}]); "
        "assert len(lines) == 5; assert not [m for m in sys.modules if m.split('.')[0] == 'torch']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_cannot_be_predicted_is_named(photos, tmp_path):
    run, files, _, _ = photos
    with pytest.raises(UsageError, match="no file"):
        predict_files(run, [tmp_path / "none.png"])
    with pytest.raises(UsageError, match="no files"):
        predict_files(run, [])
    with pytest.raises(UsageError, match=r"model\.json"):
        predict_files(tmp_path, [files])
    (tmp_path / "a.xyz").write_text("?")
    with pytest.raises(DataError, match="cannot tell"):
        predict_files(run, [tmp_path / "a.xyz"])
    np.savez(tmp_path / "wrong.npz", inputs=np.zeros((2, 5, 5, 3), np.uint8))
    with pytest.raises(DataError, match="shape"):
        predict_files(run, [tmp_path / "wrong.npz"])
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png"):
        predict_files(run, [tmp_path / "broken.png"])


def test_texts_from_lines_and_tables(tmp_path):
    preparation = Preparation(
        modality="text",
        input_shape=(12,),
        vocabulary=("<padding>", "<unknown>", *"abcdefgh"),
        length=12,
        text_column="words",
        dtype="int32",
    )
    run = packed(tmp_path / "run", TextCNN(), preparation, Classification(classes=("x", "y", "z")))
    texts = ["a b c", "d d d e", "unheard words"]
    (tmp_path / "lines.txt").write_text("\n".join(texts))
    pd.DataFrame({"words": texts}).to_csv(tmp_path / "rows.csv", index=False)
    pd.DataFrame({"words": texts}).to_parquet(tmp_path / "rows.parquet")
    by_kind = [predict_files(run, [tmp_path / name]) for name in ("lines.txt", "rows.csv", "rows.parquet")]
    assert [line["probabilities"] for line in by_kind[0]] == [line["probabilities"] for line in by_kind[1]]
    assert [line["probabilities"] for line in by_kind[0]] == [line["probabilities"] for line in by_kind[2]]
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="text data"):
        predict_files(run, [tmp_path / "a.png"])


def test_tables_are_predicted_in_their_own_unit(tmp_path):
    columns = (
        Column(name="size", mean=10.0, std=2.0),
        Column(name="color", kind="category", categories=("red", "blue")),
    )
    preparation = Preparation(modality="table", input_shape=(3,), columns=columns)
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 2.0, 4.0]]))
        model.bias.zero_()
    task = Regression(columns=("price",), center=(100.0,), scale=(10.0,))
    run = packed(tmp_path / "run", model, preparation, task)
    pd.DataFrame({"color": ["red", "blue", "green"], "size": [12.0, 8.0, None]}).to_csv(tmp_path / "t.csv", index=False)
    lines = predict_files(run, [tmp_path / "t.csv"])
    assert [line["prediction"] for line in lines] == pytest.approx([100 + 10 * (1 + 2), 100 + 10 * (-1 + 4), 100])
    assert "probability" not in lines[0]
    (tmp_path / "empty.csv").write_text("size,color\n")
    with pytest.raises(DataError, match="has no row"):
        predict_files(run, [tmp_path / "empty.csv"])


def test_package_goes_to_json_and_back(tmp_path):
    package = ModelPackage(
        task=Classification(classes=("a", "b")),
        preparation=Preparation(modality="series", input_shape=(2, 20), mean=(0.0, 1.0), std=(1.0, 2.0)),
        source={"kind": "zoo", "name": "cnn1d"},
        techniques=("LabelSmoothing(alpha=0.1)",),
        temperature=1.5,
        plan_key="abc",
        pruned={"removed": {"0": [1, 2]}},
    )
    write_package(tmp_path, package)
    assert read_package(tmp_path) == package
    content = json.loads((tmp_path / "model.json").read_text())
    keys = ["format", "task", "preparation", "source", "techniques", "temperature", "plan_key", "pruned"]
    assert list(content) == keys
    with pytest.raises(ValueError, match="temperature"):
        replace(package, temperature=0.0)


def test_damaged_packages_are_refused(tmp_path):
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        read_package(tmp_path)
    (tmp_path / "model.json").write_text('{"format": 99}')
    with pytest.raises(UsageError, match="format 99"):
        read_package(tmp_path)
    (tmp_path / "model.json").write_text('{"format": 1, "task": {}}')
    with pytest.raises(UsageError, match="lacks preparation"):
        read_package(tmp_path)


def test_series_arrays(tmp_path):
    preparation = Preparation(modality="series", input_shape=(2, 20), mean=(0.5, 0.5), std=(2.0, 2.0))
    model = cnn1d().eval()
    run = packed(tmp_path / "run", model, preparation, Classification(classes=("u", "v")))
    values = np.random.default_rng(0).standard_normal((3, 2, 20)).astype(np.float32)
    np.savez(tmp_path / "s.npz", x=values)
    lines = predict_files(run, [tmp_path / "s.npz"])
    with torch.no_grad():
        expected = model((torch.from_numpy(values) - 0.5) / 2).softmax(1)[:, 0].tolist()
    assert [line["probabilities"]["u"] for line in lines] == pytest.approx(expected, abs=1e-5)
