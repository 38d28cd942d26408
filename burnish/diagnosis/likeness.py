"""Which rows are the same, exactly or nearly: a signature for each modality.

Images and series: a perceptual hash finds candidates, the distance of small pictures decides. Texts: most three-word
shingles of one lie in the other. Tables: rows equal after rounding.
"""

import hashlib
from typing import Any

import numpy as np

from burnish.data.data import Data
from burnish.diagnosis.features import embedded

__all__ = ["exact_keys", "near_matches", "perceptual_hash"]

Array = np.ndarray
CLOSE = 0.13  # of the median distance of rows at random (cleanlab, near duplicates)
BITS = 8  # of 64, in which the hashes of near duplicates may differ
BLOCK = 512
SHINGLE, LEAST_WORDS, CONTAINED = 3, 6, 0.8
COMMON = 200  # a shingle in more rows than that says nothing
DECIMALS = 2
PAIRS = 2000  # at random, for the median distance


def exact_keys(data: Data, stored: Array) -> list[bytes | None]:
    """A hash of each row's content; None for a text whose words are mostly unknown, which may be any text."""
    keys: list[bytes | None] = []
    for start in range(0, len(stored), BLOCK):
        part = np.ascontiguousarray(stored[start : start + BLOCK])
        blind = _blind(part) if data.modality == "text" else np.zeros(len(part), dtype=bool)
        hashed = (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in part)
        keys += [None if unknown else key for key, unknown in zip(hashed, blind, strict=True)]
    return keys


def near_matches(data: Data, first: Array, second: Array) -> tuple[Array, Array]:
    """For each row of `first` its nearest row of `second` if that is nearly the same, else -1; and how alike they are.

    Args:
        data: Says of which modality the rows are.
        first, second: Stored rows.

    Returns:
        Positions in `second` `(len(first),)`, and distances relative to that of rows at random (texts: the share of
        shingles that are missing).
    """
    if data.modality == "text":
        return _by_shingles(first, second)
    if data.modality == "table":
        return _by_rounding(data, first, second)
    return _by_hash(data, first, second)


def perceptual_hash(pictures: Array) -> Array:
    """64 signs `(n, 64)` of plus and minus one: low frequencies of each row above or below their median.

    The discrete cosine transform of an 8 x 8 picture but for its mean; Zauner, "Implementation and Benchmarking of
    Perceptual Image Hash Functions", 2010.
    """
    from scipy.fft import dctn

    side = round(pictures.shape[1] ** 0.5)
    square = side * side == pictures.shape[1]
    shaped = pictures.reshape(len(pictures), side, side) if square else pictures
    low = dctn(shaped, axes=tuple(range(1, shaped.ndim)), norm="ortho").reshape(len(pictures), -1)
    low[:, 0] = 0  # brightness is no structure
    return np.where(low > np.median(low, axis=1, keepdims=True), 1.0, -1.0).astype(np.float32)


# -- images and series ------------------------------------------------------------------------------


def _by_hash(data: Data, first: Array, second: Array) -> tuple[Array, Array]:
    one, two = (_pictures(data, part) for part in (first, second))
    flat_one, flat_two = (_grey(data, part) for part in (one, two))
    hashes, others = perceptual_hash(flat_one), perceptual_hash(flat_two)
    limit = CLOSE * _usual_distance(one, two)
    match, distance = np.full(len(one), -1), np.full(len(one), np.inf)
    bits = hashes.shape[1]
    for start in range(0, len(one), BLOCK):
        alike = hashes[start : start + BLOCK] @ others.T >= bits - 2 * BITS * bits / 64
        row, column = np.nonzero(alike)
        for at in range(0, len(row), 100_000):  # many flat pictures have the same hash
            i, j = row[at : at + 100_000] + start, column[at : at + 100_000]
            apart = np.sqrt(np.square(one[i] - two[j]).mean(1))
            for place in np.argsort(-apart, kind="stable"):  # the nearest is written last
                if apart[place] <= limit and apart[place] < distance[i[place]]:
                    match[i[place]], distance[i[place]] = j[place], apart[place]
    return match, distance / max(limit / CLOSE, 1e-12)


