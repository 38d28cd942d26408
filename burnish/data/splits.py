"""Which rows are trained on, selected on and sealed: first splits and their replicates. numpy only.

Everything here is a pure function of its arguments: the same seed gives the same rows on every machine.
"""

from dataclasses import dataclass

import numpy as np

from burnish.errors import DataError

__all__ = ["Scheme", "first_split", "resplit", "strata", "subsample"]

Array = np.ndarray
KINDS = ("resample", "fixed", "grouped", "timed")
TRIES = 32  # shuffles of the groups among which the best-balanced one is taken


@dataclass(frozen=True, eq=False)
class Scheme:
    """How replicates of a split may be drawn.

    Attributes:
        kind: `resample` reshuffles training and validation rows; `fixed` keeps the user's validation rows and
            bootstraps the training rows; `grouped` moves whole groups; `timed` moves the origin in time.
        groups: `(n,)` group of each row of the pool, for `grouped`.
        times: `(n,)` sortable time of each row of the pool, for `timed`.
        stratify: Keep the shares of the classes where targets are integers.
    """

    kind: str = "resample"
    groups: Array | None = None
    times: Array | None = None
    stratify: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown split scheme {self.kind!r}; one of {', '.join(KINDS)}")
        needed = {"grouped": self.groups, "timed": self.times}
        if self.kind in needed and needed[self.kind] is None:
            raise ValueError(f"a {self.kind} scheme needs one value of its column for each row")

    def take(self, rows: Array) -> "Scheme":
        """The scheme of the pool `pool[rows]`."""
        groups = None if self.groups is None else self.groups[rows]
        times = None if self.times is None else self.times[rows]
        return Scheme(kind=self.kind, groups=groups, times=times, stratify=self.stratify)


def first_split(
    targets: Array, *, validation: float | int, test: float | int, scheme: Scheme, seed: int
) -> tuple[Array, Array, Array]:
    """Rows for training, validation and test, each sorted.

    Args:
        targets: `(n,)` or `(n, k)`; integers are stratified.
        validation: Fraction of all rows below 1, or number of rows; at least one row.
        test: The same for the test rows; 0 for none.
        scheme: `resample`, `grouped` or `timed`. In `timed`, training comes before validation, which comes before test.
        seed: Decides the split (but for `timed`, where time does).

    Raises:
        DataError: nothing would be left to train on.
    """
    n = len(targets)
    n_test, n_validation = _size(test, n, least=0), _size(validation, n, least=1)
    if n - n_test - n_validation < 1:
        raise DataError(
            f"{n} rows cannot give {n_validation} for validation and {n_test} for test and still train: "
            "ask for less or bring more rows"
        )
    rng, everything, targets = _generator(seed), np.arange(n), strata(targets)
    pool, sealed = _divide(everything, targets, n_test, scheme, rng, keep=2)
    train, held = _divide(pool, targets, n_validation, scheme, rng, keep=1)
    return train, held, sealed


def resplit(
    scheme: Scheme, targets: Array, train_rows: Array, validation_rows: Array, seed: int
) -> tuple[Array, Array]:
    """Another split of the same pool, of the same sizes where the scheme allows: `(train_rows, validation_rows)`.

    A `fixed` scheme leaves validation alone and draws the training rows with replacement (every class stays in).
    A `timed` one moves the origin back by up to half of the training rows; validation stays later than training.
    """
    rng, targets = _generator(seed), strata(targets)
    if scheme.kind == "fixed":
        return _bootstrap(train_rows, targets, scheme, rng), validation_rows
    union = np.sort(np.concatenate([train_rows, validation_rows]))
    if scheme.kind == "timed":
        return _rolling_origin(union, scheme, len(train_rows), len(validation_rows), rng)
    return _divide(union, targets, len(validation_rows), scheme, rng, keep=1)


def subsample(rows: Array, targets: Array, size: int, seed: int) -> Array:
    """`size` of `rows`, sorted, with the classes' shares kept where targets are integers."""
    if size >= len(rows):
        return np.sort(rows)
    return _stratified(rows, strata(targets), size, _generator(seed), keep=0)[1]


def strata(targets: Array) -> Array:
    """What shares are kept of: classes; of examples with several labels the rarest one each has, or none.

    Example:
        >>> strata(np.array([[1, 1], [1, 0], [0, 0]])).tolist()
        [1, 0, 2]
    """
    if targets.ndim != 2 or targets.dtype.kind not in "iu":
        return targets
    rarity = np.where(targets > 0, targets.sum(0)[None], len(targets) + 1)
    return np.where(targets.any(1), rarity.argmin(1), targets.shape[1])


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _size(asked: float | int, n: int, *, least: int) -> int:
    if asked < 0 or (isinstance(asked, float) and asked >= 1 and not asked.is_integer()):
        raise DataError(f"a split of {asked!r} makes no sense: give a fraction below 1 or a number of rows")
    return max(least, round(asked * n) if asked < 1 else int(asked))


