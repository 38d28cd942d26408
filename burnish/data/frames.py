"""CSV and Parquet files, and tables in memory."""

import csv
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.data.raw import Options, Parts, Raw, display_name
from burnish.data.tables import MISSING, numbers
from burnish.data.targets import clean
from burnish.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "from_frame", "read_table", "read_table_folder", "table_files"]

Array = np.ndarray
TABLES = (".csv", ".tsv", ".parquet")
TARGETS = ("label", "target", "class", "y")
SPLITS = {"train": ("train",), "validation": ("val", "dev", "validation", "valid"), "test": ("test",)}


def read_file(path: Path) -> "pd.DataFrame":
    """The table in a CSV (comma, semicolon or tab) or Parquet file; NaN, an empty cell, `?` and `NA` are missing.

    Raises:
        DataError: the file is not readable, empty, or holds no row.
    """
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(
                path,
                sep=_separator(path),
                keep_default_na=False,
                na_values=list(MISSING),
                skipinitialspace=True,
                low_memory=False,
            )
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}): save it as UTF-8") from error
    except (OSError, ValueError, pd.errors.ParserError) as error:  # an empty file is a ValueError
        raise DataError(f"{path} is not readable as a table: {error}") from error
    if frame.empty:
        raise DataError(f"{path} has no row: expected a header and one row per example")
    repeated = _repeated(path, [str(name).strip() for name in frame.columns])
    if repeated:
        raise DataError(f"{path} has the column {repeated[0]!r} more than once: rename one of them")
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def _repeated(path: Path, columns: list[str]) -> list[str]:
    """Names that stand in the header more than once; pandas would have renamed the later ones of a CSV file."""
    if path.suffix.lower() != ".parquet":
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file, delimiter=_separator(path), skipinitialspace=True))
        columns = [name.strip() for name in header]
    return [name for i, name in enumerate(columns) if name and name in columns[:i]]


def _separator(path: Path) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    return max(",;\t", key=header.count) if any(s in header for s in ",;\t") else ","


def read_table(path: Path, options: Options, *, training: bool = True) -> Raw:
    """The examples in a CSV or Parquet file."""
    return from_frame(read_file(path), options, where=str(path), training=training)


def from_frame(frame: "pd.DataFrame", options: Options, *, where: str, training: bool = True) -> Raw:
    """The examples in a table: targets, group and time apart from the inputs.

    Raises:
        DataError: a column that was named does not exist, or there is none to predict.
    """
    targets = find_targets(list(frame.columns), options.target, where)
    left = frame.drop(columns=targets)
    groups = _side_column(left, options.group, "group", where, needed=training)
    times = _side_column(left, options.time, "time", where, needed=training)
    named = [c for c in (options.group, options.time) if isinstance(c, str) and c in left.columns]
    left = left.drop(columns=named).reset_index(drop=True)
    if left.shape[1] == 0:
        raise DataError(f"{where} has nothing but the target {', '.join(targets)}: bring columns to predict it from")
    return Raw(
        inputs=left,
        targets=_target_values(frame, targets),
        kind="frame",
        columns=tuple(targets),
        groups=None if groups is None else groups.astype(str).to_numpy(dtype=object),
        times=None if times is None else _sortable(times),
        origins=np.array([f"{Path(where).name}, row {i}" for i in range(1, len(frame) + 1)], dtype=object),
    )


def find_targets(columns: Sequence[str], asked: str | Sequence[str] | None, where: str) -> list[str]:
    """Names of the target columns: those asked for, or one called label, target, class or y in any case.

    Raises:
        DataError: there is none; the message lists the columns.
    """
    listed = ", ".join(map(repr, columns))
    if asked is not None:
        names = [asked] if isinstance(asked, str) else list(asked)
        if len(names) == 1 and names[0] not in columns and "," in names[0]:
            names = [name.strip() for name in names[0].split(",")]
        absent = [name for name in names if name not in columns]
        if absent:
            raise DataError(f"{where} has no target column {absent[0]!r}; its columns are {listed}: name one of them")
        return names
    for wanted in TARGETS:
        found = [name for name in columns if name.lower() == wanted]
        if found:
            return found[:1]
    raise DataError(
        f"{where} has no column called {', '.join(TARGETS)}; its columns are {listed}: name the target column"
    )


def _target_values(frame: "pd.DataFrame", targets: list[str]) -> Array:
    from pandas.api import types

    if len(targets) > 1:
        return np.stack([clean(numbers(frame[name]), what=name) for name in targets], axis=1).astype(np.float64)
    column = frame[targets[0]]
    plain = types.is_numeric_dtype(column) and not types.is_extension_array_dtype(column)
    return clean(column.to_numpy() if plain else column.astype(object).where(column.notna(), None), what=targets[0])


def _side_column(frame: "pd.DataFrame", asked: Any, role: str, where: str, *, needed: bool) -> "pd.Series | None":
    import pandas as pd

    if asked is None:
        return None
    if not isinstance(asked, str):
        return pd.Series(np.asarray(asked))
    if asked not in frame.columns:
        if not needed:
            return None
        listed = ", ".join(map(repr, frame.columns))
        raise DataError(f"{where} has no {role} column {asked!r}; its columns are {listed}: name one of them")
    if frame[asked].isna().any():
        raise DataError(
            f"{int(frame[asked].isna().sum())} values of the {role} column {asked!r} are missing: fill them"
        )
    return frame[asked]


def _sortable(times: "pd.Series") -> Array:
    """Numbers as they are, else days since 1970 of dates."""
    import pandas as pd

    values = numbers(times)
    if np.isnan(values).any():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pandas remarks on formats it parses one by one
                values = numbers(pd.to_datetime(times))
        except (ValueError, TypeError) as error:
            raise DataError(f"the time column {times.name!r} holds neither numbers nor dates: {error}") from error
    return values


def table_files(folder: Path) -> dict[str, Path]:
    """Files of a folder that are tables of a split, such as `train.csv` and `dev.parquet`."""
    found = {}
    for split, names in SPLITS.items():
        files = [folder / f"{name}{suffix}" for name in names for suffix in TABLES]
        there = [path for path in files if path.is_file()]
        if len(there) > 1:
            raise DataError(f"{folder} has {' and '.join(p.name for p in there)} for {split}: keep one of them")
        if there:
            found[split] = there[0]
    return found


def read_table_folder(folder: Path, files: dict[str, Path], options: Options) -> Parts:
    """The splits of a folder of tables; the test table has the columns of the training table."""
    train = read_table(files["train"], options)
    own = replace(options, target=list(train.columns))
    others = {split: _read_other(path, own) for split, path in files.items() if split != "train"}
    return Parts.named(display_name(folder), {"train": train, **others})


def _read_other(path: Path, options: Options) -> Raw:
    """The validation or test table, which needs the target column of the training table."""
    frame = read_file(path)
    absent = [name for name in options.target or () if name not in frame.columns]
    if absent:
        listed = ", ".join(map(repr, frame.columns))
        raise DataError(
            f"{path} has no target column {absent[0]!r} as the training table has; its columns are {listed}: without "
            "answers it cannot be scored, so add the column or move the file away and hand it to `burnish predict`"
        )
    return from_frame(frame, options, where=str(path), training=False)
