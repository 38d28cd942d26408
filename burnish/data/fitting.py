"""Preparations fitted to training rows, one function for each modality, and the pool they encode."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from burnish.data import images, tables, text
from burnish.data.arrays import canonical
from burnish.data.preparation import Preparation
from burnish.data.raw import Options, Raw
from burnish.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["choose_modality", "prepare"]

Array = np.ndarray
Prepared = tuple[Preparation, Array, Array | None, list[str]]
LEAST_WORDS = 3.0  # mean words of a text column
FEW_COLUMNS = 3  # a table with more columns than that beside the text is a table
CHUNK = 2048  # rows summed at once
HALF = 127  # pixels above it: the scale is that of image files, 0 to 255


def prepare(pool: Raw, train_rows: Array, test: Raw | None, options: Options) -> Prepared:
    """Preparation fitted on `train_rows` of `pool`, the stored pool and test inputs, and notes.

    Raises:
        DataError: the inputs cannot be used.
        UsageError: the modality does not fit the source.
    """
    modality, why = choose_modality(pool, options)
    if pool.kind == "files":
        preparation, stored, test_stored, notes = _prepare_files(pool, train_rows, test, options)
    elif pool.kind == "array":
        preparation, stored, test_stored, notes = _prepare_arrays(pool, test, modality)
    elif modality == "text":
        preparation, stored, test_stored, notes = _prepare_texts(pool, train_rows, test)
    else:
        preparation, stored, test_stored, notes = _prepare_frame(pool, train_rows, test, modality)
    preparation = _with_statistics(preparation, pool, stored, train_rows, options)
    return preparation, stored, test_stored, [*why, *notes]


def choose_modality(raw: Raw, options: Options) -> tuple[str, list[str]]:
    """The modality asked for, known or inferred, and a note where it was inferred."""
    asked = options.modality
    if asked is not None and asked not in ("image", "text", "table", "series"):
        raise UsageError(f"unknown modality {asked!r}; one of image, text, table, series")
    if raw.kind == "files" or raw.kind == "texts":
        known = "image" if raw.kind == "files" else "text"
        if asked not in (None, known):
            raise UsageError(f"these data are {known}s; they cannot be read as {asked}")
        return known, []
    if asked or raw.modality:
        return asked or raw.modality, []
    if raw.kind == "array":
        return "table", []
    column, words = _text_column(raw)
    others = raw.inputs.shape[1] - 1
    if words >= LEAST_WORDS and others <= FEW_COLUMNS:
        ignored = f"; {others} other columns are not used" if others else ""
        return "text", [f"modality taken as text: column {column!r} has {words:.1f} words on average{ignored}"]
    return "table", [f"modality taken as table: {raw.inputs.shape[1]} columns"]


def _text_column(raw: Raw) -> tuple[str, float]:
    """The string column with most words among those that hardly repeat, and its mean number of words."""
    best, most = "", 0.0
    for name in raw.inputs.columns:
        sample = raw.inputs[name].iloc[:1000]
        if not tables.is_text(sample):
            continue
        texts = tables.strings(sample).dropna()
        words = float(np.mean([len(value.split()) for value in texts])) if len(texts) else 0.0
        if words > most and texts.nunique() > 0.5 * len(texts):
            best, most = str(name), words
    return best, most


# -- files ------------------------------------------------------------------------------------------


def _prepare_files(pool: Raw, train_rows: Array, test: Raw | None, options: Options) -> Prepared:
    size, resize, grey = _choose_size([pool.inputs[i] for i in train_rows], options)
    paths: list[Path] = [*pool.inputs, *(test.inputs if test else [])]
    mode = "L" if grey else "RGB"
    stored, resized, colored = images.decode(paths, mode=mode, size=size)
    if mode == "L" and colored:
        mode = "RGB"
        stored, resized, colored = images.decode(paths, mode=mode, size=size)
    notes = [f"{resized} of {len(paths)} images resized to {size[0]}x{size[1]} ({resize})"] if resized else []
    if mode == "RGB" and colored < len(paths):
        notes.append(f"{len(paths) - colored} grey images read as RGB, like the others")
    shape = (1 if mode == "L" else 3, *size)
    preparation = Preparation(modality="image", input_shape=shape, size=size, resize=resize, mode=mode, dtype="uint8")
    return preparation, stored[: len(pool)], stored[len(pool) :] if test else None, notes


def _choose_size(paths: list[Path], options: Options) -> tuple[tuple[int, int], str, bool]:
    sizes, grey = images.survey(paths)
    if options.size is not None:
        return options.size, "bilinear, as asked", grey
    height, width = np.median(np.array(sizes), axis=0)
    shrink = min(1.0, images.MOST_SIDE / max(height, width))
    size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    capped = f", capped at {images.MOST_SIDE}" if shrink < 1 else ""
    return size, f"bilinear, the median size of the training images{capped}; `size` overrides", grey


# -- arrays -----------------------------------------------------------------------------------------


def _prepare_arrays(pool: Raw, test: Raw | None, modality: str) -> Prepared:
    stored, note = canonical(pool.inputs, modality)
    test_stored = None if test is None else canonical(test.inputs, modality)[0]
    last = modality == "image" and stored.dtype == np.uint8
    shape = (stored.shape[3], *stored.shape[1:3]) if last else stored.shape[1:]
    preparation = Preparation(
        modality=modality, input_shape=tuple(shape), channels_last=last or modality != "image", dtype=str(stored.dtype)
    )
    if last and shape[0] in (1, 3) and stored.max() > HALF:
        preparation = replace(preparation, size=(shape[1], shape[2]), mode="L" if shape[0] == 1 else "RGB")
    if modality == "table":
        preparation = replace(preparation, columns=tuple(tables.Column(name=f"x{i}") for i in range(shape[0])))
    if modality == "text":
        most = int(max(part.max(initial=1) for part in (stored, test_stored) if part is not None))
        words = (text.PADDING, text.UNKNOWN, *(f"#{i}" for i in range(2, most + 1)))
        preparation = replace(preparation, vocabulary=words, length=stored.shape[1])
    return preparation, stored, test_stored, [note] if note else []


# -- texts and tables -------------------------------------------------------------------------------


def _prepare_texts(pool: Raw, train_rows: Array, test: Raw | None) -> Prepared:
    column = "" if pool.kind == "texts" else _text_column(pool)[0]
    if pool.kind == "frame" and not column:
        raise DataError(f"no column with texts among {', '.join(map(repr, pool.inputs.columns))}")
    texts = _texts_of(pool, column)
    tokens = [text.tokenize(texts[i]) for i in train_rows]
    vocabulary, length = text.fit_vocabulary(tokens), text.fit_length(tokens)
    if len(vocabulary) == 2:
        raise DataError("no word occurs twice in the training texts: are these texts, and are there enough?")
    preparation = Preparation(
        modality="text",
        input_shape=(length,),
        vocabulary=vocabulary,
        length=length,
        text_column=column,
        dtype="int32",
    )
    notes = [f"{len(vocabulary)} tokens in the vocabulary, texts cut at {length} words"]
    test_stored = None if test is None else preparation.encode_texts(_texts_of(test, column))
    return preparation, preparation.encode_texts(texts), test_stored, notes


def _texts_of(raw: Raw, column: str) -> list[str]:
    if raw.kind == "texts":
        return [str(value) for value in raw.inputs]
    if column not in raw.inputs.columns:
        raise DataError(f"a split has no text column {column!r}; it has {', '.join(map(repr, raw.inputs.columns))}")
    return tables.strings(raw.inputs[column]).fillna("").tolist()


def _prepare_frame(pool: Raw, train_rows: Array, test: Raw | None, modality: str) -> Prepared:
    fit: Callable[..., tuple[tuple[tables.Column, ...], list[str]]] = tables.fit_columns
    if modality == "series":
        fit = _series_columns
    elif modality != "table":
        raise UsageError(f"a table cannot be read as {modality}; one of text, table, series")
    columns, notes = fit(pool.inputs.iloc[train_rows])
    features = sum(column.width for column in columns)
    shape = (1, features) if modality == "series" else (features,)
    preparation = Preparation(modality=modality, input_shape=shape, columns=columns)
    test_stored = None if test is None else preparation.encode_frame(test.inputs)
    return preparation, preparation.encode_frame(pool.inputs), test_stored, notes


def _series_columns(frame: "pd.DataFrame") -> tuple[tuple[tables.Column, ...], list[str]]:
    texts = [str(name) for name in frame.columns if tables.is_text(frame[name])]
    if texts:
        raise DataError(f"a series is made of numbers; these columns hold texts: {', '.join(texts[:5])}")
    return tuple(tables.Column(name=str(name)) for name in frame.columns), []


# -- statistics -------------------------------------------------------------------------------------


def _with_statistics(
    preparation: Preparation, pool: Raw, stored: Array, train_rows: Array, options: Options
) -> Preparation:
    """Mean and deviation per channel: the user's, else those of the training rows of raw images and series."""
    if options.mean is not None or options.std is not None:
        return replace(preparation, mean=options.mean, std=_checked_std(preparation, options))
    if preparation.modality not in ("image", "series") or (pool.as_is and stored.dtype != np.uint8):
        return preparation
    mean, std = _moments(stored, train_rows, 3 if preparation.dtype == "uint8" else 1)
    return replace(preparation, mean=mean, std=std)


