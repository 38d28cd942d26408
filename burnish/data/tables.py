"""Columns of a table as numbers: standardized, one-hot, with indicators of what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from burnish.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "Column", "encode_columns", "fit_columns", "is_text", "numbers", "strings"]

MISSING = ("", "?", "NA", "NaN", "nan")
MOST_CATEGORIES = 64
IDENTIFIERS = ("id", "index", "unnamed: 0", "")
DAY = 86_400e9  # nanoseconds
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one column becomes features.

    Attributes:
        name: Its name in the file.
        kind: `number` (one feature) or `category` (one feature for each category; an unknown one is all zeros).
        mean: Mean of the training rows; missing numbers become it, which is 0 after standardization.
        std: Deviation of the training rows.
        categories: Categories of the training rows, the 64 most frequent.
        missing: Whether a last feature says that the value is missing.
    """

    name: str
    kind: str = "number"
    mean: float = 0.0
    std: float = 1.0
    categories: tuple[str, ...] = ()
    missing: bool = False

    @property
    def width(self) -> int:
        """Number of features."""
        return (1 if self.kind == "number" else len(self.categories)) + self.missing


def is_text(values: "pd.Series") -> bool:
    """Whether a column holds strings rather than numbers, truth values or times."""
    from pandas.api import types

    plain = types.is_numeric_dtype(values) or types.is_bool_dtype(values) or types.is_datetime64_any_dtype(values)
    return not plain and not _all_numbers(values)


def _all_numbers(values: "pd.Series") -> bool:
    """Strings that are all numbers, but for missing markers, are numbers."""
    present = strings(values).dropna()
    return len(present) > 0 and not np.isnan(_parsed(present)).any()


def _parsed(values: "pd.Series") -> np.ndarray:
    import pandas as pd

    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def strings(values: "pd.Series") -> "pd.Series":
    """The column as stripped strings of dtype object; what is missing is None."""
    gone = values.isna()
    text = values.astype(object).map(lambda v: str(v).strip())
    return text.mask(gone | text.isin(MISSING), None)


def numbers(values: "pd.Series") -> np.ndarray:
    """The column as float64; missing is NaN, times are days since 1970."""
    from pandas.api import types

    if types.is_datetime64_any_dtype(values):
        stamps = values.dt.tz_localize(None) if values.dt.tz is not None else values
        days = stamps.astype("datetime64[ns]").astype("int64").to_numpy() / DAY
        return np.where(values.isna(), np.nan, days)
    if types.is_numeric_dtype(values) or types.is_bool_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return _parsed(strings(values))


def fit_columns(frame: "pd.DataFrame") -> tuple[tuple[Column, ...], list[str]]:
    """Columns fitted to the training rows `frame`, and what a reader should know about those left out.

    Raises:
        DataError: a number is infinite, or no column is left.
    """
    kept, notes = [], []
    for name in frame.columns:
        column, why = _fit_column(str(name), frame[name])
        if column is None:
            notes.append(f"column {name!r} left out: {why}")
        else:
            kept.append(column)
    if not kept:
        listed = ", ".join(map(repr, frame.columns)) or "none"
        raise DataError(f"no usable input column among {listed}: {'; '.join(notes)}")
    return tuple(kept), notes


def _fit_column(name: str, values: "pd.Series") -> tuple[Column | None, str]:
    if is_text(values):
        return _fit_category(name, values)
    table = numbers(values)
    present = table[~np.isnan(table)]
    if np.isinf(present).any():
        raise DataError(f"column {name!r} holds {int(np.isinf(present).sum())} infinite values: correct or drop them")
    if not len(present) or (present.min() == present.max() and len(present) == len(table)):
        return None, "it has one value" if len(present) else "it is empty"
    if name.lower() in IDENTIFIERS and len(np.unique(present)) == len(table):
        return None, "it numbers the rows"
    with np.errstate(over="ignore"):
        std = float(present.std()) or 1.0
    if not np.isfinite(std):
        raise DataError(f"column {name!r} holds {np.abs(present).max():.3g}, too large to compute with: correct it")
    return Column(name=name, mean=float(present.mean()), std=std, missing=len(present) < len(table)), ""


def _fit_category(name: str, values: "pd.Series") -> tuple[Column | None, str]:
    text = strings(values)
    counts = text.dropna().value_counts()
    missing = bool(text.isna().any())
    if len(counts) > MOST_CATEGORIES and len(counts) > 0.5 * counts.sum():
        return None, f"{len(counts)} different texts are no categories"
    if len(counts) + missing < 2:
        return None, "it has one value" if len(counts) else "it is empty"
    frequent = sorted(counts.index, key=lambda category: (-counts[category], category))[:MOST_CATEGORIES]
    return Column(name=name, kind="category", categories=tuple(sorted(frequent)), missing=missing), ""


def encode_columns(columns: Iterable[Column], frame: "pd.DataFrame") -> np.ndarray:
    """Features `(n, F)` float32 of `frame`.

    Raises:
        DataError: a column is missing, or a number is infinite.
    """
    columns = tuple(columns)
    absent = [c.name for c in columns if c.name not in frame.columns]
    if absent:
        raise DataError(
            f"the table lacks {', '.join(map(repr, absent))}; it has {', '.join(map(repr, frame.columns))}: "
            "give a table with the columns the model was trained on"
        )
    encoded = [_encode_column(c, frame[c.name]) for c in columns]
    return np.concatenate(encoded, axis=1).astype(np.float32)


def _encode_column(column: Column, values: "pd.Series") -> np.ndarray:
    if column.kind == "category":
        text = strings(values)
        gone = text.isna().to_numpy()
        features = (text.to_numpy()[:, None] == np.array(column.categories, dtype=object)[None]).astype(np.float32)
    else:
        table = numbers(values)
        if np.isinf(table).any():
            raise DataError(f"column {column.name!r} holds {int(np.isinf(table).sum())} infinite values")
        gone = np.isnan(table)
        features = np.where(gone, 0.0, (table - column.mean) / column.std)[:, None]
        if np.abs(features).max(initial=0) > LARGEST:
            raise DataError(f"column {column.name!r} holds {np.nanmax(np.abs(table)):.3g}, too far from the others")
    return np.concatenate([features, gone[:, None]], axis=1) if column.missing else features
