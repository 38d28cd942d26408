"""Who goes where: the user's parts divided into pool and sealed test, capped and checked, nothing prepared yet."""

from dataclasses import dataclass, replace

import numpy as np

from burnish.data.raw import Options, Parts, Raw
from burnish.data.splits import Scheme, first_split, subsample
from burnish.data.targets import order_classes
from burnish.errors import DataError

__all__ = ["LEAST_ROWS", "Pieces", "capped", "check_rows", "divided"]

Array = np.ndarray
LEAST_ROWS = 10  # for training and validation together


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Rows of the user's parts, once divided: the pool, what of it is which, and the test part."""

    pool: Raw
    targets: Array
    train_rows: Array
    validation_rows: Array
    test: Raw | None
    test_targets: Array
    scheme: Scheme


def divided(parts: Parts, encoded: dict[str, Array], options: Options) -> Pieces:
    """Pool and test of `parts`, with `encoded` targets for `training`, `validation` and `test`.

    Raises:
        DataError: a class or the whole has too few rows.
    """
    train, targets = parts.train, encoded["training"]
    scheme = _scheme(parts)
    if parts.test is not None:
        train.check_like(parts.test, "test")
    if parts.validation is not None:
        return _with_validation(parts, encoded, options)
    own_validation, own_test = _shares(parts, options)
    _check_countable(targets, parts)
    train_rows, validation_rows, test_rows = first_split(
        targets, validation=own_validation, test=own_test, scheme=scheme, seed=options.seed
    )
    if parts.test is not None:
        return Pieces(train, targets, train_rows, validation_rows, parts.test, encoded["test"], scheme)
    return _without_test(train, targets, train_rows, validation_rows, test_rows, scheme)


def _without_test(
    raw: Raw, targets: Array, train_rows: Array, validation_rows: Array, test_rows: Array, scheme: Scheme
) -> Pieces:
    """Take the test rows out of the pool."""
    kept = np.sort(np.concatenate([train_rows, validation_rows]))
    place = np.searchsorted(kept, train_rows), np.searchsorted(kept, validation_rows)
    test = raw.take(test_rows) if len(test_rows) else None
    return Pieces(raw.take(kept), targets[kept], *place, test, targets[test_rows], scheme.take(kept))


def _with_validation(parts: Parts, encoded: dict[str, Array], options: Options) -> Pieces:
    """The user's validation rows stay what they are; a test set is split from training only when asked for."""
    assert parts.validation is not None
    train, targets, test = parts.train, encoded["training"], parts.test
    test_targets = encoded.get("test", targets[:0])
    if test is None and options.test:
        _, _, sealed = first_split(targets, validation=1, test=options.test, scheme=Scheme(), seed=options.seed)
        rows = np.setdiff1d(np.arange(len(targets)), sealed)
        test, test_targets = train.take(sealed), targets[sealed]
        train, targets = train.take(rows), targets[rows]
    pool = train.joined(parts.validation, "validation")
    n = len(train)
    both = np.concatenate([targets, encoded["validation"]])
    return Pieces(pool, both, np.arange(n), np.arange(n, len(both)), test, test_targets, Scheme(kind="fixed"))


def _scheme(parts: Parts) -> Scheme:
    if parts.train.groups is not None:
        numbers = np.unique(parts.train.groups, return_inverse=True)[1]
        return Scheme(kind="grouped", groups=numbers.astype(np.int64))
    if parts.train.times is not None:
        return Scheme(kind="timed", times=parts.train.times)
    return Scheme()


def _shares(parts: Parts, options: Options) -> tuple[float | int, float | int]:
    """How much goes to validation and test."""
    validation = parts.shares[0] if options.validation is None else options.validation
    test = parts.shares[1] if options.test is None else options.test
    return validation, 0 if parts.test is not None else test


def _check_countable(targets: Array, parts: Parts) -> None:
    if targets.dtype.kind != "i" or targets.ndim == 2:
        return
    counts = np.bincount(targets)
    if counts.min() < 2:
        values, names = order_classes(parts.train.targets, parts.train.names)
        rare = [name for name, count in zip(names, counts, strict=True) if count < 2]
        raise DataError(
            f"{len(rare)} of {len(names)} classes have a single example: {', '.join(map(repr, rare[:5]))}; "
            "training and validation need one each: leave these classes out, merge them or bring more"
        )


def capped(pieces: Pieces, options: Options) -> tuple[Pieces, list[str]]:
    """At most `max_rows` rows in the pool, training and validation in proportion."""
    n, most = len(pieces.targets), options.max_rows
    if most is None or n <= most:
        return pieces, []
    n_validation = max(1, round(most * len(pieces.validation_rows) / n))
    train = subsample(pieces.train_rows, pieces.targets, most - n_validation, options.seed)
    validation = subsample(pieces.validation_rows, pieces.targets, n_validation, options.seed)
    smaller = _without_test(pieces.pool, pieces.targets, train, validation, train[:0], pieces.scheme)
    note = f"{most} of {n} rows for training and validation used (max_rows)"
    return replace(smaller, test=pieces.test, test_targets=pieces.test_targets), [note]


def check_rows(pieces: Pieces, kind: str, classes: tuple[str, ...]) -> None:
    """Refuse too few rows, and training rows that lack a class."""
    if len(pieces.targets) < LEAST_ROWS:
        raise DataError(f"{len(pieces.targets)} rows for training and validation; at least {LEAST_ROWS} are needed")
    train = pieces.targets[pieces.train_rows]
    if kind == "multilabel":
        lacking = [str(number) for number in np.flatnonzero(train.max(0) == train.min(0))]
        total, what = train.shape[1], "labels (or have nothing else)"
    elif kind == "classification":
        lacking = [name for i, name in enumerate(classes) if i not in np.unique(train)]
        total, what = len(classes), "classes"
    else:
        return
    if lacking:
        raise DataError(
            f"the training rows lack {len(lacking)} of {total} {what}: {', '.join(map(repr, lacking[:5]))}; "
            "with groups, times or max_rows, check that each of them occurs in training"
        )
