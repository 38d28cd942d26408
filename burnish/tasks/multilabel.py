"""Several labels for each example, each there or not."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.metrics import METRICS, Metric, metric

__all__ = ["Multilabel", "sigmoid"]

Array = np.ndarray
METRIC_NAMES = (
    "pr_auc",
    "roc_auc",
    *(f"{kind}_{average}" for kind in ("precision", "recall", "f1") for average in ("macro", "micro", "weighted")),
    "f1_samples",
    "subset_accuracy",
    "hamming_loss",
    "log_loss",
    "brier",
    "ece",
)


def sigmoid(logits: Array) -> Array:
    """Probabilities of `logits`, each on its own, in float64 and without overflow."""
    table = np.asarray(logits, dtype=np.float64)
    small = np.exp(-np.abs(table))
    return np.where(table >= 0, 1, small) / (1 + small)


@dataclass(frozen=True, slots=True, kw_only=True)
class Multilabel:
    """Classification with any number of labels for each example.

    Metrics of decisions take a label as predicted from a probability of one half; answers use `thresholds`, which are
    fitted on validation when the network ships.

    Attributes:
        labels: Label names, in the order of the network's outputs.
        thresholds: For each label the probability from which it is answered; a half where there are none.
        metric_name: Primary metric. The mean average precision depends on no threshold.
    """

    labels: tuple[str, ...]
    thresholds: tuple[float, ...] = ()
    metric_name: str = "pr_auc"

    def __post_init__(self) -> None:
        if self.metric_name not in METRIC_NAMES:
            raise ValueError(f"{self.metric_name!r} is no metric of labels; one of {', '.join(METRIC_NAMES)}")
        if self.thresholds and len(self.thresholds) != len(self.labels):
            raise ValueError(f"{len(self.thresholds)} thresholds for {len(self.labels)} labels: give one for each")

    @staticmethod
    def metric_names() -> tuple[str, ...]:
        """Metrics that apply."""
        return METRIC_NAMES

    @property
    def kind(self) -> str:
        return "multilabel"

    @property
    def outputs(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        return self.labels

    @property
    def primary(self) -> Metric:
        return metric(self.metric_name)

    @property
    def default_loss(self) -> str:
        return "bce"

    def encode(self, targets: Array) -> Array:
        return np.asarray(targets, dtype=np.float32).reshape(len(targets), -1)

    def decode(self, outputs: Array) -> Array:
        return sigmoid(outputs)

    def evaluate(self, predictions: Array, targets: Array) -> dict[str, float]:
        return {name: METRICS[name](predictions, targets) for name in METRIC_NAMES}

    def answers(self, predictions: Array) -> list[Any]:
        limits = np.array(self.thresholds or [0.5] * len(self.labels))
        return [[self.labels[i] for i in np.flatnonzero(row)] for row in predictions >= limits]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "thresholds": list(self.thresholds),
            "metric": self.metric_name,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Multilabel":
        return cls(
            labels=tuple(value["labels"]),
            thresholds=tuple(value.get("thresholds", ())),
            metric_name=value["metric"],
        )