def _pictures(data: Data, stored: Array) -> Array:
    parts = [embedded(data, stored[start : start + 4096]) for start in range(0, len(stored), 4096)]
    return np.concatenate(parts)


def _grey(data: Data, pictures: Array) -> Array:
    """The mean over the channels, one place after the other."""
    return pictures.reshape(len(pictures), data.preparation.input_shape[0], -1).mean(1)


def _usual_distance(one: Array, two: Array) -> float:
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, len(one), PAIRS), rng.integers(0, len(two), PAIRS)
    return float(np.median(np.sqrt(np.square(one[i] - two[j]).mean(1))))


# -- texts ------------------------------------------------------------------------------------------


def _blind(tokens: Array) -> Array:
    """Texts of which less than half of the words are known, or that have none."""
    words, known = (tokens > 0).sum(1), (tokens > 1).sum(1)
    return 2 * known < np.maximum(words, 1)


def _by_shingles(first: Array, second: Array) -> tuple[Array, Array]:
    """Rows of which four fifths of the shingles lie in one row of `second`; short texts are left to exact equality."""
    one, two = _shingles(first), _shingles(second)
    columns = max(one[1].max(initial=0), two[1].max(initial=0)) + 1
    wide, tall = (_sparse(part, n, columns) for part, n in ((one, len(first)), (two, len(second))))
    frequent = np.asarray(tall.sum(0)).ravel() > COMMON
    if frequent.any():
        tall = tall.multiply(~frequent[None, :]).tocsr()
    total = np.asarray(wide.sum(1)).ravel()
    enough = (total >= LEAST_WORDS - SHINGLE + 1) & ~_blind(first)
    match, missing = np.full(len(first), -1), np.full(len(first), np.inf)
    for start in range(0, len(first), BLOCK):
        shared = (wide[start : start + BLOCK] @ tall.T).tocsr()
        best = np.asarray(shared.max(1).todense()).ravel()
        share = best / np.maximum(total[start : start + BLOCK], 1)
        found = np.flatnonzero(enough[start : start + BLOCK] & (share >= CONTAINED))
        where = np.asarray(shared[found].argmax(1)).ravel() if len(found) else found
        match[start + found], missing[start + found] = where, 1 - share[found]
    return match, missing


def _shingles(tokens: Array) -> tuple[Array, Array]:
    """Row and hash of every run of three known or unknown words."""
    parts = [tokens[:, k : tokens.shape[1] - SHINGLE + 1 + k].astype(np.int64) for k in range(SHINGLE)]
    there = np.all([part > 0 for part in parts], axis=0) & (np.sum([part == 1 for part in parts], axis=0) < 2)
    code = (parts[0] * 1_000_003 + parts[1]) * 1_000_003 + parts[2]
    row, column = np.nonzero(there)
    return row, code[row, column] % 2**22


def _sparse(found: tuple[Array, Array], rows: int, columns: int) -> Any:
    from scipy.sparse import csr_matrix

    table = csr_matrix((np.ones(len(found[0]), dtype=np.float32), found), shape=(rows, columns))
    table.data[:] = 1.0  # a shingle counts once
    return table


# -- tables -----------------------------------------------------------------------------------------


def _by_rounding(data: Data, first: Array, second: Array) -> tuple[Array, Array]:
    """Rows whose standardized values are equal to two decimals."""
    scale = np.maximum(np.concatenate([first, second]).std(0), 1e-12)
    if any(column.mean or column.std != 1 for column in data.preparation.columns):
        scale = np.ones(first.shape[1])  # standardized on loading
    known: dict[bytes, int] = {}
    for place, row in reversed(list(enumerate(np.round(second / scale, DECIMALS) + 0.0))):
        known[row.tobytes()] = place
    match = np.array([known.get(row.tobytes(), -1) for row in np.round(first / scale, DECIMALS) + 0.0], dtype=int)
    return match, np.where(match >= 0, 0.0, np.inf)
