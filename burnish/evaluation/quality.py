"""What a network scores, with intervals over the examples it was measured on.

The intervals say what other examples of the same kind would give *for these weights*; training again
varies more, which `paired.paired_splits` measures.
"""

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from burnish.errors import UsageError
from burnish.evaluation.bootstrap import (
    bootstrap,
    resampled_class_counts,
    resampled_label_counts,
    resampled_squared_ece,
)
from burnish.metrics import METRICS, TOP, Metric, reliability
from burnish.metrics.classes import class_scores
from burnish.metrics.labels import decided
from burnish.records import Estimate
from burnish.tasks import Task

__all__ = [
    "aligned",
    "confusion",
    "ece_interval",
    "interval_of",
    "per_class",
    "reliability_of",
    "quality",
    "score",
    "unit_of",
    "wilson",
]

Array = np.ndarray
WILSON, BASIC, PERCENTILE = "Wilson", "basic bootstrap of its square", "percentile bootstrap"
SHARES = ("accuracy", "subset_accuracy", *(f"top{k}_accuracy" for k in TOP))  # of examples that are right
UNITS = {"log_loss": "nats", "brier": "squared distance", "rmse": "target unit", "mae": "target unit", "r2": "ratio"}


def quality(
    task: Task, predictions: Array, targets: Array, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> dict[str, Estimate]:
    """Every metric of `task` with its interval.

    Shares of right examples get a Wilson interval, which stays honest near one; the calibration error a basic
    bootstrap on its square; everything else a percentile bootstrap over the examples. `interval_of` says which.

    Args:
        task: What is predicted.
        predictions: Decoded predictions: class probabilities `(n, classes)`, or values.
        targets: Stored targets `(n,)` or `(n, k)`.
        level: Coverage of the intervals.
        resamples: Bootstrap samples.
        seed: Their seed.

    Raises:
        UsageError: predictions and targets do not belong together.

    Source: Wilson 1927; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.
    """
    predictions, targets = aligned(predictions, targets)
    values = task.evaluate(predictions, targets)
    ways = {name: interval_of(name, targets) for name in values}
    resampled = [name for name, way in ways.items() if way == PERCENTILE]
    drawn = bootstrap(resampled, predictions, targets, resamples=resamples, seed=seed)
    estimates = {}
    for name, value in values.items():
        if ways[name] == WILSON:
            low, high = wilson(round(value * len(targets)), len(targets), level=level)
        elif ways[name] == BASIC:
            low, high = ece_interval(predictions, targets, level=level, resamples=resamples, seed=seed)
        else:
            low, high = percentiles(drawn[name], level)
        estimates[name] = _estimate(name, value, low, high, len(targets), level)
    return estimates


def interval_of(name: str, targets: Array) -> str:
    """How the interval of the metric called `name` comes about.

    Example:
        >>> interval_of("accuracy", np.zeros(3, dtype=int))
        'Wilson'
    """
    if name in SHARES:
        return WILSON
    return BASIC if name == "ece" and np.asarray(targets).ndim == 1 else PERCENTILE


def score(
    metric: Metric,
    predictions: Array,
    targets: Array,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """One metric with its interval, as `quality` gives it."""
    predictions, targets = aligned(predictions, targets)
    value, n = metric(predictions, targets), len(targets)
    way = interval_of(metric.name, targets)
    if way == WILSON:
        low, high = wilson(round(value * n), n, level=level)
    elif way == BASIC:
        low, high = ece_interval(predictions, targets, level=level, resamples=resamples, seed=seed)
    else:
        drawn = bootstrap([metric.name], predictions, targets, resamples=resamples, seed=seed)[metric.name]
        low, high = percentiles(drawn, level)
    return _estimate(metric.name, value, low, high, n, level)


def per_class(
    task: Task, predictions: Array, targets: Array, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """For each class or label its name, support and precision, recall and F1 with intervals; `[]` for values.

    Labels also get their `pr_auc` and `roc_auc`. Where a class has no examples (recall) or is never predicted
    (precision), the value is 0 without an interval.
    """
    if task.kind == "regression":
        return []
    predictions, targets = aligned(predictions, targets)
    classes = len(task.names)
    if targets.ndim == 2:
        chosen, there = decided(predictions), targets > 0.5
        hits, predicted, support = (chosen & there).sum(0), chosen.sum(0), there.sum(0)
        drawn = resampled_label_counts(chosen, there, resamples=resamples, seed=seed)
    else:
        table = np.array(confusion(task, predictions, targets))
        hits, predicted, support = np.diag(table), table.sum(0), table.sum(1)
        drawn = resampled_class_counts(predictions.argmax(1), targets, classes, resamples=resamples, seed=seed)
    ends = np.quantile(class_scores("f1", *drawn), [(1 - level) / 2, (1 + level) / 2], axis=0)
    values = class_scores("f1", hits, predicted, support)
    rows = []
    for c in range(classes):
        low, high = (float(ends[0, c]), float(ends[1, c])) if support[c] else (None, None)
        rows.append(
            {
                "name": task.names[c],
                "support": int(support[c]),
                "precision": _share(int(hits[c]), int(predicted[c]), level),
                "recall": _share(int(hits[c]), int(support[c]), level),
                "f1": _estimate("f1_macro", float(values[c]), low, high, int(support[c]), level),
            }
        )
        if targets.ndim == 2:
            one = (predictions[:, [c]], targets[:, [c]])
            rows[-1] |= {name: METRICS[name](*one) for name in ("pr_auc", "roc_auc")}
    return rows


def confusion(task: Task, predictions: Array, targets: Array) -> list[list[int]]:
    """Counts with true classes as rows and predicted classes as columns; `[]` unless classes are predicted."""
    if task.kind != "classification":
        return []
    classes = len(task.names)
    codes = np.asarray(targets) * classes + predictions.argmax(1)
    return np.bincount(codes, minlength=classes**2).reshape(classes, classes).tolist()


def reliability_of(
    task: Task, predictions: Array, targets: Array, *, level: float = 0.95, bins: int = 10
) -> list[dict[str, Any]]:
    """A reliability diagram: for each equal-mass bin the mean confidence and the share of hits, with a Wilson interval.

    Of classes the predicted one is looked at, of labels every one; `[]` for values.
    """
    if task.kind == "regression":
        return []
    predictions, targets = aligned(predictions, targets)
    if targets.ndim == 2:
        confidence, hit = predictions.reshape(-1), targets.reshape(-1) > 0.5
    else:
        confidence, hit = predictions.max(1), predictions.argmax(1) == targets
    return [
        {
            "confidence": found["confidence"],
            "rate": _share(int(found["hits"]), int(found["n"]), level),
        }
        for found in reliability(confidence, hit, bins)
    ]


def wilson(hits: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share `hits / n`.

    Example:
        >>> low, high = wilson(10, 10)
        >>> round(low, 3), round(high, 3)
        (0.722, 1.0)

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / n
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(center - half, 0.0), min(center + half, 1.0)


def ece_interval(
    probabilities: Array, targets: Array, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Interval of the debiased calibration error, by a basic bootstrap on its square.

    Resamples are drawn from a sample that already has its own noise in every bin, so their percentiles lie
    too high; the errors of the resamples around the plain value of the sample do not.
    """
    drawn, debiased, plain = resampled_squared_ece(probabilities, targets, resamples=resamples, seed=seed)
    low, high = percentiles(drawn - plain, level)
    return math.sqrt(max(debiased - high, 0.0)), math.sqrt(max(debiased - low, 0.0))


def percentiles(drawn: Array, level: float) -> tuple[float, float]:
    """Ends of the central `level` part of `drawn`."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def aligned(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Both as arrays, with targets of values in the predictions' shape, so that `(n,)` and `(n, 1)` never broadcast.

    Raises:
        UsageError: they are empty or do not have the same number of examples.
    """
    predictions, targets = np.asarray(predictions), np.asarray(targets)
    if not len(targets) or len(predictions) != len(targets):
        raise UsageError(
            f"got {len(predictions)} predictions for {len(targets)} targets; expected equally many, at least one: "
            "predict the same rows that the targets are taken from"
        )
    if np.issubdtype(targets.dtype, np.integer) and predictions.ndim == 2:
        return predictions, targets
    return predictions, targets.reshape(predictions.shape)


def unit_of(name: str) -> str:
    """Unit of the metric called `name`: `fraction` for bounded scores."""
    return UNITS.get(name, "fraction" if name in METRICS and METRICS[name].bounded else "ratio")


def _share(hits: int, n: int, level: float) -> Estimate:
    if not n:
        return _estimate("recall_macro", 0.0, None, None, 0, level)
    return _estimate("recall_macro", hits / n, *wilson(hits, n, level=level), n, level)


def _estimate(name: str, value: float, low: float | None, high: float | None, n: int, level: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n, level=level, unit=unit_of(name), of="examples")
