"""R2: a network that a simple model matches has not learned from what makes it a network."""

import warnings
from typing import Any

import numpy as np

from burnish.data.data import Data, Split
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.quality import aligned
from burnish.records import Finding

__all__ = ["check", "simple_scores"]

Array = np.ndarray
BASELINE_ROWS, BASELINE_FEATURES = 2000, 256
RULE = Rule(
    id="R2",
    title="no better than a simple baseline",
    source="deepchecks, Simple Model Comparison (gain of 0.1); Karpathy 2019",
    remedies=("check labels, loss and learning rate", "more epochs", "BatchNorm", "Schedule", "a pretrained network"),
    chance=0.4,
    quick=False,
)
UNLEARNABLE = ("check that labels belong to their inputs", "better inputs", "more data")


def check(subject: Subject) -> Finding:
    """Share of the way from the better simple model to a perfect score that the network has gone."""
    if subject.score is None:
        return RULE.cannot_tell("no run has a score yet.")
    scores, metric = simple_scores(subject.data), subject.metric
    name = max(scores, key=lambda n: metric.gain(0, scores[n]))
    perfect = 1.0 if metric.greater_is_better else 0.0
    left, gone = metric.gain(scores[name], perfect), metric.gain(scores[name], subject.score)
    said = (
        f"{metric.name} {subject.score:.4g}; the better simple model, {name}, has {scores[name]:.4g} "
        f"(trained on at most {BASELINE_ROWS} rows)"
    )
    limit, noise = subject.thresholds.closed_share, subject.thresholds.standard_errors * (subject.standard_error or 0.0)
    if left <= noise or left <= 0:
        return RULE.cannot_tell(f"{said}, which leaves too little to be gained.")
    closed = gone / left
    judged = f"{closed:.0%} of the way from there to perfect is gone" if closed > 0 else "the network is no better"
    figure = {"kind": "bars", "labels": ["the network", *scores], "values": [subject.score, *scores.values()]}
    figure |= {"unit": metric.name}
    if closed >= limit:
        return RULE.clear(closed, limit, f"{said}; {judged}.", figure=figure, baselines=scores)
    nothing = metric.gain(scores["the average answer"], scores[name]) <= noise
    if nothing:
        judged += "; no simple model learns anything either: do the labels belong to their inputs?"
    return RULE.fires(
        closed,
        limit,
        f"{said}; {judged}.",
        lost=(
            subject.left * min(1.0, limit - closed + limit),
            "of the error, which a simple model leaves",
        ),
        remedies=UNLEARNABLE if nothing else None,
        figure=figure,
        baselines=scores,
    )


def simple_scores(data: Data) -> dict[str, float]:
    """Validation score of always giving the average answer, and of a linear model on the raw inputs.

    Both see at most `BASELINE_ROWS` training rows; images and series are first reduced to principal components,
    texts to word counts.
    """
    train, validation = _some(data.train, seed=0), _some(data.validation, seed=1)
    seen, asked = _features(data, train.inputs, validation.inputs)
    fit = _classify if data.task.kind == "classification" else _regress
    scores = {}
    for name, simple in zip(("the average answer", "a linear model"), (True, False), strict=True):
        predicted = fit(data, seen, train.targets, asked, simple)
        scores[name] = data.task.primary(*aligned(predicted, validation.targets))
    return scores


def _some(split: Split, *, seed: int) -> Split:
    if len(split) <= BASELINE_ROWS:
        return split
    return split.take(np.sort(np.random.default_rng(seed).choice(len(split), BASELINE_ROWS, replace=False)))


def _features(data: Data, train: Array, validation: Array) -> tuple[Any, Any]:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    if data.modality == "text":
        return _word_counts(train, validation)
    seen, asked = (data.preparation.network_input(part).reshape(len(part), -1) for part in (train, validation))
    if seen.shape[1] > BASELINE_FEATURES:
        parts = min(BASELINE_FEATURES, len(seen))
        reduce = PCA(parts, svd_solver="randomized", random_state=0).fit(seen)
        seen, asked = reduce.transform(seen), reduce.transform(asked)
    scale = StandardScaler().fit(seen)
    return scale.transform(seen), scale.transform(asked)


def _word_counts(train: Array, validation: Array) -> tuple[Any, Any]:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer

    words = int(max(train.max(initial=0), validation.max(initial=0))) + 1

    def counts(tokens: Array) -> Any:
        row, column = np.nonzero(tokens > 1)  # 0 is padding, 1 unknown
        return csr_matrix((np.ones(len(row)), (row, tokens[row, column])), shape=(len(tokens), words))

    weigh = TfidfTransformer().fit(counts(train))
    return weigh.transform(counts(train)), weigh.transform(counts(validation))


def _classify(data: Data, seen: Any, targets: Array, asked: Any, simple: bool) -> Array:
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression

    model = DummyClassifier(strategy="prior") if simple else LogisticRegression(max_iter=200)
    probabilities = np.zeros((asked.shape[0], data.task.outputs))
    with warnings.catch_warnings():  # a baseline that has not fully converged is still a baseline
        warnings.simplefilter("ignore")
        probabilities[:, np.unique(targets)] = model.fit(seen, targets).predict_proba(asked)
    return probabilities


def _regress(data: Data, seen: Any, targets: Array, asked: Any, simple: bool) -> Array:
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import RidgeCV

    model = DummyRegressor() if simple else RidgeCV(np.logspace(-2, 4, 7))
    predicted = model.fit(seen, targets).predict(asked)
    return predicted.reshape(len(predicted), -1)[:, 0] if data.task.outputs == 1 else predicted
