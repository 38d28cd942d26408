"""NPZ files: arrays found by key, whole or in splits."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data.arrays import read_arrays
from burnish.data.raw import Options, Parts, Raw, display_name
from burnish.errors import DataError

__all__ = ["pair", "read_npz"]

Array = np.ndarray
INPUTS = ("x", "inputs", "input", "images", "data", "features", "series", "texts", "text")
TARGETS = ("y", "targets", "labels", "label", "target", "class")
SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test",),
}


def read_npz(path: Path, options: Options) -> Parts:
    """The arrays of an NPZ file, whole (`x`, `y`) or in splits (`x_train`, `y_train`, `test_images`, ...).

    Raises:
        DataError: the file is not readable, or the keys are not understood; the message lists them.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is not readable as NPZ: it is cut off, something else, or holds pickled objects, which are never "
            "loaded; write it anew with numpy.savez and plain arrays"
        ) from error
    raws: dict[str, Raw] = {}
    for split in ("", *SPLITS):
        found_pair = pair(arrays, SPLITS.get(split, ("",)), options)
        if found_pair is not None:
            found = replace(options, group=None, time=None)
            if split in ("", "train"):
                found = replace(options, group=_named(arrays, options.group), time=_named(arrays, options.time))
            raws[split or "train"] = replace(read_arrays(*found_pair[:2], found), columns=(found_pair[2],))
    if "train" not in raws:
        named = str(options.target) if options.target else ", ".join(TARGETS)
        raise DataError(
            f"{path} has the arrays {', '.join(arrays) or 'none'}; expected x and y, or x_train, y_train and so on "
            f"(inputs: {', '.join(INPUTS)}; targets: {named})"
        )
    return Parts.named(display_name(path), raws)


def pair(arrays: dict[str, Array], splits: tuple[str, ...], options: Options) -> tuple[Array, Array, str] | None:
    """Inputs, targets and the targets' name under any of the names of a split."""
    targets = (str(options.target),) if options.target else TARGETS
    for split in splits:
        x = next((a for name in INPUTS if (a := _get(arrays, name, split)) is not None), None)
        y = next(((a, name) for name in targets if (a := _get(arrays, name, split)) is not None), None)
        if x is not None and y is not None:
            return x, y[0], y[1]
    return None


def _get(arrays: dict[str, Array], name: str, split: str) -> Array | None:
    wanted = {name.lower()} if not split else {f"{name}_{split}".lower(), f"{split}_{name}".lower()}
    return next((array for key, array in arrays.items() if key.lower() in wanted), None)


def _named(arrays: dict[str, Array], column: Any) -> Any:
    if not isinstance(column, str):
        return column
    if column not in arrays:
        raise DataError(f"there is no array {column!r}; there are {', '.join(arrays)}")
    return arrays[column]
