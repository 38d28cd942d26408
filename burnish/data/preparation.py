"""What turns files, texts and tables into stored rows, and stored rows into network inputs.

numpy only, and the same code in training and in `predict`, so that the two cannot drift apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish import records
from burnish.data.images import decode
from burnish.data.tables import Column, encode_columns, strings
from burnish.data.text import encode_tokens
from burnish.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "Preparation"]

Array = np.ndarray
MODALITIES = ("image", "text", "table", "series")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """All that is needed to feed a network, fitted on the training rows alone.

    Attributes:
        modality: `image`, `text`, `table` or `series`.
        input_shape: One example as the network sees it: `(C, H, W)`, `(T,)`, `(F,)` or `(C, L)`.
        channels_last: Images are stored NHWC.
        mean: Per channel, on the stored scale (0 to 255 for files); None where nothing is subtracted.
        std: Per channel, on the stored scale.
        size: `(height, width)` image files are resized to.
        resize: How that size was chosen.
        mode: Pillow's mode of image files, `L` or `RGB`.
        vocabulary: Words by token number; the first two are padding and unknown. Its length is the embedding's.
        length: Tokens of one text.
        columns: Columns of a table, or of a series kept as a table.
        text_column: The column that holds the text.
        dtype: Type of stored inputs: `uint8`, `int32` or `float32`.
    """

    modality: str
    input_shape: tuple[int, ...]
    channels_last: bool = True
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    resize: str = ""
    mode: str = ""
    vocabulary: tuple[str, ...] = ()
    length: int = 0
    columns: tuple[Column, ...] = ()
    text_column: str = ""
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise ValueError(f"unknown modality {self.modality!r}; one of {', '.join(MODALITIES)}")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together: give both or neither")
        if self.std is not None and not all(value > 0 for value in self.std):
            raise ValueError(f"std must be above 0, got {self.std}")

    # -- to stored rows ---------------------------------------------------------------------------

    def encode_files(self, paths: Sequence[Path | str]) -> Array:
        """Stored images `(n, H, W, C)` uint8 of image files.

        Raises:
            DataError: files are not readable as images.
            UsageError: this is no preparation of image files.
        """
        if self.modality != "image":
            raise UsageError(f"the model was trained on {self.modality} data; it cannot read image files")
        if self.size is None or not self.channels_last:
            raise UsageError(
                "the model was trained on images given as arrays and cannot read image files: give an .npz file with "
                f"`inputs` of type {self.dtype}"
            )
        return decode([Path(path) for path in paths], mode=self.mode, size=self.size)[0]

    def encode_texts(self, texts: Sequence[str]) -> Array:
        """Stored tokens `(n, T)` int32.

        Raises:
            UsageError: this is no preparation of texts.
        """
        if self.modality != "text" or not self.vocabulary:
            raise UsageError(f"the model was trained on {self.modality} data; it cannot read texts")
        if self.vocabulary[-1].startswith("#"):
            raise UsageError("the model was trained on token numbers, not on words: give token numbers")
        return encode_tokens(texts, self.vocabulary, self.length)

    def encode_frame(self, frame: "pd.DataFrame") -> Array:
        """Stored rows of a table: tokens of its text column, features `(n, F)`, or series `(n, 1, L)`.

        Raises:
            DataError: a column is missing, a number is infinite, or a series has gaps.
        """
        if self.modality == "text":
            return self.encode_texts(_texts(frame, self.text_column))
        if self.modality == "table":
            return encode_columns(self.columns, frame)
        if self.modality == "series" and self.columns:
            gaps = int(frame[[c.name for c in self.columns if c.name in frame.columns]].isna().to_numpy().sum())
            if gaps:
                raise DataError(f"the series have {gaps} missing values: fill or drop them first")
            return encode_columns(self.columns, frame)[:, None, :]
        raise UsageError(f"the model was trained on {self.modality} data; it cannot read tables")

    # -- to network inputs ------------------------------------------------------------------------

    def network_input(self, stored: Array) -> Array:
        """What the network sees: `(n, *input_shape)`, float32, or int64 for tokens."""
        if self.modality == "text":
            return stored.astype(np.int64)
        if self.modality == "image" and self.channels_last:
            stored = np.moveaxis(stored, -1, 1)
        values = np.ascontiguousarray(stored, dtype=np.float32)
        if self.mean is None or self.std is None:
            return values
        shape = (1, -1, *([1] * (values.ndim - 2)))
        mean, std = np.array(self.mean, dtype=np.float32), np.array(self.std, dtype=np.float32)
        return (values - mean.reshape(shape)) / std.reshape(shape)

    @property
    def feature_groups(self) -> tuple[tuple[int, ...], ...]:
        """For tables: features that stem from one column, such as a one-hot block and its missing indicator."""
        groups, start = [], 0
        for column in self.columns:
            groups.append(tuple(range(start, start + column.width)))
            start += column.width
        return tuple(groups)

    # -- to JSON ----------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Plain types; `from_json` rebuilds the preparation."""
        return records.to_json(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Preparation":
        """What `to_json` gave."""
        return records.from_json(cls, value)


def _texts(frame: "pd.DataFrame", column: str) -> list[str]:
    if column not in frame.columns:
        raise DataError(f"the table has no text column {column!r}; it has {', '.join(map(repr, frame.columns))}")
    return strings(frame[column]).fillna("").tolist()
