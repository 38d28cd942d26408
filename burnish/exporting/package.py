"""The folder that serves: `model.onnx` and a `model.json` that says how to feed it and read it. Never imports torch."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data.preparation import Preparation
from burnish.errors import DataError, UsageError
from burnish.exporting.runtime import run_all
from burnish.ledger.atomic import write_text
from burnish.records import dumps
from burnish.tasks import Regression, Task, task_from_json

__all__ = ["ModelPackage", "predict_files", "predictions", "read_package", "write_package"]

Array = np.ndarray
FORMAT = 1
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPackage:
    """Content of `model.json`: all that prediction needs, and what the network was made from.

    Attributes:
        task: What is predicted.
        preparation: How files become network inputs.
        source: How the network is built, as `ModelSource.to_json` gives it.
        techniques: The applied techniques in their one notation.
        temperature: Logits are divided by it before they become probabilities.
        plan_key: Hash of the plan behind the weights.
        pruned: What pruning removed, as `rebuild_pruned` takes it; None where nothing was.
        format: Version of this file.
    """

    task: Task
    preparation: Preparation
    source: dict[str, Any] = field(default_factory=dict)
    techniques: tuple[str, ...] = ()
    temperature: float = 1.0
    plan_key: str = ""
    pruned: dict[str, Any] | None = None
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")

    def decode(self, outputs: Array) -> Array:
        """Network outputs `(n, outputs)` -> predictions, calibrated by the temperature."""
        return self.task.decode(outputs / self.temperature if self.task.kind == "classification" else outputs)

    def to_json(self) -> dict[str, Any]:
        """Plain types; `from_json` rebuilds the package."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        first = {"format": values.pop("format")}
        return first | values | {"task": self.task.to_json(), "preparation": self.preparation.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ModelPackage":
        """What `to_json` gave.

        Raises:
            UsageError: another version of Burnish wrote it, or parts are missing.
        """
        if value.get("format") != FORMAT:
            raise UsageError(f"model.json has format {value.get('format')!r}, this version of Burnish reads {FORMAT}")
        missing = [name for name in ("task", "preparation") if name not in value]
        if missing:
            raise UsageError(f"model.json lacks {' and '.join(missing)}; export the model again")
        known = {f.name: value[f.name] for f in fields(cls) if f.name in value}
        parts = {
            "task": task_from_json(value["task"]),
            "preparation": Preparation.from_json(value["preparation"]),
            "techniques": tuple(value.get("techniques", ())),
        }
        return cls(**known | parts)


def write_package(directory: Path, package: ModelPackage, *, name: str = "model.json") -> Path:
    """Write `package` into `directory` as `name`, whole or not at all; returns its path."""
    path = Path(directory) / name
    write_text(path, dumps(package.to_json()))
    return path


def read_package(directory: Path) -> ModelPackage:
    """The package of `directory`.

    Raises:
        UsageError: there is no `model.json`, or it is damaged.
    """
    path = Path(directory) / "model.json"
    try:
        return ModelPackage.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"there is no {path}; name the directory of a run that has exported a model") from error
    except UsageError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # cut off, or JSON of another form
        raise UsageError(f"{path} is damaged ({type(error).__name__}: {error}); export the model again") from error


def predictions(directory: Path, stored: Array, *, model: str = "model.onnx", batch: int = 256) -> Array:
    """Decoded predictions of the model in `directory` for stored inputs."""
    package = read_package(directory)
    return _predicted(package, Path(directory) / model, stored, batch)[0]


def predict_files(
    directory: Path, files: Sequence[Path | str], *, model: str = "model.onnx", batch: int = 256
) -> list[dict[str, Any]]:
    """What the model in `directory` says about `files`, one mapping for each image, text or row.

    Args:
        directory: A run directory with `model.json` and `model.onnx`.
        files: Images, or folders of them; CSV or Parquet tables; text files with one text a line; NPZ archives
            with stored inputs as `inputs` or as their only array.
        model: Which ONNX file of the directory to ask.
        batch: Rows computed at once.

    Returns:
        Mappings with `file`, `row` (from 0; None for images), `prediction`, for classes `probability` (of the
        prediction), for classes and labels `probabilities` (by name), and for values from an ensemble `spread`, the
        standard deviation over its members.

    Raises:
        UsageError: no model there, or no files.
        DataError: a file cannot be read, or does not fit the model.
    """
    package = read_package(directory)
    if not (Path(directory) / model).is_file():
        raise UsageError(f"there is no {Path(directory) / model}; run the job to its end, or export the model again")
    paths = _expanded([Path(file) for file in files], package.preparation.modality)
    results: list[dict[str, Any]] = []
    images = [path for path in paths if path.suffix.lower() in IMAGES]
    for start in range(0, len(images), batch):  # decoded in batches: folders may hold more than fits in memory
        part = images[start : start + batch]
        answers, spreads = _predicted(package, Path(directory) / model, package.preparation.encode_files(part), batch)
        results += _rows(package.task, answers, [(path, None) for path in part], spreads)
    for path in (path for path in paths if path not in set(images)):
        answers, spreads = _predicted(package, Path(directory) / model, _stored(package.preparation, path), batch)
        results += _rows(package.task, answers, [(path, row) for row in range(len(answers))], spreads)
    return results


