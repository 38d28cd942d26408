"""One of several classes for each example."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.metrics import METRICS, TOP, Metric, metric

__all__ = ["Classification", "softmax"]

Array = np.ndarray
OTHERS = ("rmse", "mae", "r2", "subset_accuracy", "hamming_loss", "f1_samples")  # of values and of labels
RARE = 0.1  # below this share of its fair part (1 / classes) a class makes macro F1 the primary metric


def softmax(logits: Array) -> Array:
    """Class probabilities `(n, classes)` of `logits`, in float64 so that rows sum to one."""
    shifted = np.asarray(logits, dtype=np.float64)
    exponentials = np.exp(shifted - shifted.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """Single-label classification.

    Attributes:
        classes: Class names, in the order of the network's outputs.
        metric_name: Primary metric.
        threshold: Of two classes, the probability from which the second is answered. Metrics take a half; answers use
            this one, which is fitted on validation when the network ships.
    """

    classes: tuple[str, ...]
    metric_name: str = "accuracy"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.threshold != 0.5 and len(self.classes) != 2:
            raise ValueError(f"a threshold decides between two classes; there are {len(self.classes)}")
        usable = self.metric_names()
        if self.metric_name not in usable:
            raise ValueError(f"{self.metric_name!r} is no metric of classification; one of {', '.join(usable)}")

    @classmethod
    def for_targets(cls, classes: tuple[str, ...], targets: Array, metric_name: str | None = None) -> "Classification":
        """The task for these targets; macro F1 becomes primary when a class is under a tenth of its fair share."""
        counts = np.bincount(targets, minlength=len(classes))
        rare = counts.min() < RARE * counts.sum() / len(classes)
        return cls(classes=tuple(classes), metric_name=metric_name or ("f1_macro" if rare else "accuracy"))

    @staticmethod
    def metric_names() -> tuple[str, ...]:
        """Metrics that apply."""
        return tuple(name for name in METRICS if name not in OTHERS)

    @property
    def kind(self) -> str:
        return "classification"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def primary(self) -> Metric:
        return metric(self.metric_name)

    @property
    def default_loss(self) -> str:
        return "cross_entropy"

    def encode(self, targets: Array) -> Array:
        return np.asarray(targets, dtype=np.int64)

    def decode(self, outputs: Array) -> Array:
        return softmax(outputs)

    def evaluate(self, predictions: Array, targets: Array) -> dict[str, float]:
        trivial = [f"top{k}_accuracy" for k in TOP if k >= self.outputs]  # always one
        return {name: METRICS[name](predictions, targets) for name in self.metric_names() if name not in trivial}

    def answers(self, predictions: Array) -> list[Any]:
        chosen = predictions.argmax(1)
        if self.threshold != 0.5:
            chosen = (predictions[:, 1] >= self.threshold).astype(int)
        return [self.classes[i] for i in chosen]

    def to_json(self) -> dict[str, Any]:
        moved = {} if self.threshold == 0.5 else {"threshold": self.threshold}
        return {"kind": self.kind, "classes": list(self.classes), "metric": self.metric_name} | moved

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Classification":
        return cls(classes=tuple(value["classes"]), metric_name=value["metric"], threshold=value.get("threshold", 0.5))
