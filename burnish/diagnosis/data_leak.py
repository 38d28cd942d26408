"""D1: a column, a word or a pixel that gives the answer away all by itself."""

from typing import Any

import numpy as np

from burnish.data.data import Data
from burnish.diagnosis.batches import some_rows
from burnish.diagnosis.features import embedded
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check", "column_values", "feature_power", "token_power"]

Array = np.ndarray
ROWS, LEAST_ROWS, BINS, LEAST_IN_BIN, AROUND = 5000, 100, 64, 4, 4
SHOWN = 10
RULE = Rule(
    id="D1",
    title="label leak",
    source="deepchecks, Feature Label Correlation (predictive power above 0.8); Kaufman et al., KDD 2011",
    remedies=(
        "ask whether it is known before the answer is; if not, remove it",
        "then train again: the score so far is not to be believed",
    ),
    chance=0.9,
)


def check(subject: Subject) -> Finding:
    """Largest predictive power of a single feature: how far it alone goes from knowing nothing to perfect answers."""
    data, limit = subject.data, subject.thresholds.leak_power
    train, validation = some_rows(data.train, ROWS), some_rows(data.validation, ROWS)
    if min(len(train), len(validation)) < LEAST_ROWS // 2:
        return RULE.cannot_tell(f"{len(train)} training and {len(validation)} validation rows are too few.")
    if data.modality == "text":
        found = token_power(subject, train, validation) if subject.is_classification else {}
    else:
        found = _by_column(data, feature_power(subject, train, validation))
    if not found:
        return RULE.cannot_tell("there is no single feature to look at.")
    names = sorted(found, key=lambda name: -found[name])
    best = found[names[0]]
    said = f"{names[0]!r} alone goes {best:.0%} of the way from knowing nothing to perfect answers"
    if len(names) > 1:
        said += f"; next is {names[1]!r} with {found[names[1]]:.0%}"
    shown = names[:SHOWN]
    figure = {"kind": "bars", "labels": shown, "values": [found[n] for n in shown], "unit": "predictive power"}
    tell = RULE.judge(best > limit)
    lost = (best, "of the answer, which may be given away")
    return tell(best, limit, said + ".", lost=lost, figure=figure, features=[n for n in names if found[n] > limit])


def feature_power(subject: Subject, train: Any, validation: Any) -> Array:
    """For each feature the share of the error of knowing nothing that it takes off by itself on validation rows.

    A feature of few values answers for each with the most frequent class, or the mean, of its training rows; one of
    many values is cut into bins first, or, for values to predict, asks the eight rows around.
    """
    seen, asked = (column_values(subject.data, part.inputs) for part in (train, validation))
    table = subject.data.task.encode(train.targets), subject.data.task.encode(validation.targets)
    return np.array([_power(subject, seen[:, k], asked[:, k], *table) for k in range(seen.shape[1])])


def column_values(data: Data, stored: Array) -> Array:
    """Features `(n, columns)`, one-hot blocks joined into the number of their category."""
    values = embedded(data, stored)
    if data.modality != "table" or not data.preparation.columns:
        return values
    columns = []
    for column, places in zip(data.preparation.columns, data.preparation.feature_groups, strict=True):
        block = values[:, list(places)]
        if column.kind == "category":
            columns.append(np.where(block.max(1) > 0.5, block.argmax(1), -1).astype(float))
        else:
            columns.append(np.where(block[:, -1] > 0.5, np.inf, block[:, 0]) if column.missing else block[:, 0])
    return np.stack(columns, axis=1)


