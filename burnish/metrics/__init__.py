"""Pure functions (predictions, targets) -> number, each with its direction, as one catalogue.

Metrics that classes and labels share go by one name: labels are known by their two-dimensional targets.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from burnish.metrics import classes, labels, ranking, values
from burnish.metrics.classes import expected_calibration_error as expected_calibration_error
from burnish.metrics.classes import reliability as reliability
from burnish.metrics.metric import Metric as Metric

__all__ = ["AVERAGES", "METRICS", "TOP", "Metric", "expected_calibration_error", "metric", "reliability"]

Array = np.ndarray
Function = Callable[[Array, Array], float]
AVERAGES = ("macro", "micro", "weighted")
TOP = (3, 5)


def _either(of_classes: Function, of_labels: Function, predictions: Array, targets: Array) -> float:
    return (of_labels if targets.ndim == 2 else of_classes)(predictions, targets)


def _area(name: str, predictions: Array, targets: Array) -> float:
    return float(ranking.class_average(name, predictions, targets)[0])


def _all() -> list[Metric]:
    scores = [
        Metric(
            name=f"{kind}_{average}",
            function=partial(
                _either, partial(classes.averaged, kind, average), partial(labels.averaged, kind, average)
            ),
        )
        for kind in ("precision", "recall", "f1")
        for average in AVERAGES
    ]
    tops = [Metric(name=f"top{k}_accuracy", function=partial(classes.top_accuracy, k)) for k in TOP]
    errors: dict[str, Function] = {
        "log_loss": partial(_either, classes.log_loss, labels.log_loss),
        "brier": partial(_either, classes.brier, labels.brier),
        "rmse": values.rmse,
        "mae": values.mae,
    }
    calibration = partial(_either, classes.expected_calibration_error, labels.calibration_error)
    return [
        Metric(name="accuracy", function=classes.accuracy),
        Metric(name="balanced_accuracy", function=classes.balanced_accuracy),
        Metric(name="subset_accuracy", function=labels.subset_accuracy),
        Metric(name="hamming_loss", function=labels.hamming, greater_is_better=False),
        *tops,
        *scores,
        Metric(name="f1_samples", function=partial(labels.averaged, "f1", "samples")),
        Metric(name="roc_auc", function=partial(_area, "roc_auc")),
        Metric(name="pr_auc", function=partial(_area, "pr_auc")),
        *(Metric(name=n, function=f, greater_is_better=False, bounded=False) for n, f in errors.items()),
        Metric(name="ece", function=calibration, greater_is_better=False),
        Metric(name="r2", function=values.r2, bounded=False),
    ]


METRICS: dict[str, Metric] = {m.name: m for m in _all()}


def metric(name: str) -> Metric:
    """The metric called `name`.

    Raises:
        ValueError: there is none; the message lists those there are.

    Example:
        >>> metric("rmse").greater_is_better
        False
    """
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}; one of {', '.join(METRICS)}")
    return METRICS[name]
