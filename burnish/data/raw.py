"""What readers hand over: examples as they were found, before any is prepared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import DataError

__all__ = ["SHARES", "Options", "Parts", "Raw", "display_name"]

Array = np.ndarray
SHARES: tuple[float | int, float | int] = (0.2, 0.2)  # of the rows, for validation and test, where nobody says


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Options:
    """The arguments of `load`, as readers need them."""

    task: str | None = None
    target: str | Sequence[str] | None = None
    modality: str | None = None
    metric: str | None = None
    seed: int = 0
    group: Any = None
    time: Any = None
    size: tuple[int, int] | None = None
    validation: float | int | None = None
    test: float | int | None = None
    max_rows: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raw:
    """Examples that belong together.

    Attributes:
        inputs: Paths of image files, texts, a table (`pandas.DataFrame`), or an array with one row per example.
        targets: `(n,)` or `(n, k)`: finite numbers, or an object array of strings.
        kind: `files`, `texts`, `frame` or `array`.
        modality: What the reader knows about the modality; empty when it must be inferred.
        names: Class names where targets are class numbers.
        columns: Names of the targets.
        groups, times: One value per example, where asked for.
        as_is: The user's own preprocessing has been applied: nothing is standardized.
        task: Kind of the task, where the reader knows it.
        notes: What a reader of the report should know.
        origins: Where each example came from, such as a row of a file; None where that is not known.
    """

    inputs: Any
    targets: Array
    kind: str
    modality: str = ""
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("target",)
    groups: Array | None = None
    times: Array | None = None
    as_is: bool = False
    task: str = ""
    notes: tuple[str, ...] = ()
    origins: Array | None = None

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise DataError(f"{len(self.inputs)} inputs with {len(self.targets)} targets: one target for each input")
        for name, column in (("group", self.groups), ("time", self.times)):
            if column is not None and len(column) != len(self.targets):
                raise DataError(f"{len(column)} {name} values for {len(self.targets)} examples: one for each")

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Array) -> "Raw":
        """The examples at `rows`."""
        if self.kind == "frame":
            inputs = self.inputs.iloc[rows].reset_index(drop=True)
        elif self.kind == "array":
            inputs = self.inputs if _all(rows, len(self)) else self.inputs[rows]
        else:
            inputs = [self.inputs[i] for i in rows]
        return replace(
            self,
            inputs=inputs,
            targets=self.targets[rows],
            groups=None if self.groups is None else self.groups[rows],
            times=None if self.times is None else self.times[rows],
            origins=None if self.origins is None else self.origins[rows],
        )

    def joined(self, other: "Raw", where: str) -> "Raw":
        """These examples, then those of `other`, the split called `where`.

        Raises:
            DataError: the two are of different kinds or shapes.
        """
        self.check_like(other, where)
        targets = np.concatenate([self.targets, other.targets])
        origins = None
        if self.origins is not None and other.origins is not None:
            origins = np.concatenate([self.origins, other.origins])
        inputs = self._joined_inputs(other)
        return replace(self, inputs=inputs, targets=targets, groups=None, times=None, origins=origins)

    def _joined_inputs(self, other: "Raw") -> Any:
        if self.kind == "frame":
            import pandas as pd

            return pd.concat([self.inputs, other.inputs[list(self.inputs.columns)]], ignore_index=True)
        if self.kind != "array":
            return [*self.inputs, *other.inputs]
        return np.concatenate([self.inputs, other.inputs])

    def check_like(self, other: "Raw", where: str) -> None:
        """Refuse a split whose examples are of another kind or shape than these."""
        if self.kind != other.kind or self.as_is != other.as_is:
            raise DataError(f"training examples are {self.kind}, those of {where} are {other.kind}: give the same kind")
        absent = [c for c in self.inputs.columns if c not in other.inputs.columns] if self.kind == "frame" else []
        if absent:
            raise DataError(
                f"the table of {where} lacks {', '.join(map(repr, absent[:5]))}, which the training table has; it has "
                f"{', '.join(map(repr, other.inputs.columns))}: give both the same columns"
            )
        if self.kind == "array" and other.inputs.shape[1:] != self.inputs.shape[1:]:
            raise DataError(
                f"one training example has shape {self.inputs.shape[1:]}, one of {where} {other.inputs.shape[1:]}: "
                "give both the same shape"
            )


def _all(rows: Array, n: int) -> bool:
    return len(rows) == n and bool((rows == np.arange(n)).all())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """What a source holds. Splits the user made are law; what is None was not given.

    `shares` say how much goes to validation and to test where neither the user's files nor options do.
    """

    train: Raw
    validation: Raw | None = None
    test: Raw | None = None
    name: str = ""
    shares: tuple[float | int, float | int] = SHARES

    @classmethod
    def named(cls, name: str, raws: dict[str, Raw]) -> "Parts":
        """Parts from a mapping with `train` and perhaps `validation` and `test`."""
        return cls(train=raws["train"], validation=raws.get("validation"), test=raws.get("test"), name=name)


def display_name(path: Path) -> str:
    """The name of a file or folder for people, also of `.` and `photos/`."""
    return path.resolve().name
