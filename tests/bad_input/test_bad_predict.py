"""Files that a model cannot be asked about, and models that are damaged."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from burnish.data.preparation import Column, Preparation
from burnish.exporting.onnx import export_onnx
from burnish.exporting.package import ModelPackage, write_package
from burnish.tasks import Classification


def packed(folder, preparation, classes=("no", "yes")):
    """A directory with an exported model."""
    features = int(np.prod(preparation.input_shape))
    network = nn.Sequential(nn.Flatten(), nn.Linear(features, len(classes)))
    export_onnx(network, torch.ones(4, *preparation.input_shape), folder / "model.onnx")
    write_package(folder, ModelPackage(task=Classification(classes=classes), preparation=preparation))
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    columns = (Column(name="a"), Column(name="b", missing=True))
    return packed(tmp_path_factory.mktemp("t"), Preparation(modality="table", input_shape=(3,), columns=columns))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    preparation = Preparation(modality="image", input_shape=(1, 4, 4), size=(4, 4), mode="L", dtype="uint8")
    return packed(tmp_path_factory.mktemp("i"), preparation)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,c\n1,2\n", "the table lacks 'b'; it has 'a', 'c': give a table with the columns the model was trained on"),
        ("a,b\ninf,2\n", "column 'a' holds 1 infinite values"),
        ("a,b\n1e300,2\n", r"column 'a' holds 1e\+300, too far from the others"),
        ("a,b\n", "has no row: expected a header and one row per example"),
        ("", "is not readable as a table"),
        ("a,b\n1,2\n1,2,3\n", "is not readable as a table"),
    ],
)
def test_tables(check_refused, table, tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    check_refused("predict", table, tmp_path / "t.csv", "--out", tmp_path / "answers.csv", says=message)
    assert not (tmp_path / "answers.csv").exists()


def test_tables_are_read_as_they_were_for_training(burnish, table, tmp_path):
    """Semicolons, spaces and question marks must not make another table of it."""
    (tmp_path / "comma.csv").write_text("a,b\n1.5,2\n3,\n")
    (tmp_path / "other.csv").write_text("a; b\n1.5; 2\n3; ?\n")
    answers = [
        json.loads(burnish("predict", table, tmp_path / name, "--json")[1]) for name in ("comma.csv", "other.csv")
    ]
    first, second = ([line["probabilities"] for line in answer["predictions"]] for answer in answers)
    assert first == second


def test_images(check_refused, images, table, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"no image")
    check_refused("predict", images, file, says="1 of 1 images cannot be read: .*a.png .*Repair or remove them")
    Image.new("L", (4, 4)).save(file)
    check_refused("predict", table, file, says="a.png is an image, but the model was trained on table data")
    (tmp_path / "t.csv").write_text("a\n1\n")
    check_refused("predict", images, tmp_path / "t.csv", says="was trained on image data; it cannot read tables")
    (tmp_path / "t.txt").write_text("hello\n")
    check_refused("predict", images, tmp_path / "t.txt", says="was trained on image data; it cannot read texts")
    check_refused("predict", images, tmp_path / "none.png", says="there is no file .*none.png")
    (tmp_path / "empty").mkdir()
    check_refused("predict", images, tmp_path / "empty", says="no files to predict; name image files")
    check_refused("predict", images, file, "--out", tmp_path / "a.txt", says="--out must end in .csv or .json")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((2, 4, 4, 1), np.nan), "32 of 32 values .* are NaN or infinite"),
        (
            np.full((2, 4, 4, 1), 0.5),
            "values from 0.5 to 0.5; the model was trained on whole numbers from 0 to 255",
        ),
        (np.full((2, 4, 4, 1), -1), "values from -1 to -1; the model was trained on whole numbers"),
        (np.full((2, 4, 4, 1), 256), "values from 256 to 256; the model was trained on whole numbers"),
        (np.zeros((2, 5, 5, 1), dtype=np.uint8), r"an example of shape \(5, 5, 1\) .* trained on \(1, 4, 4\)"),
        (np.zeros((0, 4, 4, 1), dtype=np.uint8), "there are no rows to predict"),
        (np.array(["a", "b"]), "values of type <U1; the model takes uint8 numbers"),
        (np.array([{}], dtype=object), "holds pickled objects, which are never loaded"),
    ],
)
def test_arrays(check_refused, images, tmp_path, values, message):
    np.savez(tmp_path / "a.npz", inputs=values)
    check_refused("predict", images, tmp_path / "a.npz", says=message)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:80])
    check_refused("predict", images, tmp_path / "a.npz", says="could not read arrays from .*: it is cut off")


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "task": 3, "preparation": 4}']
)
def test_damaged_descriptions(check_refused, images, tmp_path, content):
    (tmp_path / "model.onnx").write_bytes((images / "model.onnx").read_bytes())
    if content is not None:
        (tmp_path / "model.json").write_text(content)
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    says = "there is no .*model.json|model.json is damaged|model.json has format None|model.json lacks task"
    check_refused("predict", tmp_path, tmp_path / "a.png", says=says)


@pytest.mark.parametrize("content", [None, b"", b"half of a model"])
def test_damaged_models(check_refused, images, tmp_path, content):
    (tmp_path / "model.json").write_bytes((images / "model.json").read_bytes())
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
        check_refused("bench", tmp_path / "model.onnx", says="cannot load .*model.onnx")
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    check_refused("predict", tmp_path, tmp_path / "a.png", says="there is no .*model.onnx; run the job|cannot load")


def test_a_place_an_export_cannot_go(check_refused, tmp_path):
    root = tmp_path / "run"
    (root / "ledger" / "stages").mkdir(parents=True)
    (root / "ledger" / "recipe.json").write_text("{}")
    (root / "ledger" / "stages" / "export.json").write_text('{"report": {"export": {}}}')
    for name in ("model.onnx", "model.json"):
        (root / name).write_text("{}")
    check_refused("export", root, tmp_path, says="cannot be the ONNX file; give a path that ends in .onnx")
    check_refused("export", root, tmp_path / "m.json", says="cannot be the ONNX file")
    (tmp_path / "file").touch()
    check_refused("export", root, tmp_path / "file" / "m.onnx", says="could not write .*m.onnx", code=1)
