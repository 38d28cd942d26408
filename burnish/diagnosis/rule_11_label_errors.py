"""R11: labels that belong to another class, found by confident learning; a list to review, never the truth."""

import math
from typing import Any

import numpy as np

from burnish.diagnosis.confident import anchored_share, confident_joint, noise_share, suspects
from burnish.diagnosis.features import simple_features
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding
from burnish.tasks.classification import softmax

__all__ = ["check", "out_of_fold"]

Array = np.ndarray
LEAST_ROWS, SHOWN, FOLDS, MOST_ROWS = 200, 24, 5, 5000
LEAST_PER_CLASS = 10
ALIKE = 0.03  # of accuracy, by which a linear model may be worse and still do as well
RULE = Rule(
    id="R11",
    title="label errors",
    source="Northcutt, Jiang and Chuang, JAIR 2021, arXiv:1911.00068; of what it lists about half is truly wrong",
    remedies=(
        "review the listed rows, validation first",
        "LabelSmoothing",
        "Mixup",
        "EarlyStopping",
        "--loss brier",
        "an ensemble",
    ),
    chance=0.5,
    quick=False,
)


def check(subject: Subject) -> Finding:
    """Share of labels in error, from probabilities of networks that were not trained on the rows they judge.

    Confident learning counts hard examples as errors too when the network is poor. So further estimates have to agree:
    how often the given class got next to no probability, beyond what the temperature that fits best explains, or how
    often it contradicts the network where that is surest. Where a linear model, cross-validated, does as well, it must
    say so too: what only one of the two doubts is that one's own weakness.
    """
    if not subject.is_classification:
        return RULE.cannot_tell("label errors of values are not estimated.")
    rows, probabilities = out_of_fold(subject)
    labels = np.asarray(subject.data.targets)[rows]
    if len(rows) < LEAST_ROWS or np.bincount(labels, minlength=probabilities.shape[1]).max() < LEAST_PER_CLASS:
        return RULE.cannot_tell(f"{len(rows)} rows with predictions of a network that had not seen them are too few.")
    joint = confident_joint(labels, probabilities)
    counted, (floor, low) = 1 - float(np.trace(joint)), _least(subject, labels, probabilities)
    limit, listed = subject.thresholds.label_errors, suspects(labels, probabilities, joint)
    said = (
        f"of {len(rows)} labels confident learning doubts {counted:.1%}; at least {low:.1%} are too unlikely for "
        f"anything but an error (best estimate {floor:.1%})"
    )
    share = min(counted, floor)
    shown = [_shown(subject, rows[i], labels[i], probabilities[i]) for i in listed[:SHOWN]]
    figure = {"kind": "review", "rows": shown}
    more: dict[str, Any] = {"counted": counted, "floor": floor, "low": low, "listed": len(listed)}
    if counted > limit and low > limit:
        lost = (share, "of the rows, whose labels are doubted")
        return RULE.fires(share, limit, f"{said}; {len(listed)} rows to review.", lost=lost, figure=figure, **more)
    return RULE.clear(share, limit, said + ".", figure=figure, **more)


def _least(subject: Subject, labels: Array, probabilities: Array) -> tuple[float, float]:
    """The estimate and lower bound by the network, or by a linear model as good if that doubts less."""
    noise = noise_share(labels, probabilities)
    if not subject.out_of_fold:
        return noise
    rows, linear = _linear(subject)
    known = np.asarray(subject.data.targets)[rows]
    if len(rows) < LEAST_ROWS:
        return noise
    if _accuracy(known, linear) < _accuracy(labels, probabilities) - ALIKE:
        return noise
    # Where a linear model does as well there is little structure left to miss: what contradicts the surest is noise.
    estimates = ((labels, probabilities), (known, linear))
    return min((max(noise_share(*e), anchored_share(*e), key=_bound) for e in estimates), key=_bound)


def _bound(estimate: tuple[float, float]) -> float:
    return estimate[1]


def _accuracy(labels: Array, probabilities: Array) -> float:
    return float((probabilities.argmax(1) == labels).mean())


def out_of_fold(subject: Subject) -> tuple[Array, Array]:
    """Rows of the pool and their mean probabilities over all networks not trained on them.

    Where validation is fixed or a run gave none, a linear model on simple features judges training rows by
    cross-validation.
    """
    if "out_of_fold" not in subject.cache:
        subject.cache["out_of_fold"] = _averaged(subject) if subject.out_of_fold else _linear(subject)
    return subject.cache["out_of_fold"]


def _averaged(subject: Subject) -> tuple[Array, Array]:
    task, n = subject.data.task, len(subject.data.targets)
    total, seen = np.zeros((n, task.outputs)), np.zeros(n)
    for rows, outputs in subject.out_of_fold:
        np.add.at(total, rows, softmax(outputs))
        np.add.at(seen, rows, 1)
    rows = np.flatnonzero(seen)
    return rows, total[rows] / seen[rows, None]


def _linear(subject: Subject) -> tuple[Array, Array]:
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    data = subject.data
    rows = np.unique(data.train_rows)
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
    labels = np.asarray(data.targets)[rows]
    counts = np.bincount(labels, minlength=data.task.outputs)
    rows = rows[counts[labels] >= FOLDS]
    labels = np.asarray(data.targets)[rows]
    probabilities = np.zeros((len(rows), data.task.outputs))
    if len(np.unique(labels)) < 2:
        return rows, probabilities
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=200)
        found = cross_val_predict(
            model, simple_features(data, data.inputs[rows]), labels, cv=folds, method="predict_proba"
        )
    probabilities[:, np.unique(labels)] = found
    return rows, probabilities


def _shown(subject: Subject, row: int, label: int, probabilities: Array) -> dict[str, Any]:
    from burnish.diagnosis.showing import shown_row

    names, other = subject.data.task.names, int(probabilities.argmax())
    return shown_row(subject.data, int(row)) | {
        "label": str(names[label]),
        "suggested": str(names[other]),
        "probability": float(probabilities[other]),
        "given": float(probabilities[label]) if math.isfinite(probabilities[label]) else 0.0,
    }