def _power(subject: Subject, seen: Array, asked: Array, targets: Array, wanted: Array) -> float:
    levels, many = np.unique(seen), min(BINS, len(seen) // LEAST_IN_BIN)
    if len(levels) < 2:
        return 0.0
    if len(levels) > many:
        if not subject.is_classification:
            return _power_of_neighbours(seen, asked, targets, wanted)
        levels = np.unique(np.quantile(seen[np.isfinite(seen)], np.linspace(0, 1, many + 1)[:-1]))
    bins, places = (np.searchsorted(levels, part, side="right") for part in (seen, asked))
    if subject.is_classification:
        counts = np.zeros((len(levels) + 1, subject.data.task.outputs))
        np.add.at(counts, (bins, targets), 1)
        often = counts.sum(0).argmax()
        counts[:, often] += 0.5  # an empty bin answers with the most frequent class
        wrong, nothing = (counts.argmax(1)[places] != wanted).mean(), (wanted != often).mean()
        return float(1 - wrong / nothing) if nothing > 0 else 0.0
    targets, wanted = targets.reshape(len(targets), -1), wanted.reshape(len(wanted), -1)
    sizes = np.bincount(bins, minlength=len(levels) + 1)
    sums = np.zeros((len(levels) + 1, targets.shape[1]))
    np.add.at(sums, bins, targets)
    means = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], targets.mean(0))
    return _explained(means[places], wanted, targets)


def _power_of_neighbours(seen: Array, asked: Array, targets: Array, wanted: Array) -> float:
    """The mean of the eight training rows around each value."""
    targets, wanted = targets.reshape(len(targets), -1), wanted.reshape(len(wanted), -1)
    order = np.argsort(seen, kind="stable")
    sums = np.concatenate([np.zeros((1, targets.shape[1])), np.cumsum(targets[order], axis=0, dtype=np.float64)])
    place = np.searchsorted(seen[order], asked)
    low, high = np.clip(place - AROUND, 0, len(seen)), np.clip(place + AROUND, 0, len(seen))
    return _explained((sums[high] - sums[low]) / np.maximum(high - low, 1)[:, None], wanted, targets)


def _explained(answers: Array, wanted: Array, targets: Array) -> float:
    """Share of the root mean square error of the mean that the answers take off."""
    wrong, nothing = (np.sqrt(np.square(part - wanted).mean()) for part in (answers, targets.mean(0)))
    return float(1 - wrong / nothing) if nothing > 0 else 0.0


def token_power(subject: Subject, train: Any, validation: Any) -> dict[str, float]:
    """For words that stand in at least 2 % of the texts: how well the word stands for one class, as F1 on validation.

    A word that is in all texts of a class and in no other has 1. A class's frequent words have much less.
    """
    data, classes = subject.data, subject.data.task.outputs
    words, least = data.preparation.vocabulary, subject.thresholds.token_share * len(train)
    there, held = _present(train.inputs, len(words)), _present(validation.inputs, len(words))
    frequent = np.flatnonzero(np.asarray(there.sum(0)).ravel() >= max(least, 5))
    frequent = frequent[frequent > 1]
    if not len(frequent):
        return {}
    one_hot, other = np.eye(classes)[train.targets], np.eye(classes)[validation.targets]
    chosen = (there[:, frequent].T @ one_hot).argmax(1)  # the class the word stands for, by training rows
    hits = np.asarray(held[:, frequent].T @ other)
    right, uses = hits[np.arange(len(frequent)), chosen], hits.sum(1)
    support = other.sum(0)[chosen]
    f1 = 2 * right / np.maximum(uses + support, 1)
    guess = other.sum(0) / len(other)  # F1 of always saying that class
    base = 2 * guess[chosen] / (1 + guess[chosen])
    power = (f1 - base) / np.maximum(1 - base, 1e-9)
    return {words[t]: float(p) for t, p in zip(frequent, power, strict=True)}


def _present(tokens: Array, words: int) -> Any:
    from scipy.sparse import csr_matrix

    row, column = np.nonzero(tokens > 1)
    table = csr_matrix((np.ones(len(row), dtype=np.float32), (row, tokens[row, column])), shape=(len(tokens), words))
    table.data[:] = 1.0
    return table


def _by_column(data: Data, power: Array) -> dict[str, float]:
    if data.modality == "table" and data.preparation.columns:
        names = [column.name for column in data.preparation.columns]
    else:
        names = [f"place {k}" for k in range(len(power))]
    return {name: float(value) for name, value in zip(names, power, strict=True)}
