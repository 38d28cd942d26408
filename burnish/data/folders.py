"""Folders of image files: `CLASS/*.png`, or `train/CLASS/*`, `val/CLASS/*` and `test/CLASS/*`."""

from pathlib import Path

import numpy as np

from burnish.data.images import SUFFIXES, image_files
from burnish.data.raw import Options, Parts, Raw, display_name
from burnish.errors import DataError

__all__ = ["read_image_folder"]

SPLITS = {"train": ("train", "training"), "validation": ("val", "valid", "validation", "dev"), "test": ("test",)}
EXPECTED = "one folder of images for each class, alone or inside train/, val/ and test/"


def read_image_folder(folder: Path, options: Options) -> Parts:
    """Paths and classes of the images below `folder`; nothing is decoded yet.

    Raises:
        DataError: there are no class folders, or one is empty.
    """
    inside = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    splits = {split: [inside[n] for n in names if n in inside] for split, names in SPLITS.items()}
    if not splits["train"]:
        return Parts(train=_read_classes(folder, options.without), name=display_name(folder))
    for split, found in splits.items():
        if len(found) > 1:
            raise DataError(f"{folder} has {' and '.join(p.name for p in found)} for {split}: keep one of them")
    parts = {split: _read_classes(found[0], options.without) for split, found in splits.items() if found}
    return Parts.named(display_name(folder), parts)


def _read_classes(folder: Path, without: frozenset[str]) -> Raw:
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise DataError(f"{folder} has no class folders; expected {EXPECTED}")
    files = {path.name: [file for file in image_files(path) if str(file) not in without] for path in classes}
    empty = [name for name, found in files.items() if not found]
    if len(empty) == len(files):
        raise DataError(f"{folder} holds no images ({', '.join(SUFFIXES)}); expected {EXPECTED}")
    if empty:
        raise DataError(
            f"{len(empty)} of {len(files)} class folders of {folder} hold no images ({', '.join(SUFFIXES)}): "
            f"{', '.join(map(repr, empty[:5]))}; remove them or add images"
        )
    labels = [name for name, found in files.items() for _ in found]
    return Raw(
        inputs=[path for found in files.values() for path in found],
        targets=np.array(labels, dtype=object),
        kind="files",
        modality="image",
        task="classification",
        columns=("class",),
    )
