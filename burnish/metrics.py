"""Pure functions (predictions, targets) -> number, each with its direction.

scikit-learn computes what it has; what is ours is the scale on which effects
are additive and the calibration error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

__all__ = ["METRICS", "Metric", "expected_calibration_error", "metric"]

Array = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric as an object that knows its direction.

    Attributes:
        name: As users write it.
        function: `(predictions, targets) -> float`; predictions are class probabilities
            `(n, classes)` or values `(n,)` / `(n, k)`; targets class indices or values.
        greater_is_better: Direction.
        bounded: True for scores in [0, 1].
    """

    name: str
    function: Callable[[Array, Array], float]
    greater_is_better: bool = True
    bounded: bool = True

    def __call__(self, predictions: Array, targets: Array) -> float:
        return float(self.function(predictions, targets))

    def gain(self, before: float, after: float) -> float:
        """`after - before`, turned so that positive means better."""
        return after - before if self.greater_is_better else before - after

    def to_scale(self, value: float, n: int) -> float:
        """The response on which effects are additive; larger is better.

        Scores become logits, continuity-corrected by half an example; errors become minus their logarithm.
        """
        if not self.bounded:
            return -float(np.log(max(value, 1e-12))) if not self.greater_is_better else float(value)
        p = (value * n + 0.5) / (n + 1)
        p = p if self.greater_is_better else 1 - p
        return float(np.log(p / (1 - p)))

    def from_scale(self, z: float) -> float:
        """The metric's own value for a response of `to_scale`, the continuity correction apart."""
        if not self.bounded:
            return float(np.exp(-z)) if not self.greater_is_better else float(z)
        p = 1 / (1 + float(np.exp(-z)))
        return p if self.greater_is_better else 1 - p


def _labels(probabilities: Array) -> Array:
    return probabilities.argmax(1)


def _averaged(name: str, average: str, probabilities: Array, targets: Array) -> float:
    """As scikit-learn's with `zero_division=0`, without its checks of every call: each run is measured many times."""
    labels, classes = _labels(probabilities), probabilities.shape[1]
    right, predicted, actual = (
        np.bincount(chosen, minlength=classes).astype(float) for chosen in (targets[labels == targets], labels, targets)
    )
    weights = actual if average == "weighted" else np.ones(classes)
    if average == "micro":
        right, predicted, actual, weights = right.sum(), predicted.sum(), actual.sum(), np.ones(())
    above, below = {
        "precision": (right, predicted),
        "recall": (right, actual),
        "f1": (2 * right, predicted + actual),
    }[name]
    return float(np.average(above / np.maximum(below, 1), weights=weights))


def _accuracy(probabilities: Array, targets: Array) -> float:
    return float((_labels(probabilities) == targets).mean())


def _balanced_accuracy(probabilities: Array, targets: Array) -> float:
    hits = _labels(probabilities) == targets
    return float(np.mean([hits[targets == c].mean() for c in np.unique(targets)]))


def _log_loss(probabilities: Array, targets: Array) -> float:
    chosen = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.clip(chosen, 1e-12, 1)).mean())


def _brier(probabilities: Array, targets: Array) -> float:
    """Mean squared distance to the one-hot target, in [0, 2] (Brier 1950, original form)."""
    return float(((probabilities - np.eye(probabilities.shape[1])[targets]) ** 2).sum(1).mean())


def expected_calibration_error(probabilities: Array, targets: Array, bins: int = 15) -> float:
    """Debiased equal-mass calibration error of the predicted class, in [0, 1].

    Equal-mass bins with the bin variance subtracted, so that a calibrated model scores about 0.

    Source: Roelofs et al., "Mitigating Bias in Calibration Error Estimation", 2022, arXiv:2012.08668;
    the debiased form is Broecker 2012 / Ferro and Fricker 2012.

    Args:
        probabilities: `(n, classes)`.
        targets: `(n,)` class indices.
        bins: Number of bins; fewer when there are not two examples for each.
    """
    confidence = probabilities.max(1)
    hit = (_labels(probabilities) == targets).astype(float)
    order = np.argsort(confidence, kind="stable")
    total = 0.0
    for part in np.array_split(order, max(1, min(bins, len(order) // 2))):
        if len(part) < 2:
            continue
        rate = hit[part].mean()
        squared = (rate - confidence[part].mean()) ** 2 - rate * (1 - rate) / (len(part) - 1)
        total += squared * len(part) / len(order)
    return float(np.sqrt(max(total, 0.0)))


def _rmse(values: Array, targets: Array) -> float:
    return float(np.sqrt(((values - targets) ** 2).mean()))


def _mae(values: Array, targets: Array) -> float:
    return float(np.abs(values - targets).mean())


def _r2(values: Array, targets: Array) -> float:
    spread = ((targets - targets.mean(0)) ** 2).sum()
    return float(1 - ((values - targets) ** 2).sum() / spread) if spread > 0 else float("nan")


def _all() -> list[Metric]:
    averaged = [
        Metric(name=f"{name}_{average}", function=partial(_averaged, name, average))
        for name in ("precision", "recall", "f1")
        for average in ("macro", "micro", "weighted")
    ]
    return [
        Metric(name="accuracy", function=_accuracy),
        Metric(name="balanced_accuracy", function=_balanced_accuracy),
        *averaged,
        Metric(name="log_loss", function=_log_loss, greater_is_better=False, bounded=False),
        Metric(name="brier", function=_brier, greater_is_better=False, bounded=False),
        Metric(name="ece", function=expected_calibration_error, greater_is_better=False),
        Metric(name="rmse", function=_rmse, greater_is_better=False, bounded=False),
        Metric(name="mae", function=_mae, greater_is_better=False, bounded=False),
        Metric(name="r2", function=_r2, bounded=False),
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
