"""Which reader a source belongs to."""

import importlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from burnish.data import arrays, frames, npz
from burnish.data.datasets import is_dataset, length, read_dataset
from burnish.data.digits import read_digits
from burnish.data.folders import read_image_folder
from burnish.data.raw import SHARES, Options, Parts, Raw, display_name
from burnish.errors import DataError

__all__ = ["read"]

KNOWN = (
    "'digits', an image folder, a .csv, .tsv or .parquet file, a folder with train.csv, an .npz file, "
    "file.py:function, (inputs, targets), a torch Dataset or loader, or a dict of train, validation and test"
)
SPLITS = {"val": "validation", "valid": "validation", "dev": "validation"}


def read(source: Any, options: Options) -> Parts:
    """What `source` holds, in the splits it came in.

    Raises:
        DataError: the source is unknown, does not exist, or cannot be used.
    """
    if isinstance(source, str | Path):
        return _read_named(source, options)
    if isinstance(source, dict):
        return _read_mapping(source, options)
    if isinstance(source, tuple | list):
        return _read_sequence(source, options)
    if hasattr(source, "iloc"):
        return Parts(train=frames.from_frame(source, options, where="the table"), name="table")
    if is_dataset(source):
        limit = _limit(source, options)
        return Parts(train=read_dataset(source, options, limit=limit), name=_dataset_name(source))
    raise DataError(f"a {type(source).__name__} is no source of data; expected {KNOWN}")


def _limit(source: Any, options: Options) -> int | None:
    """Examples to read so that `max_rows` are left when a test set has been split off."""
    if options.max_rows is None:
        return None
    test = SHARES[1] if options.test is None else options.test
    return int(np.ceil(options.max_rows / (1 - test))) if test < 1 else options.max_rows + int(test)


def _dataset_name(source: Any) -> str:
    return type(getattr(source, "dataset", source)).__name__


# -- names ------------------------------------------------------------------------------------------


def _read_named(source: str | Path, options: Options) -> Parts:
    text, path = str(source), Path(source).expanduser()
    if text == "digits":
        _check_no_columns(text, options)
        return read_digits()
    if path.is_dir():
        return _read_folder(path, options)
    if path.is_file() and path.suffix.lower() in frames.TABLES:
        return Parts(train=frames.read_table(path, options), name=display_name(path))
    if path.is_file() and path.suffix.lower() == ".npz":
        return npz.read_npz(path, options)
    if ":" in text and not path.exists():
        name, _, function = text.rpartition(":")
        return replace(read(_call(name, function), options), name=f"{Path(name).name}:{function}")
    if path.is_file() and path.suffix == ".py":
        raise DataError(f"{text!r} names no function: write {text}:FUNCTION, the function that returns the data")
    problem = f"{text!r} is a file of unknown type" if path.exists() else f"there is no file or folder {text!r}"
    raise DataError(f"{problem}; a source of data is {KNOWN}")


def _read_folder(path: Path, options: Options) -> Parts:
    files = frames.table_files(path)
    if "train" in files:
        return frames.read_table_folder(path, files, options)
    tables = sorted(file for file in path.iterdir() if file.suffix.lower() in frames.TABLES)
    folders = [file for file in path.iterdir() if file.is_dir() and not file.name.startswith(".")]
    if tables and not folders:
        if len(tables) == 1:
            return Parts(train=frames.read_table(tables[0], options), name=display_name(path))
        raise DataError(f"{path} holds {', '.join(file.name for file in tables)}: name one, or call it train.csv")
    _check_no_columns(str(path), options)
    return read_image_folder(path, options)


def _check_no_columns(name: str, options: Options) -> None:
    """Images have no columns to name: what was meant by naming one would silently not happen."""
    named = {"target": options.target, "group": options.group, "time": options.time}
    given = [f"{role} {value!r}" for role, value in named.items() if isinstance(value, str)]
    if given:
        raise DataError(f"{name!r} holds images and no columns, so there is no {', '.join(given)}: leave it out")


def _call(name: str, function: str) -> Any:
    module = _module(name)
    found = getattr(module, function, None)
    if not callable(found):
        names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise DataError(f"{name} has no function {function!r}; it has {', '.join(names) or 'none'}")
    try:
        return found()
    except (Exception, SystemExit) as error:
        raise DataError(f"{name}:{function}() raised {type(error).__name__}: {error}") from error


def _module(name: str) -> ModuleType:
    """The module in a file (anew, under a name of its own) or of a package."""
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise DataError(f"there is no file or module {name!r} ({error}); a source of data is {KNOWN}") from error
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise DataError(f"there is no file {name!r}: give the path of a Python file")
    spec = importlib.util.spec_from_file_location(f"burnish_user_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(f"{name} raised {type(error).__name__} on import: {error}") from error
    return module


# -- containers -------------------------------------------------------------------------------------


def _read_mapping(source: dict[Any, Any], options: Options) -> Parts:
    splits = {SPLITS.get(str(key).lower(), str(key).lower()): value for key, value in source.items()}
    if "train" in splits:
        unknown = set(splits) - {"train", "validation", "test"}
        if unknown:
            raise DataError(f"unknown splits {', '.join(sorted(unknown))}; expected train, validation and test")
        return _read_splits(splits, options)
    pair = npz.pair(splits, ("",), options)
    if pair is None:
        keys = ", ".join(map(repr, source)) or "none"
        raise DataError(f"a dict with the keys {keys} is no source; expected train, validation and test, or x and y")
    return Parts(train=arrays.read_arrays(pair[0], pair[1], options), name="arrays")


def _read_sequence(source: Any, options: Options) -> Parts:
    split = all(is_dataset(part) or isinstance(part, tuple | dict | Path) for part in source)
    if split and len(source) in (2, 3):
        names = ("train", "validation", "test")
        return _read_splits(dict(zip(names, source, strict=False)), options)
    if len(source) != 2:
        raise DataError(f"a {type(source).__name__} of {len(source)} values is no source; expected {KNOWN}")
    return Parts(train=arrays.read_arrays(source[0], source[1], options), name="arrays")


def _read_splits(splits: dict[str, Any], options: Options) -> Parts:
    pool = {name: value for name, value in splits.items() if name != "test"}
    shares = _shares(pool) if options.max_rows else {}
    raws: dict[str, Raw] = {}
    for name, value in splits.items():
        own = options if name == "train" else replace(options, group=None, time=None)
        if is_dataset(value):
            most = None if name not in shares else max(1, round(shares[name] * (options.max_rows or 0)))
            raws[name] = read_dataset(value, own, limit=most)
        else:
            raws[name] = _only(read(value, own), name)
    return Parts.named(_splits_name(splits["train"]), raws)


def _splits_name(train: Any) -> str:
    if isinstance(train, str | Path):
        return str(train)
    return _dataset_name(train) if is_dataset(train) else "arrays"


def _shares(pool: dict[str, Any]) -> dict[str, float]:
    """Share of each part of the pool, where all of them are data sets with a length."""
    sizes = {name: length(value) if is_dataset(value) else None for name, value in pool.items()}
    known = {name: size for name, size in sizes.items() if size is not None}
    return {name: size / sum(known.values()) for name, size in known.items()} if len(known) == len(sizes) else {}


def _only(parts: Parts, name: str) -> Raw:
    if parts.validation is not None or parts.test is not None:
        raise DataError(f"the source given for {name} is itself split: give one file, folder or pair of arrays")
    return parts.train
