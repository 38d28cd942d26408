"""What every task promises. A new kind of task is one file with these members."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from burnish.metrics import Metric

__all__ = ["Task", "described"]

Array = np.ndarray


@runtime_checkable
class Task(Protocol):
    """Kind, output width, loss, metrics, decoding and primary metric of what is predicted."""

    @property
    def kind(self) -> str:
        """`classification`, `multilabel` or `regression`."""
        ...

    @property
    def outputs(self) -> int:
        """Width of the network's output."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes or of the predicted quantities."""
        ...

    @property
    def primary(self) -> Metric:
        """The metric decisions are made on."""
        ...

    @property
    def default_loss(self) -> str:
        """Name of the loss a plan starts with."""
        ...

    def encode(self, targets: Array) -> Array:
        """Stored targets -> what the loss sees."""
        ...

    def decode(self, outputs: Array) -> Array:
        """Network outputs `(n, outputs)` -> predictions the metrics take."""
        ...

    def evaluate(self, predictions: Array, targets: Array) -> dict[str, float]:
        """All metrics of the task, by name."""
        ...

    def answers(self, predictions: Array) -> list[Any]:
        """Predictions as the user wants to read them: class names or values."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Plain types; `task_from_json` rebuilds the task."""
        ...


def described(task: Task) -> dict[str, Any]:
    """The task as the report tells it: its JSON, the names of its outputs and the direction of its metric."""
    return task.to_json() | {"names": list(task.names), "greater_is_better": task.primary.greater_is_better}
