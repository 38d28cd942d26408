"""Fitting combinations: from the members' tables on some rows and the targets there to a `Combination`.

Sources: greedy selection with replacement, Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004;
stacking, Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1; its non-negative weights, Breiman, "Stacked Regressions",
Machine Learning 1996.
"""

from collections.abc import Callable

import numpy as np

from burnish.ensembling.combination import Combination, as_outputs, features
from burnish.errors import NotApplicable, UsageError
from burnish.metrics import METRICS
from burnish.tasks import Task

__all__ = ["METHODS", "average", "goodness", "greedy", "method", "stack", "vote", "weights"]

Array = np.ndarray
Fit = Callable[[Array, Array, Task], Combination]
ROUNDS = 25  # of greedy selection; more only refine the weights below 4 %
STRENGTH = 1.0  # of the penalty of a stack, as scikit-learn counts it


def average(tables: Array, targets: Array, task: Task, *, given: tuple[float, ...] = ()) -> Combination:
    """The mean of probabilities or values: soft voting. Nothing is fitted.

    Args:
        tables: `(members, rows, outputs)`.
        targets: Not looked at.
        task: What is predicted.
        given: Weights of the members; equal ones without.

    Raises:
        UsageError: not one weight for each member, a negative one, or none above zero.
    """
    raw = np.array(given or [1.0] * len(tables), dtype=float)
    if len(raw) != len(tables) or not np.isfinite(raw).all() or (raw < 0).any() or raw.sum() <= 0:
        raise UsageError(f"got the weights {list(given)} for {len(tables)} members; give one of 0 or more for each")
    return Combination(method="average", kind=task.kind, weights=tuple((raw / raw.sum()).tolist()))


def vote(tables: Array, targets: Array, task: Task) -> Combination:
    """Each member has one vote for its class, or for each of its labels; the mean probability breaks ties.

    Raises:
        NotApplicable: values are predicted.
    """
    if task.kind == "regression":
        raise NotApplicable("values cannot be voted on; combine them with average, weights, greedy or stack")
    return Combination(method="vote", kind=task.kind, weights=(1 / len(tables),) * len(tables))


def greedy(tables: Array, targets: Array, task: Task, *, rounds: int = ROUNDS) -> Combination:
    """Starting with the best member, add the one that helps the mean most, again and again, members repeatedly.

    A member's weight is how often it was added. Of all rounds the best is kept, of equals the earliest.
    """
    counts, total = np.zeros(len(tables)), np.zeros(tables.shape[1:])
    best: tuple[tuple[float, float], Array] | None = None
    for size in range(1, rounds + 1):
        scores = [goodness((total + table) / size, targets, task) for table in tables]
        chosen = max(range(len(tables)), key=scores.__getitem__)
        counts[chosen] += 1
        total = total + tables[chosen]
        if best is None or scores[chosen] > best[0]:
            best = scores[chosen], counts / size
    assert best is not None
    return Combination(method="greedy", kind=task.kind, weights=tuple(best[1].tolist()))


def weights(tables: Array, targets: Array, task: Task) -> Combination:
    """Weights of zero or more whose mean is nearest to the targets in squares, scaled to sum to one."""
    from scipy.optimize import nnls

    design = np.asarray(tables, dtype=np.float64).reshape(len(tables), -1).T
    found, _ = nnls(design, _wanted(targets, task).reshape(-1))
    if found.sum() <= 0:  # no member has anything to do with the targets
        found = np.ones(len(tables))
    return Combination(method="weights", kind=task.kind, weights=tuple((found / found.sum()).tolist()))


def stack(tables: Array, targets: Array, task: Task) -> Combination:
    """A penalized linear model on what the members say: logistic for classes and labels, ridge for values.

    The share of a member is that of its coefficients' absolute values.
    """
    inputs = features(np.asarray(tables, dtype=np.float64), task.kind)
    if task.kind == "classification":
        rows, offsets = _logistic(inputs, targets, task.outputs)
    else:
        fit = _label_row if task.kind == "multilabel" else _value_row
        wanted = _wanted(targets, task)
        found = [fit(inputs[:, :, k].T, wanted[:, k]) for k in range(task.outputs)]
        rows, offsets = np.array([row for row, _ in found]), np.array([offset for _, offset in found])
    parts = np.abs(rows).reshape(len(rows), len(tables), -1).sum((0, 2))
    shares = parts / parts.sum() if parts.sum() > 0 else np.full(len(tables), 1 / len(tables))
    return Combination(
        method="stack",
        kind=task.kind,
        weights=tuple(shares.tolist()),
        coefficients=tuple(map(tuple, rows.tolist())),
        intercepts=tuple(offsets.tolist()),
    )


METHODS: dict[str, Fit] = {
    "average": average,
    "vote": vote,
    "weights": weights,
    "greedy": greedy,
    "stack": stack,
}


def method(name: str) -> Fit:
    """The fit called `name`.

    Raises:
        UsageError: there is none.
    """
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}; one of auto, {', '.join(METHODS)}, soup")
    return METHODS[name]


def goodness(table: Array, targets: Array, task: Task) -> tuple[float, float]:
    """The primary metric, larger being better, then what decides ties: log loss or RMSE, turned round."""
    predictions = task.decode(as_outputs(table, task.kind))
    score = task.primary(predictions, targets)
    tie = METRICS["rmse" if task.kind == "regression" else "log_loss"](predictions, targets)
    return (score if task.primary.greater_is_better else -score), -tie


def _wanted(targets: Array, task: Task) -> Array:
    """Targets `(rows, outputs)` on the scale of the tables."""
    encoded = task.encode(targets)
    return np.eye(task.outputs)[encoded] if task.kind == "classification" else np.asarray(encoded, dtype=np.float64)


def _logistic(inputs: Array, targets: Array, outputs: int) -> tuple[Array, Array]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=STRENGTH, max_iter=1000).fit(inputs, targets)
    rows, offsets = np.zeros((outputs, inputs.shape[1])), np.full(outputs, -30.0)  # a class that is not there
    offsets[model.classes_] = 0.0
    if len(model.classes_) == 2:  # one row of log odds stands for the difference of two
        rows[model.classes_[1]], offsets[model.classes_[1]] = model.coef_[0], model.intercept_[0]
    else:
        rows[model.classes_], offsets[model.classes_] = model.coef_, model.intercept_
    return rows, offsets


def _label_row(inputs: Array, targets: Array) -> tuple[Array, float]:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(targets)) < 2:  # a label that is always or never there: what the members say stays
        return np.full(inputs.shape[1], 1 / inputs.shape[1]), 0.0
    model = LogisticRegression(C=STRENGTH, max_iter=1000).fit(inputs, targets)
    return model.coef_[0], float(model.intercept_[0])


def _value_row(inputs: Array, targets: Array) -> tuple[Array, float]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=STRENGTH).fit(inputs, targets)
    return model.coef_, float(model.intercept_)