def _checked_std(preparation: Preparation, options: Options) -> tuple[float, ...]:
    channels = preparation.input_shape[0]
    mean, std = options.mean or (), options.std or ()
    if preparation.modality not in ("image", "series") or {len(mean), len(std)} != {channels}:
        raise UsageError(
            f"mean and std go together, one of each for every channel of images or series: got {len(mean)} and "
            f"{len(std)} for {preparation.modality} inputs of shape {preparation.input_shape}"
        )
    if preparation.dtype == "uint8" and max(std) <= 1:
        raise UsageError(f"mean and std are on the scale of the pixels, 0 to 255; multiply {mean}, {std} by 255")
    return std


def _moments(stored: Array, rows: Array, axis: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation over all but `axis`, summed in chunks so that nothing large is copied.

    Rounded to seven digits: what differs beyond that is the order of summation, which should change no fingerprint.
    """
    channels = stored.shape[axis]
    center = stored[rows[:1]].mean(tuple(i for i in range(stored.ndim) if i != axis), dtype=np.float64)
    total, squares = np.zeros(channels), np.zeros(channels)
    for start in range(0, len(rows), CHUNK):
        part = np.moveaxis(stored[rows[start : start + CHUNK]], axis, -1).reshape(-1, channels) - center
        total += np.ones(len(part)) @ part
        squares += (part.T @ part).diagonal()
    count = len(rows) * stored[0].size / channels
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return _rounded(mean + center), _rounded(np.where(std > 0, std, 1.0))


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values)
