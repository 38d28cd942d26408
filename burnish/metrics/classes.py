"""Metrics of class probabilities `(n, classes)` against class indices `(n,)`.

The averages are those of scikit-learn with `zero_division=0`, without its checks of every call: each run is measured
many times.
"""

import numpy as np

__all__ = [
    "accuracy",
    "averaged",
    "balanced_accuracy",
    "brier",
    "class_scores",
    "expected_calibration_error",
    "log_loss",
    "reliability",
    "top_accuracy",
    "top_hits",
]

Array = np.ndarray
BINS = 15


def accuracy(probabilities: Array, targets: Array) -> float:
    """Share of right answers."""
    return float((probabilities.argmax(1) == targets).mean())


def balanced_accuracy(probabilities: Array, targets: Array) -> float:
    """Mean recall of the classes that occur."""
    hits = probabilities.argmax(1) == targets
    return float(np.mean([hits[targets == c].mean() for c in np.unique(targets)]))


def top_hits(k: int, probabilities: Array, targets: Array) -> Array:
    """Whether the right class is among the `k` most probable ones, `(n,)`; of equals the later classes count first."""
    chosen = probabilities[np.arange(len(targets)), targets][:, None]
    later = np.arange(probabilities.shape[1])[None, :] > targets[:, None]
    ahead = (probabilities > chosen) | ((probabilities == chosen) & later)
    return ahead.sum(1) < k


def top_accuracy(k: int, probabilities: Array, targets: Array) -> float:
    """Share of examples whose class is among the `k` most probable ones."""
    return float(top_hits(k, probabilities, targets).mean())


def class_scores(kind: str, hits: Array, predicted: Array, support: Array) -> Array:
    """`precision`, `recall` or `f1` from counts of any shape; 0 where nothing can be counted, as in scikit-learn."""
    above, below = {
        "precision": (hits, predicted),
        "recall": (hits, support),
        "f1": (2 * hits, predicted + support),
    }[kind]
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=np.asarray(below) > 0)


def averaged(kind: str, average: str, probabilities: Array, targets: Array) -> float:
    """Precision, recall or F1, averaged over classes (`macro`, `weighted`) or over all answers (`micro`)."""
    labels, classes = probabilities.argmax(1), probabilities.shape[1]
    hits, predicted, support = (
        np.bincount(chosen, minlength=classes).astype(float) for chosen in (targets[labels == targets], labels, targets)
    )
    if average == "micro":
        return float(class_scores(kind, hits.sum(), predicted.sum(), support.sum()))
    weights = support if average == "weighted" else None
    return float(np.average(class_scores(kind, hits, predicted, support), weights=weights))


def log_loss(probabilities: Array, targets: Array) -> float:
    """Mean negative logarithm of the right class's probability, in nats."""
    chosen = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.clip(chosen, 1e-12, 1)).mean())


def brier(probabilities: Array, targets: Array) -> float:
    """Mean squared distance to the one-hot target, in [0, 2] (Brier 1950, original form)."""
    return float(((probabilities - np.eye(probabilities.shape[1])[targets]) ** 2).sum(1).mean())


def expected_calibration_error(probabilities: Array, targets: Array, bins: int = BINS) -> float:
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
    hit = (probabilities.argmax(1) == targets).astype(float)
    order = np.argsort(confidence, kind="stable")
    total = 0.0
    for part in np.array_split(order, max(1, min(bins, len(order) // 2))):
        if len(part) < 2:
            continue
        rate = hit[part].mean()
        squared = (rate - confidence[part].mean()) ** 2 - rate * (1 - rate) / (len(part) - 1)
        total += squared * len(part) / len(order)
    return float(np.sqrt(max(total, 0.0)))


def reliability(confidence: Array, hit: Array, bins: int = BINS) -> list[dict[str, float]]:
    """What a reliability diagram draws: for each equal-mass bin its mean confidence, share of hits and size.

    Args:
        confidence: Probability of what was predicted, `(n,)`.
        hit: Whether it was right, `(n,)`.
        bins: Number of bins; fewer when there are not two examples for each.
    """
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, max(1, min(bins, len(order) // 2))) if len(part)]
    return [
        {"confidence": float(confidence[part].mean()), "hits": int(hit[part].sum()), "n": len(part)} for part in parts
    ]
