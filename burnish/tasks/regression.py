"""One or several real values for each example."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.metrics import METRICS, Metric, metric

__all__ = ["Regression"]

Array = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Regression of the columns `columns`.

    The network is trained on targets centred and scaled with `center` and `scale`, so that losses
    and learning rates mean the same on any unit; metrics are in the targets' own unit.
    """

    columns: tuple[str, ...] = ("target",)
    center: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    metric_name: str = "rmse"

    def __post_init__(self) -> None:
        usable = self.metric_names()
        if self.metric_name not in usable:
            raise ValueError(f"{self.metric_name!r} is no metric of regression; one of {', '.join(usable)}")

    @classmethod
    def for_targets(cls, columns: tuple[str, ...], targets: Array, metric_name: str | None = None) -> "Regression":
        """The task for these training targets `(n,)` or `(n, k)`: their mean and deviation become the scale."""
        table = targets.reshape(len(targets), -1).astype(np.float64)
        spread = table.std(0)
        return cls(
            columns=tuple(columns),
            center=tuple(float(v) for v in table.mean(0)),
            scale=tuple(float(v) if v > 0 else 1.0 for v in spread),
            metric_name=metric_name or "rmse",
        )

    @staticmethod
    def metric_names() -> tuple[str, ...]:
        """Metrics that apply."""
        return ("rmse", "mae", "r2")

    @property
    def kind(self) -> str:
        return "regression"

    @property
    def outputs(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns

    @property
    def primary(self) -> Metric:
        return metric(self.metric_name)

    @property
    def default_loss(self) -> str:
        return "mse"

    def encode(self, targets: Array) -> Array:
        table = np.asarray(targets, dtype=np.float64).reshape(len(targets), -1)
        return ((table - self.center) / self.scale).astype(np.float32)

    def decode(self, outputs: Array) -> Array:
        table = np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1) * self.scale + self.center
        return table[:, 0] if len(self.columns) == 1 else table

    def width(self, outputs: Array) -> Array:
        """A deviation of outputs `(n, targets)` in the unit of the targets, shaped as `decode` shapes values."""
        table = np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1) * np.abs(self.scale)
        return table[:, 0] if len(self.columns) == 1 else table

    def evaluate(self, predictions: Array, targets: Array) -> dict[str, float]:
        return {name: METRICS[name](predictions, targets) for name in self.metric_names()}

    def answers(self, predictions: Array) -> list[Any]:
        return predictions.tolist()

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "columns": list(self.columns),
            "center": list(self.center),
            "scale": list(self.scale),
            "metric": self.metric_name,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Regression":
        return cls(
            columns=tuple(value["columns"]),
            center=tuple(value["center"]),
            scale=tuple(value["scale"]),
            metric_name=value["metric"],
        )
