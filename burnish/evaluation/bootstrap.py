"""Metrics of many bootstrap resamples of the examples at once.

Calling a metric a thousand times is slow; most metrics depend on an example through a few numbers only, which
are gathered for all resamples together. The resamples follow from `(n, resamples, seed)`, so two models measured
on the same examples with the same seed are resampled in pairs.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from burnish.metrics import AVERAGES, METRICS, TOP
from burnish.metrics.classes import class_scores, top_hits
from burnish.metrics.labels import decided
from burnish.metrics.ranking import class_average, one_vs_rest

__all__ = ["bootstrap", "resampled_class_counts", "resampled_label_counts", "resampled_squared_ece"]

Array = np.ndarray
Counts = tuple[Array, Array, Array]
CHUNK = 4_000_000  # indices held at once
ECE_BINS = 15
AREAS = ("roc_auc", "pr_auc")
AREA_WORK = 50_000_000  # examples times classes times resamples that areas may cost, from 200 resamples on
LEAST_RESAMPLES = 200
TOPS = {f"top{k}_accuracy": k for k in TOP}
AVERAGED = ("log_loss", "brier", "mae", "rmse", "subset_accuracy", "hamming_loss", *TOPS)
COUNTED = ("accuracy", "balanced_accuracy", *(f"{s}_{a}" for s in ("precision", "recall", "f1") for a in AVERAGES))


def bootstrap(
    names: Iterable[str], predictions: Array, targets: Array, *, resamples: int = 1000, seed: int = 0
) -> dict[str, Array]:
    """Each metric of `names` on every resample, shape `(resamples,)`.

    Args:
        names: Metric names.
        predictions: Probabilities `(n, classes)` or `(n, labels)`, or values `(n,)` or `(n, k)`.
        targets: Class indices `(n,)`, labels `(n, labels)`, or values of the same shape as the predictions.
        resamples: How many bootstrap samples of the examples.
        seed: Decides the resamples, together with `n`.
    """
    names = tuple(names)
    areas = [name for name in names if name in AREAS]
    statistics = _statistics(tuple(name for name in names if name not in AREAS), predictions, targets)
    parts: dict[str, list[Array]] = {name: [] for name in names}
    for index in _resamples(len(targets), _affordable(resamples, predictions, targets) if areas else 0, seed):
        for name in areas:
            parts[name].append(class_average(name, predictions, targets, times_drawn(index)))
    for index in _resamples(len(targets), resamples, seed):
        for group, function in statistics:
            for name, values in zip(group, function(index), strict=True):
                parts[name].append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def resampled_class_counts(
    labels: Array, targets: Array, classes: int, *, resamples: int = 1000, seed: int = 0
) -> Counts:
    """Hits, predictions and support of each class on every resample, each `(resamples, classes)`."""
    chunks = [_counts(labels, targets, classes, index) for index in _resamples(len(targets), resamples, seed)]
    return tuple(np.concatenate(part) for part in zip(*chunks, strict=True))  # type: ignore[return-value]


def resampled_label_counts(chosen: Array, there: Array, *, resamples: int = 1000, seed: int = 0) -> Counts:
    """The same for labels: hits, predictions and support of each label, each `(resamples, labels)`."""
    chunks = [_label_counts(chosen, there, index) for index in _resamples(len(there), resamples, seed)]
    return tuple(np.concatenate(part) for part in zip(*chunks, strict=True))  # type: ignore[return-value]


def times_drawn(index: Array) -> Array:
    """How often each example is in each resample, `(resamples, n)`."""
    rows, n = index.shape
    flat = np.bincount((index + np.arange(rows)[:, None] * n).ravel(), minlength=rows * n)
    return flat.reshape(rows, n)


def resampled_squared_ece(
    probabilities: Array, targets: Array, *, resamples: int = 1000, seed: int = 0
) -> tuple[Array, float, float]:
    """The squared calibration error before it is clipped at zero, where its errors are symmetric.

    Returns:
        The debiased value on every resample, the debiased value of the sample, and its plain (biased) value,
        which is the truth that the resamples are drawn from.
    """
    confidence, hit = _sorted_confidence(probabilities, targets)
    chunks = [_squared_ece(confidence, hit, index)[0] for index in _resamples(len(targets), resamples, seed)]
    debiased, plain = _squared_ece(confidence, hit, np.arange(len(targets))[None])
    return np.concatenate(chunks), float(debiased[0]), float(plain[0])


def _affordable(resamples: int, predictions: Array, targets: Array) -> int:
    """Resamples of an area: sorted examples are gone through for each class."""
    work = len(targets) * len(one_vs_rest(predictions, targets))
    return min(resamples, max(AREA_WORK // work, LEAST_RESAMPLES))


def _resamples(n: int, resamples: int, seed: int) -> Iterator[Array]:
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // n)
    for start in range(0, resamples, step):
        yield rng.integers(0, n, size=(min(step, resamples - start), n), dtype=np.int32)


def _statistics(
    names: tuple[str, ...], predictions: Array, targets: Array
) -> list[tuple[tuple[str, ...], Callable[[Array], list[Array]]]]:
    """Groups of metrics with the function that gives them all for a block of resamples."""
    groups: list[tuple[tuple[str, ...], Callable[[Array], list[Array]]]] = []
    counted = tuple(name for name in names if name in COUNTED)
    if counted:
        count = partial(_of_classes, counted, predictions, targets)
        if targets.ndim == 2:
            count = partial(_of_labels, counted, predictions, targets)
        groups.append((counted, count))
    for name in names:
        if name not in COUNTED:
            groups.append(((name,), _single(name, predictions, targets)))
    return groups


def _single(name: str, predictions: Array, targets: Array) -> Callable[[Array], list[Array]]:
    if name in AVERAGED:
        values, root = _per_example(name, predictions, targets), name == "rmse"
        return lambda index: [np.sqrt(values[index].mean(1)) if root else values[index].mean(1)]
    if name == "ece" and targets.ndim == 1:
        confidence, hit = _sorted_confidence(predictions, targets)
        return lambda index: [np.sqrt(np.clip(_squared_ece(confidence, hit, index)[0], 0, None))]
    metric = METRICS[name]
    return lambda index: [np.array([metric(predictions[row], targets[row]) for row in index])]


def _per_example(name: str, predictions: Array, targets: Array) -> Array:
    """What the metric averages over the examples, `(n,)`."""
    if name in TOPS:
        return top_hits(TOPS[name], predictions, targets).astype(float)
    if targets.ndim == 2 and name in ("log_loss", "brier", "subset_accuracy", "hamming_loss"):
        return _per_label_example(name, predictions, targets)
    if name == "log_loss":
        return -np.log(np.clip(predictions[np.arange(len(targets)), targets], 1e-12, 1))
    if name == "brier":
        return ((predictions - np.eye(predictions.shape[1])[targets]) ** 2).sum(1)
    distance = np.abs(predictions - targets).reshape(len(targets), -1)
    return distance.mean(1) if name == "mae" else (distance**2).mean(1)


def _per_label_example(name: str, predictions: Array, targets: Array) -> Array:
    right = decided(predictions) == (targets > 0.5)
    if name == "subset_accuracy":
        return right.all(1).astype(float)
    if name == "hamming_loss":
        return 1 - right.mean(1)
    if name == "brier":
        return ((predictions - targets) ** 2).mean(1)
    return -np.log(np.clip(np.where(targets > 0.5, predictions, 1 - predictions), 1e-12, 1)).mean(1)


def _of_classes(names: tuple[str, ...], predictions: Array, targets: Array, index: Array) -> list[Array]:
    counts = _counts(predictions.argmax(1), targets, predictions.shape[1], index)
    return [_counted(name, *counts) for name in names]


def _of_labels(names: tuple[str, ...], predictions: Array, targets: Array, index: Array) -> list[Array]:
    hits, predicted, support = _label_counts(decided(predictions), targets > 0.5, index)
    found = []
    for name in names:
        kind, average = name.split("_")
        if average == "micro":
            found.append(class_scores(kind, hits.sum(1), predicted.sum(1), support.sum(1)))
            continue
        scores = class_scores(kind, hits, predicted, support)
        weighted = _ratio((scores * support).sum(1), support.sum(1))
        found.append(scores.mean(1) if average == "macro" else weighted)
    return found


def _label_counts(chosen: Array, there: Array, index: Array) -> Counts:
    times = times_drawn(index).astype(float)
    return times @ (chosen & there), times @ chosen.astype(float), times @ there.astype(float)


def _counts(labels: Array, targets: Array, classes: int, index: Array) -> Counts:
    hits = np.where(labels == targets, targets, classes)  # a miss is counted in a column that is dropped
    offset = np.arange(len(index))[:, None] * (classes + 1)

    def per_class(codes: Array) -> Array:
        flat = np.bincount((codes[index] + offset).ravel(), minlength=len(index) * (classes + 1))
        return flat.reshape(len(index), classes + 1)[:, :classes]

    return per_class(hits), per_class(labels), per_class(targets)


def _counted(name: str, hits: Array, predicted: Array, support: Array) -> Array:
    if name == "accuracy" or name.endswith("_micro"):  # one label an example: the micro averages are all the accuracy
        return hits.sum(1) / support.sum(1)
    if name == "balanced_accuracy":
        return _ratio(hits, support).sum(1) / (support > 0).sum(1)
    kind, average = name.split("_")
    scores = class_scores(kind, hits, predicted, support)
    return scores.mean(1) if average == "macro" else (scores * support).sum(1) / support.sum(1)


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below > 0)


def _sorted_confidence(probabilities: Array, targets: Array) -> tuple[Array, Array]:
    order = np.argsort(probabilities.max(1), kind="stable")
    return probabilities.max(1)[order], (probabilities.argmax(1) == targets)[order].astype(float)


def _squared_ece(confidence: Array, hit: Array, index: Array) -> tuple[Array, Array]:
    """Debiased and plain squared calibration error of each resample; rows of `index` point into sorted examples."""
    index = np.sort(index, axis=1)
    n = index.shape[1]
    bins = max(1, min(ECE_BINS, n // 2))
    sizes = np.array([n // bins + (b < n % bins) for b in range(bins)])
    starts = np.r_[0, sizes.cumsum()[:-1]]
    rate = np.add.reduceat(hit[index], starts, axis=1) / sizes
    gap = rate - np.add.reduceat(confidence[index], starts, axis=1) / sizes
    noise = rate * (1 - rate) / np.maximum(sizes - 1, 1)
    weight = sizes * (sizes > 1) / n
    return ((gap**2 - noise) * weight).sum(1), (gap**2 * weight).sum(1)