def _divide(
    rows: Array, targets: Array, size: int, scheme: Scheme, rng: np.random.Generator, *, keep: int
) -> tuple[Array, Array]:
    if size == 0:
        return np.sort(rows), rows[:0]
    if scheme.kind == "timed" and scheme.times is not None:
        ordered = rows[np.argsort(scheme.times[rows], kind="stable")]
        cut = _before_tie(scheme.times[ordered], len(rows) - size)
        return np.sort(ordered[:cut]), np.sort(ordered[cut:])
    if scheme.kind == "grouped" and scheme.groups is not None:
        return _by_group(rows, targets, size, scheme.groups, rng)
    if scheme.stratify and _classes(targets):
        return _stratified(rows, targets, size, rng, keep=keep)
    shuffled = rng.permutation(rows)
    return np.sort(shuffled[size:]), np.sort(shuffled[:size])


def _classes(targets: Array) -> bool:
    return targets.ndim == 1 and np.issubdtype(targets.dtype, np.integer)


def _stratified(rows: Array, targets: Array, size: int, rng: np.random.Generator, *, keep: int) -> tuple[Array, Array]:
    """Cut `size` rows off: per class in proportion, at least one where more than `keep` rows are there.

    Every row gets a place between 0 and 1 inside its class; the smallest places of all classes are cut off.
    """
    shuffled = rng.permutation(rows)
    if not _classes(targets):
        return np.sort(shuffled[size:]), np.sort(shuffled[:size])
    places = np.empty(len(shuffled))
    labels = targets[shuffled]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place = (np.arange(len(members)) + rng.random()) / len(members)
        if len(members) > keep:
            place[0] = -1  # these leave first, so the smaller part sees every class that has rows to spare
        if keep:  # these leave last, so the larger part sees every class; no class gives two before all gave one
            place[-keep:] = 2 + np.arange(keep)[-len(members) :]
        places[members] = place
    order = np.argsort(places, kind="stable")
    return np.sort(shuffled[order[size:]]), np.sort(shuffled[order[:size]])


def _by_group(rows: Array, targets: Array, size: int, groups: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Cut whole groups off, about `size` rows: the best-balanced of some shuffles."""
    _, member = np.unique(groups[rows], return_inverse=True)
    counts = np.bincount(member)
    if len(counts) < 2:
        raise DataError("a grouped split needs at least two groups; the group column has one value")
    best: tuple[float, Array] | None = None
    for _ in range(TRIES):
        order = rng.permutation(len(counts))
        total = np.cumsum(counts[order])
        many = 1 + int(np.argmin(np.abs(total[:-1] - size)))
        cut = np.isin(member, order[:many])
        cost = abs(int(cut.sum()) - size) / size + _imbalance(targets[rows], cut)
        if best is None or cost < best[0]:
            best = (cost, cut)
    assert best is not None
    return np.sort(rows[~best[1]]), np.sort(rows[best[1]])


def _imbalance(targets: Array, cut: Array) -> float:
    """Distance of the class shares in both parts; much more when a class is left out of training."""
    if not _classes(targets):
        return 0.0
    _, labels = np.unique(targets, return_inverse=True)
    inside = np.bincount(labels[cut], minlength=labels.max() + 1)
    outside = np.bincount(labels[~cut], minlength=labels.max() + 1)
    distance = np.abs(inside / inside.sum() - outside / outside.sum()).sum()
    return float(distance + 10 * (outside == 0).sum())


def _before_tie(ordered_times: Array, cut: int) -> int:
    """`cut` moved to where time changes, so that equal times stay on one side; back first, else forward."""
    changes = 1 + np.flatnonzero(ordered_times[1:] != ordered_times[:-1])
    if not len(changes):
        raise DataError("a split in time needs at least two different times; the time column has one value")
    earlier = changes[changes <= cut]
    return int(earlier[-1] if len(earlier) else changes[0])


def _rolling_origin(
    union: Array, scheme: Scheme, n_train: int, n_validation: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    assert scheme.times is not None
    ordered = union[np.argsort(scheme.times[union], kind="stable")]
    origin = int(rng.integers(max(1, n_train // 2), n_train + 1))
    cut = _before_tie(scheme.times[ordered], origin)
    return np.sort(ordered[:cut]), np.sort(ordered[cut : cut + n_validation])


def _bootstrap(rows: Array, targets: Array, scheme: Scheme, rng: np.random.Generator) -> Array:
    drawn = rng.choice(rows, size=len(rows), replace=True)
    if scheme.stratify and _classes(targets):
        lost = np.setdiff1d(targets[rows], targets[drawn])
        places = rng.permutation(len(drawn))[: len(lost)]
        for label, place in zip(lost, places, strict=True):
            drawn[place] = rng.choice(rows[targets[rows] == label])
    return np.sort(drawn)