def _expanded(paths: list[Path], modality: str) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGES)
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"there is no file {str(path)!r}")
    if not found:
        raise UsageError(f"no files to predict; name image files, tables or texts that suit a model of {modality} data")
    wrong = [p for p in found if p.suffix.lower() in IMAGES and modality != "image"]
    if wrong:
        raise DataError(f"{wrong[0]} is an image, but the model was trained on {modality} data")
    return found


def _stored(preparation: Preparation, path: Path) -> Array:
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return preparation.encode_frame(_frame(path))
    if suffix == ".txt":
        return preparation.encode_texts(_lines(path))
    if suffix == ".npz":
        return _array(preparation, path)
    raise DataError(f"cannot tell what {path} is; give {', '.join((*IMAGES, *TABLES))}, .txt or .npz files")


def _frame(path: Path) -> Any:
    from burnish.data.frames import read_file  # the very reader of the training table

    return read_file(path)


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"could not read {path} as UTF-8 text: {error}") from error
    if not lines:
        raise DataError(f"{path} is empty; it needs one text a line")
    return lines


def _array(preparation: Preparation, path: Path) -> Array:
    try:
        with np.load(path, allow_pickle=False) as archive:
            name = "inputs" if "inputs" in archive.files else "x" if "x" in archive.files else archive.files[0]
            stored = archive[name]
    except (OSError, ValueError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(
            f"could not read arrays from {path}: it is cut off, empty, something else, or holds pickled objects, which "
            "are never loaded; write it anew with numpy.savez(path, inputs=...)"
        ) from error
    _check_numbers(preparation, stored, path)
    return stored.astype(preparation.dtype, copy=False)


def _check_numbers(preparation: Preparation, stored: Array, path: Path) -> None:
    """Refuse what would silently change when it is stored as the training inputs were."""
    if stored.dtype.kind not in "iufb":
        raise DataError(f"{path} holds values of type {stored.dtype}; the model takes {preparation.dtype} numbers")
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        bad = int((~np.isfinite(stored)).sum())
        raise DataError(f"{bad} of {stored.size} values of {path} are NaN or infinite: fill or drop them first")
    wanted = np.dtype(preparation.dtype)
    if wanted.kind not in "iu" or not stored.size:
        return
    low, high = 0, len(preparation.vocabulary) - 1 if preparation.vocabulary else int(np.iinfo(wanted).max)
    if stored.min() < low or stored.max() > high or (stored != np.round(stored)).any():
        raise DataError(
            f"{path} holds {stored.dtype} values from {stored.min():g} to {stored.max():g}; the model was trained on "
            f"whole numbers from {low} to {high}: give the inputs on that scale"
        )


def _predicted(package: ModelPackage, model: Path, stored: Array, batch: int) -> tuple[Array, Array | None]:
    """Decoded predictions, and of an ensemble of values how far its members are apart, in the targets' unit."""
    preparation = package.preparation
    if not len(stored):
        raise DataError("there are no rows to predict")
    parts = []
    for start in range(0, len(stored), 4096):
        inputs = preparation.network_input(stored[start : start + 4096])
        if inputs.shape[1:] != tuple(preparation.input_shape):
            raise DataError(
                f"an example of shape {stored.shape[1:]} becomes {inputs.shape[1:]} for the network, which was trained "
                f"on {preparation.input_shape}: give inputs shaped like the training data"
            )
        parts.append(run_all(model, inputs, batch=batch))
    outputs = [np.concatenate(found) for found in zip(*parts, strict=True)]
    if len(outputs) == 1 or not isinstance(package.task, Regression):
        return package.decode(outputs[0]), None
    return package.decode(outputs[0]), package.task.width(outputs[1])


def _rows(
    task: Task, answers: Array, places: list[tuple[Path, int | None]], spreads: Array | None = None
) -> list[dict[str, Any]]:
    rows = []
    for (path, row), answer, values in zip(places, task.answers(answers), answers, strict=True):
        line: dict[str, Any] = {"file": str(path), "row": row, "prediction": answer}
        if task.kind == "classification":
            line["probability"] = float(values.max())
        if task.kind in ("classification", "multilabel"):
            line["probabilities"] = dict(zip(task.names, values.tolist(), strict=True))
        rows.append(line)
    if spreads is not None:
        for line, spread in zip(rows, spreads.tolist(), strict=True):
            line["spread"] = spread
    return rows
