"""The data noun: training and validation rows, a sealed test set, task, preparation, fingerprint."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data.preparation import Preparation
from burnish.data.spacing import spaced
from burnish.data.splits import Scheme, resplit
from burnish.tasks import Task, task_from_json

__all__ = ["Data", "Split"]

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of a pool, taken when they are asked for: a split copies nothing.

    Attributes:
        pool_inputs: Stored inputs of the whole pool, one row per example.
        pool_targets: Their stored targets.
        rows: Which of them belong to the split.
    """

    pool_inputs: Array
    pool_targets: Array
    rows: Array

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Split({len(self)} rows)"

    @property
    def inputs(self) -> Array:
        """Stored inputs of the split (a copy)."""
        return self.pool_inputs[self.rows]

    @property
    def targets(self) -> Array:
        """Stored targets of the split (a copy)."""
        return self.pool_targets[self.rows]

    def inputs_of(self, count: int) -> Array:
        """Stored inputs of at most `count` rows, evenly spaced (a copy)."""
        return self.pool_inputs[self.rows[spaced(len(self), count)]]

    def take(self, positions: Array) -> "Split":
        """The sub-split at `positions` of this one."""
        return Split(self.pool_inputs, self.pool_targets, self.rows[positions])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """Train, validation and sealed test with their task.

    Inputs are stored compactly (images `uint8` NHWC, tokens `int32`, tables and series `float32`)
    and become what a network sees batch by batch, through `preparation`.

    Attributes:
        inputs: Pool of training and validation examples; the test rows are not in it.
        targets: Stored targets: class indices `int64`, or values in their own unit.
        train_rows: Rows of the pool to train on.
        validation_rows: Rows of the pool to select on.
        task: What is predicted.
        preparation: How stored inputs become network inputs; shared with `predict`.
        scheme: How replicates may be split: resampled, fixed, grouped or timed.
        name: Where the data come from, for people.
        notes: Choices made on loading that a reader should know.
        origins: For each row of the pool where it came from: a file, or a row of one; None where that is not known.
        folder: The folder that `origins` are files of; empty where they are none.
        unreadable: Files that could not be read and were left out, where that was asked for.
        test: Gives the sealed test split when it is opened; None where there is none (in workers).
        test_size: Number of test examples, known without opening.
        fingerprint: Hash of content, task and preparation.
    """

    inputs: Array
    targets: Array
    train_rows: Array
    validation_rows: Array
    task: Task
    preparation: Preparation
    scheme: Scheme = field(default_factory=Scheme)
    name: str = ""
    notes: tuple[str, ...] = ()
    origins: Array | None = None
    folder: str = ""
    unreadable: tuple[str, ...] = ()
    test: Callable[[], Split] | None = None
    test_size: int = 0
    fingerprint: str = ""
    openings: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """One line without contents: a printed `Data` must not show the sealed test set."""
        test = f"{self.test_size} sealed test rows" if self.test_size else "no test set"
        return (
            f"Data({self.name}: {self.modality}, {self.task.kind} with {self.task.outputs} outputs; "
            f"{len(self.train_rows)} training, {len(self.validation_rows)} validation rows, {test})"
        )

    @property
    def modality(self) -> str:
        """`image`, `text`, `table` or `series`."""
        return self.preparation.modality

    @property
    def train(self) -> Split:
        """The training split."""
        return Split(self.inputs, self.targets, self.train_rows)

    @property
    def validation(self) -> Split:
        """The validation split."""
        return Split(self.inputs, self.targets, self.validation_rows)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example as the network sees it: `(C, H, W)`, `(T,)`, `(F,)` or `(C, L)`."""
        return self.preparation.input_shape

    def replicate(self, seed: int) -> "Data":
        """The same data split anew with `seed`; 0 gives the split as loaded.

        Where the user fixed the validation set it stays, and the training rows are a bootstrap of theirs.
        """
        if seed == 0:
            return self
        train, validation = resplit(self.scheme, self.targets, self.train_rows, self.validation_rows, seed)
        return replace(self, train_rows=train, validation_rows=validation)

    def open_test(self, reason: str) -> Split:
        """Break the seal of the test set and say why. Each opening is kept in `openings`.

        Raises:
            ValueError: there is no test set, or no reason.
        """
        if not reason:
            raise ValueError("open_test needs a reason; it is recorded with the opening")
        if self.test is None:
            raise ValueError("these data have no test set; load them again from their source")
        if reason not in self.openings:
            self.openings.append(reason)
        return self.test()

    def test_inputs(self, count: int) -> Array | None:
        """Stored inputs of at most `count` sealed test rows, without their targets; None where there are none.

        For checks of duplicates and shift. Without targets nothing can be scored or chosen, so the seal holds.
        """
        if self.test is None or not self.test_size:
            return None
        return self.test().inputs_of(count)

    def describe(self) -> dict[str, Any]:
        """What a report says about the data."""
        return {
            "name": self.name,
            "modality": self.modality,
            "train": len(self.train_rows),
            "validation": len(self.validation_rows),
            "test": self.test_size,
            "input_shape": list(self.input_shape),
            "scheme": self.scheme.kind,
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
        }

    def save(self, directory: Path) -> None:
        """Write pool, task and preparation (never the test set) so that workers can map them into memory."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, array in self.arrays().items():
            np.save(directory / f"{name}.npy", array)
        (directory / "data.json").write_text(json.dumps(self.meta()), encoding="utf-8")

    def arrays(self) -> dict[str, Array]:
        """Everything large but for the test set; with `meta` it makes the same data again."""
        columns = {name: getattr(self.scheme, name) for name in ("groups", "times")}
        found = {name: getattr(self, name) for name in ("inputs", "targets", "train_rows", "validation_rows")} | columns
        return {name: np.asarray(array) for name, array in found.items() if array is not None}

    def meta(self) -> dict[str, Any]:
        """Everything small, as plain JSON types."""
        return {
            "task": self.task.to_json(),
            "preparation": self.preparation.to_json(),
            "scheme": self.scheme.kind,
            "name": self.name,
            "notes": list(self.notes),
            "test_size": self.test_size,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def restore(cls, directory: Path) -> "Data":
        """What `save` wrote, memory-mapped and without the test set."""
        meta = json.loads((directory / "data.json").read_text(encoding="utf-8"))
        arrays = {
            name: np.load(directory / f"{name}.npy", mmap_mode="r")
            for name in ("inputs", "targets", "train_rows", "validation_rows", "groups", "times")
            if (directory / f"{name}.npy").exists()
        }
        return cls.assembled(arrays, meta)

    @classmethod
    def assembled(cls, arrays: dict[str, Any], meta: dict[str, Any]) -> "Data":
        """The data whose `arrays` and `meta` these are, without the test set; the arrays are not copied."""
        arrays = dict(arrays)
        scheme = Scheme(kind=meta["scheme"], groups=arrays.pop("groups", None), times=arrays.pop("times", None))
        return cls(
            **arrays,
            task=task_from_json(meta["task"]),
            preparation=Preparation.from_json(meta["preparation"]),
            scheme=scheme,
            name=meta["name"],
            notes=tuple(meta["notes"]),
            test_size=meta["test_size"],
            fingerprint=meta["fingerprint"],
        )


def fingerprint(inputs: Array, targets: Array, *parts: Any) -> str:
    """A short hash of the arrays' content and of `parts`, the same on every machine."""
    digest = hashlib.sha256()
    for array in (inputs, targets):
        contiguous = np.ascontiguousarray(array)
        digest.update(f"{contiguous.dtype.str}{contiguous.shape}".encode())
        digest.update(contiguous.data.cast("B") if contiguous.size else b"")
    for part in parts:
        digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:16]
