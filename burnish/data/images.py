"""Image files as one `uint8` array, decoded once by a pool of threads.

Decoding releases the interpreter lock, so threads are enough. Arrays above 2 GB live in a
memory-mapped temporary file that goes away with them.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from burnish.data.spacing import spaced
from burnish.errors import UnreadableError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["SUFFIXES", "allocate", "decode", "headers", "image_files", "is_grey", "pixels", "survey"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
GREY = ("1", "L", "LA", "La", "I", "F")
IN_MEMORY = 2_000_000_000  # bytes
SURVEYED = 2_000  # files whose headers are read to choose size and mode
CHUNK = 128  # files for one task of the pool
MOST_SIDE = 64
TRANSPOSED = 5  # EXIF orientations from here on swap width and height
ORIENTATION = 0x0112

Failures = list[tuple[str, str]]


def survey(paths: Sequence[Path]) -> tuple[list[tuple[int, int]], bool]:
    """Sizes `(height, width)` of the files, or of 2,000 of them evenly spread, and whether all are grey.

    Files that cannot be read are passed over here; `decode` names them all.

    Raises:
        UnreadableError: no file is readable as an image.
    """
    chosen = [paths[i] for i in spaced(len(paths), SURVEYED)]
    failures: Failures = []
    with ThreadPoolExecutor(_threads()) as pool:
        headers = list(pool.map(lambda path: _header(path, failures), chosen))
    found = [header for header in headers if header is not None]
    if not found:
        _raise(failures, len(chosen))
    return [size for size, _ in found], all(grey for _, grey in found)


def decode(paths: Sequence[Path], *, mode: str, size: tuple[int, int]) -> tuple[np.ndarray, int, int]:
    """Images `(n, height, width, channels)` uint8, how many had another size, and how many are in color.

    Args:
        paths: PNG, JPEG, WebP and what else Pillow reads. Transparency is put on white; EXIF rotation is applied.
        mode: `L` for grey, `RGB` for color.
        size: `(height, width)` all are resized to, bilinear.

    Raises:
        UnreadableError: files are not readable; the message names the first ones and the count.
    """
    out = allocate((len(paths), *size, 1 if mode == "L" else 3))
    failures: Failures = []
    starts = range(0, len(paths), CHUNK)
    with ThreadPoolExecutor(_threads()) as pool:
        counts = list(pool.map(lambda start: _decode_chunk(paths, start, out, mode, failures), starts))
    _raise(failures, len(paths))
    return out, sum(resized for resized, _ in counts), sum(colored for _, colored in counts)


def pixels(image: "Image", *, mode: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """A Pillow image as `(height, width, channels)` uint8, upright, on white, resized if asked."""
    import PIL.Image
    import PIL.ImageOps

    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _eight_bits(image)
    if "exif" in image.info and image.getexif().get(ORIENTATION, 1) != 1:
        image = PIL.ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", rgba.size, "white"), rgba)
    if image.mode != mode:
        image = image.convert(mode)
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], PIL.Image.Resampling.BILINEAR)
    array = np.asarray(image, dtype=np.uint8)
    return array[..., None] if mode == "L" else array


def allocate(shape: tuple[int, ...]) -> np.ndarray:
    """An empty `uint8` array; above 2 GB in a memory-mapped file that goes with the array, even by kill -9."""
    if int(np.prod(shape, dtype=np.int64)) <= IN_MEMORY:
        return np.empty(shape, dtype=np.uint8)
    directory = tempfile.mkdtemp(prefix="burnish-images-")
    array = np.lib.format.open_memmap(Path(directory) / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    shutil.rmtree(directory, ignore_errors=True)  # on POSIX systems what is mapped stays until nobody maps it
    if os.path.exists(directory):
        weakref.finalize(array, shutil.rmtree, directory, ignore_errors=True)
    return array


def is_grey(image: "Image") -> bool:
    """Whether the file itself is grey; a palette counts as color."""
    return image.mode in GREY or image.mode.startswith("I;16")


def headers(paths: Sequence[Path]) -> list[tuple[str, int, int, str]]:
    """Name, height, width and mode of each readable file; nothing is decoded."""
    with ThreadPoolExecutor(_threads()) as pool:
        return [found for found in pool.map(_named_header, paths) if found is not None]


def _named_header(path: Path) -> tuple[str, int, int, str] | None:
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            return path.name, image.height, image.width, image.mode
    except Exception:  # damaged files raise almost anything
        return None


def _threads() -> int:
    return min(16, 2 * (os.cpu_count() or 1))


def _header(path: Path, failures: Failures) -> tuple[tuple[int, int], bool] | None:
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            width, height = image.size
            turned = "exif" in image.info and image.getexif().get(ORIENTATION, 1) >= TRANSPOSED
            return ((width, height) if turned else (height, width)), is_grey(image)
    except Exception as error:  # damaged files raise almost anything
        failures.append((str(path), str(error)))
        return None


def _decode_chunk(paths: Sequence[Path], start: int, out: np.ndarray, mode: str, failures: Failures) -> tuple[int, int]:
    import PIL.Image

    size = (out.shape[1], out.shape[2])
    resized = colored = 0
    for row, path in enumerate(paths[start : start + CHUNK], start):
        try:
            with PIL.Image.open(path) as image:
                resized += image.size != size[::-1]
                colored += not is_grey(image)
                if image.format == "JPEG" and image.width >= 4 * size[1] and image.height >= 4 * size[0]:
                    image.draft(None, (2 * size[1], 2 * size[0]))  # decode at a fraction of the size
                out[row] = pixels(image, mode=mode, size=size)
        except Exception as error:  # damaged files raise almost anything
            failures.append((str(path), str(error)))
    return resized, colored


def _eight_bits(image: "Image") -> "Image":
    """16-bit grey keeps its upper byte; floats and 32-bit integers are taken as 0 to 255 or 0 to 65535."""
    import PIL.Image

    array = np.asarray(image).astype(np.float64)
    high = array.max(initial=0) > 255 or image.mode.startswith("I;16")
    return PIL.Image.fromarray(np.clip(array / 256 if high else array, 0, 255).astype(np.uint8))


def _raise(failures: Failures, total: int) -> None:
    if failures:
        listed = "; ".join(f"{path} ({reason})" for path, reason in sorted(failures)[:5])
        error = UnreadableError(f"{len(failures)} of {total} images cannot be read: {listed}. Repair or remove them")
        error.files = tuple(path for path, _ in failures)
        raise error


def image_files(directory: Path) -> Iterator[Path]:
    """Image files below `directory` in sorted order, hidden ones apart."""
    for root, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(root, name)
