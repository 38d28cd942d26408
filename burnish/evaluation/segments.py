"""Where a network does worst: slices of the examples by class, column, length or brightness.

Many slices are looked at, so some look bad by chance: each is tested against the rest of the examples, and the false
discovery rate over all of them is held.

Source: Benjamini and Hochberg, "Controlling the False Discovery Rate", JRSS B 1995.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from burnish.data.data import Data, Split
from burnish.evaluation.quality import percentiles, wilson
from burnish.evaluation.robustness import example_errors
from burnish.records import Estimate

__all__ = ["adjusted", "slices", "weak_segments"]

Array = np.ndarray
SUPPORT = 20  # fewest examples of a slice
PARTS = 5  # slices of a number
SHOWN = 10


def weak_segments(
    data: Data,
    split: Split,
    predictions: Array,
    *,
    level: float = 0.95,
    rate: float = 0.05,
    support: int = SUPPORT,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Slices of `split` that the network gets wrong more often than the rest.

    Args:
        data: Gives task and preparation.
        split: The examples.
        predictions: Decoded predictions of them.
        level: Coverage of the intervals.
        rate: Share of false ones among those called weak.
        support: Fewest examples of a slice; the rest must have as many.
        resamples: Bootstrap samples, for values.

    Returns:
        `looked_at` (number of slices), `overall` (error of all), `rate`, and `worst`: at most ten slices by the
        difference of their error from the rest's, each with `name`, `kind`, `n`, `error` (estimate), `rest`, `p_value`,
        `q_value` and `weak`.
    """
    errors = example_errors(data.task, predictions, split.targets)
    root, n = data.task.kind == "regression", len(errors)
    found: list[dict[str, Any]] = []
    for kind, name, chosen in slices(data, split):
        inside = int(chosen.sum())
        if min(inside, n - inside) >= support:
            error = _error(errors[chosen], root, level, resamples, whole=data.task.kind == "classification")
            rest = float(np.sqrt(errors[~chosen].mean()) if root else errors[~chosen].mean())
            p = _p_value(errors, chosen)
            found.append({"kind": kind, "name": name, "n": inside, "error": error, "rest": rest, "p_value": p})
    for row, q in zip(found, adjusted([row["p_value"] for row in found]), strict=True):
        row |= {"q_value": q, "weak": q <= rate}
    found.sort(key=lambda row: (not row["weak"], row["rest"] - row["error"].value))
    overall = float(np.sqrt(errors.mean()) if root else errors.mean())
    return {"looked_at": len(found), "overall": overall, "rate": rate, "worst": found[:SHOWN]}


def slices(data: Data, split: Split) -> Iterator[tuple[str, str, Array]]:
    """Kind, name and membership `(n,)` of every slice that the inputs and targets suggest."""
    yield from _of_targets(data, split)
    stored = split.inputs
    if data.modality == "image":
        pixels = stored.reshape(len(stored), -1).astype(np.float64)
        yield from _of_number("brightness", pixels.mean(1))
        yield from _of_number("contrast", pixels.std(1))
    elif data.modality == "text":
        yield from _of_number("words", (stored != 0).sum(1).astype(float))
        yield from _of_number("unknown words", (stored == 1).mean(1))
    elif data.modality == "series":
        yield from _of_number("level", stored.mean((1, 2)))
        yield from _of_number("variation", stored.std((1, 2)))
    else:
        yield from _of_columns(data, stored)


def adjusted(p_values: list[float]) -> list[float]:
    """Benjamini and Hochberg's q values: the false discovery rate at which each would just count.

    Example:
        >>> adjusted([0.01, 0.04, 0.03])
        [0.03, 0.04, 0.04]
    """
    if not p_values:
        return []
    p = np.asarray(p_values)
    order = np.argsort(p)
    steps = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1)
    result = np.empty(len(p))
    result[order] = q
    return [float(value) for value in result]


def _of_targets(data: Data, split: Split) -> Iterator[tuple[str, str, Array]]:
    targets = np.asarray(split.targets)
    if data.task.kind == "classification":
        for code, name in enumerate(data.task.names):
            yield "class", name, targets == code
    elif data.task.kind == "multilabel":
        for code, name in enumerate(data.task.names):
            yield "label", name, targets[:, code] > 0.5
        yield from _of_number("labels", targets.sum(1).astype(float))
    else:
        for name, values in zip(data.task.names, targets.reshape(len(targets), -1).T, strict=True):
            yield from _of_number(f"target {name}", values)


def _of_columns(data: Data, stored: Array) -> Iterator[tuple[str, str, Array]]:
    preparation = data.preparation
    for column, places in zip(preparation.columns, preparation.feature_groups, strict=True):
        part = stored[:, list(places)]
        missing = part[:, -1] > 0.5 if column.missing else np.zeros(len(part), dtype=bool)
        if column.missing:
            yield "column", f"{column.name} missing", missing
        if column.kind == "number":
            yield from _of_number(column.name, np.where(missing, np.nan, part[:, 0] * column.std + column.mean))
            continue
        for i, category in enumerate(column.categories):
            yield "column", f"{column.name} = {category}", part[:, i] > 0.5
        yield "column", f"{column.name} never seen in training", np.logical_not((part > 0.5).any(1))


def _of_number(name: str, values: Array) -> Iterator[tuple[str, str, Array]]:
    """A slice for each value where these are few, else equally large ones."""
    present = values[~np.isnan(values)]
    distinct = np.unique(present)
    if len(distinct) <= PARTS:
        for value in distinct.tolist():
            yield "number", f"{name} = {value:.4g}", np.isin(values, [value])
        return
    edges = np.unique(np.quantile(present, np.linspace(0, 1, PARTS + 1)))
    for i, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        last = i == len(edges) - 2
        with np.errstate(invalid="ignore"):
            inside = (values >= low) & ((values <= high) if last else (values < high))
        yield "number", f"{name} from {low:.4g} to {high:.4g}", inside


def _p_value(errors: Array, chosen: Array) -> float:
    """One-sided: Fisher's exact test for mistakes, Mann and Whitney's ranks for anything finer."""
    from scipy import stats

    inside, outside = errors[chosen], errors[~chosen]
    if set(np.unique(errors)) <= {0.0, 1.0}:
        wrong = [int(inside.sum()), int(outside.sum())]
        table = [[wrong[0], len(inside) - wrong[0]], [wrong[1], len(outside) - wrong[1]]]
        return float(stats.fisher_exact(table, alternative="greater").pvalue)
    return float(stats.mannwhitneyu(inside, outside, alternative="greater").pvalue)


def _error(errors: Array, root: bool, level: float, resamples: int, *, whole: bool) -> Estimate:
    n = len(errors)
    if whole:
        low, high = wilson(round(float(errors.sum())), n, level=level)
        return Estimate(value=float(errors.mean()), low=low, high=high, n=n, level=level)
    drawn = errors[np.random.default_rng(0).integers(0, n, size=(resamples, n))].mean(1)
    low, high = percentiles(np.sqrt(drawn) if root else drawn, level)
    value = float(np.sqrt(errors.mean()) if root else errors.mean())
    return Estimate(value=value, low=low, high=high, n=n, level=level, unit="target unit" if root else "fraction")
