"""R23: the rows the network is measured on are not like those it is trained on, or those it will meet."""

import math
from typing import Any

import numpy as np

from burnish.data.data import Data
from burnish.diagnosis.features import last_hidden, simple_features
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check", "domain_auc"]

Array = np.ndarray
ROWS, LEAST_ROWS, FOLDS, PARTS = 1500, 60, 5, 64
RULE = Rule(
    id="R23",
    title="shift between the splits",
    source="Rabanser, Guennemann and Lipton, arXiv:1810.11953; deepchecks (label drift 0.15); AUC heuristic",
    remedies=(
        "split again at random, unless time or groups forbid it",
        "weigh training rows like those to come",
        "Augment",
        "estimate the batch statistics again on such inputs",
    ),
    chance=0.4,
)


def check(subject: Subject) -> Finding:
    """How well a linear model tells training from validation rows, and validation from the sealed inputs; label drift.

    Of the test set only inputs are looked at, never targets: whether its score differs is asked of no one here. What
    the network makes of the inputs before its last layer is compared where both sides are new to it.
    """
    data, limits = subject.data, subject.thresholds
    compared = {"training and validation": (data.train.inputs_of(ROWS), data.validation.inputs_of(ROWS))}
    sealed = data.test_inputs(ROWS)
    if sealed is not None:
        compared["validation and test"] = (data.validation.inputs_of(ROWS), sealed)
    compared = {name: pair for name, pair in compared.items() if min(map(len, pair)) >= LEAST_ROWS}
    if not compared:
        return RULE.cannot_tell(f"fewer than {LEAST_ROWS} rows on a side.")
    found = {name: domain_auc(data, *pair) for name, pair in compared.items()}
    found |= _by_hidden(subject, sealed)
    worst = max(found, key=lambda name: found[name][1])
    auc, low = found[worst]
    drift, drift_noise = _label_drift(subject)
    said = "; ".join(f"{name} are told apart with AUC {a:.2f} (at least {b:.2f})" for name, (a, b) in found.items())
    said += f"; label drift {drift:.2f}" if drift is not None else ""
    figure = {
        "kind": "bars",
        "labels": list(found),
        "values": [a for a, _ in found.values()],
        "unit": "AUC, 0.5 is alike",
    }
    detail: dict[str, Any] = {"auc": auc, "low": low, "severe": low > limits.domain_auc_severe, "label_drift": drift}
    detail |= _output_shift(subject)
    moved = detail.get("output_shift_p", 1.0) < limits.ks_level
    said += "; the network's outputs differ between validation and test" if moved else ""
    drifts = drift is not None and drift > limits.label_drift and drift > drift_noise
    tell = RULE.judge(low > limits.domain_auc or drifts or moved)
    share = max(2 * low - 1, drift or 0.0)
    lost = (share, "of the rows, by which the splits differ")
    return tell(low, limits.domain_auc, said + ".", lost=lost, figure=figure, **detail)


def _by_hidden(subject: Subject, sealed: Array | None) -> dict[str, tuple[float, float]]:
    """Validation against test by the features before the last layer; training rows are left out, known by heart."""
    model, data = subject.model, subject.data
    if model is None or sealed is None or min(len(sealed), len(data.validation)) < LEAST_ROWS:
        return {}
    seen, new = (last_hidden(model, data, rows) for rows in (data.validation.inputs_of(ROWS), sealed))
    if seen is None or new is None:
        return {}
    first, second = _equally_many(seen, new)
    return {"their hidden features": _told_apart(_few(np.concatenate([first, second])), len(first))}


def domain_auc(data: Data, first: Array, second: Array) -> tuple[float, float]:
    """AUC of a cross-validated linear model that tells the two apart, and its one-sided 95 % lower bound.

    The bound is that of Hanley and McNeil (1982). Texts that occur on both sides say nothing and stay.
    """
    first, second = _equally_many(first, second)
    return _told_apart(simple_features(data, np.concatenate([first, second])), len(first))


def _equally_many(first: Array, second: Array) -> tuple[Array, Array]:
    n = min(len(first), len(second))
    rng = np.random.default_rng(0)
    first, second = (part[np.sort(rng.choice(len(part), n, replace=False))] for part in (first, second))
    return first, second


def _few(features: Array) -> Array:
    """Standardized, and at most 64 of them."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    if features.shape[1] > PARTS:
        features = PCA(PARTS, svd_solver="randomized", random_state=0).fit_transform(features)
    return StandardScaler().fit_transform(features)


def _told_apart(features: Array, n: int) -> tuple[float, float]:
    """AUC for the first `n` rows against as many others, and its lower bound."""
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    features = np.concatenate([features, np.abs(features)], axis=1)  # a change of spread is a shift too
    side = np.repeat([0, 1], n)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=0.1, max_iter=200)
        scores = cross_val_predict(model, features, side, cv=folds, method="decision_function")
    auc = float(roc_auc_score(side, scores))
    return auc, auc - 1.645 * _auc_error(auc, n)


def _auc_error(auc: float, n: int) -> float:
    """Standard error for `n` rows on both sides; Hanley and McNeil, Radiology 143, 1982."""
    a = min(max(auc, 0.5), 1 - 1e-6)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    return math.sqrt((a * (1 - a) + (n - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (n * n))


def _label_drift(subject: Subject) -> tuple[float | None, float]:
    """Cramer's V between split and class, debiased (Bergsma 2013), and what chance gives in one case of forty."""
    from scipy import stats

    if not subject.is_classification:
        return None, 0.0
    classes = subject.data.task.outputs
    table = np.stack([np.bincount(s.targets, minlength=classes) for s in (subject.data.train, subject.data.validation)])
    table = table[:, table.sum(0) > 0]
    if table.shape[1] < 2:
        return None, 0.0
    n, free = table.sum(), table.shape[1] - 1
    expected = np.outer(table.sum(1), table.sum(0)) / n
    squared = float(((table - expected) ** 2 / expected).sum()) / n
    chance = float(stats.chi2.ppf(0.975, free)) / n
    return math.sqrt(max(squared - free / n, 0.0)), math.sqrt(chance)


def _output_shift(subject: Subject) -> dict[str, Any]:
    """Smallest p value over the outputs' dimensions, validation against test, by Bonferroni."""
    from scipy import stats

    from burnish.diagnosis.batches import device_of
    from burnish.evaluation.predict import outputs_on

    data, model, sealed = subject.data, subject.model, subject.data.test_inputs(ROWS)
    if model is None or sealed is None or min(len(sealed), len(data.validation)) < LEAST_ROWS:
        return {}
    first, second = (
        data.task.decode(outputs_on(model, part, data.preparation, device=device_of(model))).reshape(len(part), -1)
        for part in (data.validation.inputs_of(ROWS), sealed)
    )
    p = min(float(stats.ks_2samp(first[:, k], second[:, k]).pvalue) for k in range(first.shape[1]))
    return {"output_shift_p": min(p * first.shape[1], 1.0)}
