"""What a network has to be better than: the average answer, a linear model, the nearest neighbours.

Images and series are reduced to principal components first, texts to weighted word counts; tables are taken as the
network sees them.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from burnish.data.data import Data, Split
from burnish.evaluation.paired import paired_examples
from burnish.evaluation.quality import score
from burnish.records import Estimate

__all__ = ["AVERAGE", "LINEAR", "NEIGHBOURS", "beside", "simple_predictions", "some"]

Array = np.ndarray
AVERAGE, LINEAR, NEIGHBOURS = "the average answer", "a linear model", "nearest neighbours"
FEATURES = 256
LEAST_ROWS, MOST_ROWS, VALUES = 2000, 20_000, 1_300_000  # rows to learn from, and numbers in them
MOST_ASKED = 10_000
NEIGHBOUR_COUNT = 5


def beside(data: Data, asked: Split, network: Array, *, level: float = 0.95) -> list[dict[str, Any]]:
    """How much better the network is than each simple model on the rows `asked`, in pairs of examples.

    Args:
        data: The training rows are learned from; at most 20,000 of them, fewer where a row is long.
        asked: Rows that neither was trained on.
        network: The network's decoded predictions for these rows.
        level: Coverage of the intervals.

    Returns:
        For each simple model its `name`, `score` (estimate), `gain` of the network over it (estimate), and the
        training `rows` it saw.

    Example:
        >>> import burnish as bu, numpy as np
        >>> data = bu.load("digits")
        >>> found = beside(data, data.validation, np.eye(10)[data.validation.targets])
        >>> [row["name"] for row in found if row["gain"].low > 0]
        ['the average answer', 'a linear model', 'nearest neighbours']
    """
    keep = some(len(asked), MOST_ASKED, seed=1)
    part, network = asked.take(keep), np.asarray(network)[keep]
    rows = rows_to_learn(data)
    found = simple_predictions(data, part.inputs, rows=rows)
    primary = data.task.primary
    return [
        {
            "name": name,
            "score": score(primary, predicted, part.targets, level=level),
            "gain": _gain(primary, predicted, network, part.targets, level),
            "rows": min(rows, len(data.train)),
        }
        for name, predicted in found.items()
    ]


def _gain(primary: Any, simple: Array, network: Array, targets: Array, level: float) -> Estimate:
    return paired_examples(primary, simple, network, targets, level=level, resamples=1000)


def rows_to_learn(data: Data) -> int:
    """How many rows the simple models may see, so that they take seconds on any data."""
    if data.modality == "text":
        return MOST_ROWS
    width = min(int(np.prod(data.input_shape)), FEATURES)
    return int(np.clip(VALUES // max(width, 1), LEAST_ROWS, MOST_ROWS))


def simple_predictions(
    data: Data, asked: Array, *, rows: int = LEAST_ROWS, names: tuple[str, ...] = (AVERAGE, LINEAR, NEIGHBOURS)
) -> dict[str, Array]:
    """Decoded predictions of the models `names` for the stored inputs `asked`, after seeing `rows` training rows."""
    train = data.train.take(some(len(data.train), rows, seed=0))
    seen, wanted = _features(data, train.inputs, asked)
    fit = _classify if data.task.kind == "classification" else _regress
    makers = _models(data, min(NEIGHBOUR_COUNT, len(train)))
    return {name: fit(data, makers[name](), seen, train.targets, wanted) for name in names}


def some(length: int, count: int, *, seed: int) -> Array:
    """At most `count` of `length` positions, drawn with `seed`, in order."""
    if length <= count:
        return np.arange(length)
    return np.sort(np.random.default_rng(seed).choice(length, count, replace=False))


def _models(data: Data, neighbours: int) -> dict[str, Callable[[], Any]]:
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if data.task.kind == "classification":
        return {
            AVERAGE: lambda: DummyClassifier(strategy="prior"),
            LINEAR: lambda: LogisticRegression(max_iter=200),
            NEIGHBOURS: lambda: KNeighborsClassifier(neighbours),
        }
    linear = MultiOutputClassifier(LogisticRegression(max_iter=200))
    return {  # the mean of several labels that are there or not is their probability
        AVERAGE: DummyRegressor,
        LINEAR: lambda: linear if data.task.kind == "multilabel" else RidgeCV(np.logspace(-2, 4, 7)),
        NEIGHBOURS: lambda: KNeighborsRegressor(neighbours),
    }


def _features(data: Data, train: Array, asked: Array) -> tuple[Any, Any]:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    if data.modality == "text":
        return _word_counts(train, asked)
    seen, wanted = (data.preparation.network_input(part).reshape(len(part), -1) for part in (train, asked))
    if seen.shape[1] > FEATURES:
        parts = min(FEATURES, len(seen))
        reduce = PCA(parts, svd_solver="randomized", random_state=0).fit(seen)
        seen, wanted = reduce.transform(seen), reduce.transform(wanted)
    scale = StandardScaler().fit(seen)
    return scale.transform(seen), scale.transform(wanted)


def _word_counts(train: Array, asked: Array) -> tuple[Any, Any]:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer

    words = int(max(train.max(initial=0), asked.max(initial=0))) + 1

    def counts(tokens: Array) -> Any:
        row, column = np.nonzero(tokens > 1)  # 0 is padding, 1 unknown
        return csr_matrix((np.ones(len(row)), (row, tokens[row, column])), shape=(len(tokens), words))

    weigh = TfidfTransformer().fit(counts(train))
    return weigh.transform(counts(train)), weigh.transform(counts(asked))


def _classify(data: Data, model: Any, seen: Any, targets: Array, asked: Any) -> Array:
    probabilities = np.zeros((asked.shape[0], data.task.outputs))
    with warnings.catch_warnings():  # a baseline that has not fully converged is still a baseline
        warnings.simplefilter("ignore")
        probabilities[:, np.unique(targets)] = model.fit(seen, targets).predict_proba(asked)
    return probabilities


def _regress(data: Data, model: Any, seen: Any, targets: Array, asked: Any) -> Array:
    if hasattr(model, "estimator"):  # one classifier for each label
        return _labels(model, seen, targets, asked)
    predicted = model.fit(seen, targets).predict(asked)
    return predicted.reshape(len(predicted), -1)[:, 0] if data.task.outputs == 1 else predicted


def _labels(model: Any, seen: Any, targets: Array, asked: Array) -> Array:
    """Probability of each label; one that all training rows have, or none, needs no model."""
    found = np.tile(targets.astype(float).mean(0), (asked.shape[0], 1))
    varied = [i for i in range(targets.shape[1]) if len(np.unique(targets[:, i])) > 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = model.fit(seen, targets[:, varied].astype(int)).predict_proba(asked) if varied else []
    for i, part in zip(varied, parts, strict=True):
        found[:, i] = part[:, 1]
    return found
