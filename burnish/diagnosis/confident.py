"""Confident learning: which labels a network that has not seen them contradicts with confidence.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021,
arXiv:1911.00068, section 3. Written from the paper.
"""

import math

import numpy as np

__all__ = ["anchored_share", "confident_joint", "noise_share", "suspects"]

Array = np.ndarray
FLOORS = np.linspace(0, 0.9, 181)  # shares of wrong labels tried
TEMPERATURES = np.geomspace(0.2, 8.0, 25)
SUREST = 0.2  # of the rows
DROP = 1.353  # half of the 90th percentile of chi square: the profile likelihood's one-sided 95 % bound


def thresholds_of(labels: Array, probabilities: Array) -> Array:
    """For each class the mean probability of it over the examples labelled so; above 1 for a class without examples."""
    found = np.full(probabilities.shape[1], 2.0)
    for c in np.unique(labels):
        found[c] = probabilities[labels == c, c].mean()
    return found


def confident_classes(labels: Array, probabilities: Array) -> Array:
    """For each example the class it confidently is: the likeliest of those at or above their threshold, or -1."""
    above = probabilities >= thresholds_of(labels, probabilities)[None] - 1e-12
    likeliest = np.where(above, probabilities, -1.0).argmax(1)
    return np.where(above.any(1), likeliest, -1)


def confident_joint(labels: Array, probabilities: Array) -> Array:
    """Joint distribution of given and true classes, `(classes, classes)`, summing to 1.

    Counts of examples labelled `i` that confidently are `j`; each row is then scaled to the number of examples
    labelled `i`, and the whole to 1.

    Args:
        labels: Given classes `(n,)`.
        probabilities: Out-of-sample probabilities `(n, classes)`.

    Example:
        >>> sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
        >>> confident_joint(np.array([0, 0, 1, 0]), sure).round(2).tolist()
        [[0.5, 0.25], [0.0, 0.25]]
    """
    classes = probabilities.shape[1]
    found = confident_classes(labels, probabilities)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[found >= 0], found[found >= 0]), 1)
    given = np.bincount(labels, minlength=classes).astype(float)
    empty = (counts.sum(1) == 0) & (given > 0)
    counts[empty, empty] = 1  # nothing confident is known of them: taken as right
    scaled = counts / np.maximum(counts.sum(1, keepdims=True), 1e-12) * given[:, None]
    return scaled / scaled.sum()


def suspects(labels: Array, probabilities: Array, joint: Array) -> Array:
    """Examples to review, the most doubtful first: per pair of classes as many as the joint says, by margin.

    The paper's "prune by noise rate": for every off-diagonal cell the `n x joint[i, j]` examples labelled `i` with the
    largest `p_j - p_i`.
    """
    n = len(labels)
    found: dict[int, float] = {}
    for i, j in zip(*np.nonzero(joint * (1 - np.eye(len(joint)))), strict=True):
        mine = np.flatnonzero(labels == i)
        margin = probabilities[mine, j] - probabilities[mine, i]
        for place in np.argsort(-margin, kind="stable")[: round(n * joint[i, j])]:
            if margin[place] > 0:
                found[int(mine[place])] = max(float(margin[place]), found.get(int(mine[place]), 0.0))
    return np.array(sorted(found, key=lambda k: (-found[k], k)), dtype=int)


def anchored_share(labels: Array, probabilities: Array) -> tuple[float, float]:
    """Share of wrong labels among the fifth of the rows that the model is surest of, and its 95 % lower bound.

    Where a model is sure, hard examples are rare, and what contradicts it is mostly noise: the idea of anchor points
    (Liu and Tao, arXiv:1411.7718). A model that is poor even there overstates it; the bound is Clopper and Pearson's.
    """
    from scipy.stats import beta

    count = max(int(SUREST * len(labels)), 1)
    surest = np.argsort(-probabilities.max(1), kind="stable")[:count]
    wrong = int((probabilities[surest].argmax(1) != labels[surest]).sum())
    low = float(beta.ppf(0.05, wrong, count - wrong + 1)) if wrong else 0.0
    return wrong / count, low


def noise_share(labels: Array, probabilities: Array) -> tuple[float, float]:
    """Share of labels drawn from the other classes at random, and its one-sided 95 % lower bound.

    The given label is taken to be the network's `softmax(z / T)` but for a share `e` that is any other class:
    `(1 - e) p + e (1 - p) / (K - 1)`. Temperature and share are fitted together by maximum likelihood, so that a
    network that is merely too sure, or poor, is not taken for wrong labels; the bound is the profile likelihood's.
    """
    z = np.log(np.clip(probabilities, 1e-9, 1.0))
    best = np.full(len(FLOORS), -math.inf)
    others = probabilities.shape[1] - 1
    for temperature in TEMPERATURES:
        scaled = z / temperature
        scaled = np.exp(scaled - scaled.max(1, keepdims=True))
        p = (scaled / scaled.sum(1, keepdims=True))[np.arange(len(labels)), labels]
        mixed = (1 - FLOORS)[:, None] * p + FLOORS[:, None] * (1 - p) / others
        best = np.maximum(best, np.log(np.maximum(mixed, 1e-300)).sum(1))
    top = int(best.argmax())
    low = int(np.flatnonzero(best >= best[top] - DROP)[0])
    return float(FLOORS[top]), float(FLOORS[low])
