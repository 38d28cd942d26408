"""Which rows are the same, exactly or nearly: a signature for each modality.

Images: a perceptual fingerprint (a small picture without brightness and contrast) finds candidates, the finer details
of both decide. Small images and series: the distance. Texts: most three-word shingles of one lie in the other. Tables:
rows equal after rounding.
"""

import hashlib
from typing import Any

import numpy as np

from burnish.data.data import Data
from burnish.diagnosis.features import embedded, pooled

__all__ = ["exact_keys", "fingerprints", "near_matches"]

Array = np.ndarray
CLOSE = 0.13  # of the median distance of rows at random (cleanlab, near duplicates)
LEAST_SIDE, DETAIL_SIDE, BLUR = 16, 16, 2.0
CANDIDATES, SIMILAR = 6, 0.85  # rows with the likeliest fingerprint, and the correlation from which on they are asked
SAME, USUAL = 0.8, 0.6  # least correlation of the details, and most of the least likely candidate's
BLOCK = 512
SHINGLE, LEAST_WORDS, CONTAINED = 3, 6, 0.8
SURE_WORDS, LEAST_KNOWN = 8, 0.9  # known ones, and their share, that make texts the same although a word is not known
COMMON = 200  # a shingle in more rows than that says nothing
DECIMALS = 2
PAIRS = 2000  # at random, for the median distance


def exact_keys(data: Data, stored: Array) -> list[bytes | None]:
    """A hash of each row's content; None for a text with unknown words and few others, which may be any text."""
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
        Positions in `second` `(len(first),)`, and how far they are from the same: 0 is equal.
    """
    if data.modality == "text":
        return _by_shingles(first, second)
    if data.modality == "table":
        return _by_rounding(data, first, second)
    return _by_pictures(data, first, second)


# -- images and series ------------------------------------------------------------------------------


def _by_pictures(data: Data, first: Array, second: Array) -> tuple[Array, Array]:
    """Large pictures by their details, small ones and series by their distance."""
    if data.modality == "image" and min(data.preparation.input_shape[1:]) >= LEAST_SIDE:
        return _by_details(data, first, second)
    return _by_distance(data, first, second)


def fingerprints(data: Data, stored: Array) -> Array:
    """Unit vectors `(n, 64 x channels)`: a small picture without its brightness and contrast."""
    values = _pictures(data, stored)
    values = values.reshape(len(values), data.preparation.input_shape[0], -1)
    values = (values - values.mean(2, keepdims=True)).reshape(len(values), -1)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def _by_details(data: Data, first: Array, second: Array) -> tuple[Array, Array]:
    """Of the six rows of `second` with the likeliest fingerprint, the one whose details agree, unless all six do.

    Details are what is left of a 16 x 16 picture without its coarse structure. Where many rows agree in them, as
    simple drawings do, that is the kind of picture and no sign of a copy.
    """
    one, two = fingerprints(data, first), fingerprints(data, second)
    count = min(CANDIDATES, len(two))
    places = np.zeros((len(one), count), dtype=int)
    alike = np.zeros((len(one), count), dtype=np.float32)
    for start in range(0, len(one), BLOCK):
        table = one[start : start + BLOCK] @ two.T
        best = np.argpartition(-table, count - 1, axis=1)[:, :count]
        places[start : start + BLOCK], alike[start : start + BLOCK] = best, np.take_along_axis(table, best, axis=1)
    asked = np.flatnonzero((alike >= SIMILAR).any(1))
    match, missing = np.full(len(one), -1), np.full(len(one), np.inf)
    if not len(asked):
        return match, missing
    details, known = _details(data, first[asked]), _details(data, second[places[asked].ravel()])
    agree = np.einsum("nd,nkd->nk", details, known.reshape(len(asked), count, -1))
    agree = np.where(alike[asked] >= SIMILAR, agree, 0.0)
    ordered = np.sort(agree, axis=1)
    best, usual = ordered[:, -1], ordered[:, 0]
    found = (best >= SAME) & (usual <= USUAL)
    match[asked[found]] = places[asked[found], agree[found].argmax(1)]
    missing[asked[found]] = 1 - best[found]
    return match, missing


def _details(data: Data, stored: Array) -> Array:
    """Unit vectors `(n, 256)` of a grey 16 x 16 picture less its blurred self."""
    from scipy.ndimage import gaussian_filter

    parts = []
    for start in range(0, len(stored), BLOCK):
        grey = data.preparation.network_input(stored[start : start + BLOCK]).mean(1)
        for axis in (1, 2):
            grey = pooled(grey, axis, DETAIL_SIDE)
        parts.append(grey - gaussian_filter(grey, (0, BLUR, BLUR)))
    flat = np.concatenate(parts).reshape(len(stored), -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _by_distance(data: Data, first: Array, second: Array) -> tuple[Array, Array]:
    """Rows nearer than 0.13 of the median distance of rows at random; distances relative to that median."""
    one, two = _pictures(data, first), _pictures(data, second)
    usual = max(_usual_distance(one, two), 1e-12)
    match, distance = np.full(len(one), -1), np.full(len(one), np.inf)
    squares = np.square(two).sum(1)
    for start in range(0, len(one), BLOCK):
        part = one[start : start + BLOCK]
        table = squares[None] - 2 * part @ two.T + np.square(part).sum(1)[:, None]
        best = table.argmin(1)
        apart = np.sqrt(np.square(part - two[best]).mean(1)) / usual
        near = apart <= CLOSE
        match[start : start + BLOCK] = np.where(near, best, -1)
        distance[start : start + BLOCK] = np.where(near, apart, np.inf)
    return match, distance


def _pictures(data: Data, stored: Array) -> Array:
    parts = [embedded(data, stored[start : start + 4096]) for start in range(0, len(stored), 4096)]
    return np.concatenate(parts)


def _usual_distance(one: Array, two: Array) -> float:
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, len(one), PAIRS), rng.integers(0, len(two), PAIRS)
    return float(np.median(np.sqrt(np.square(one[i] - two[j]).mean(1))))


# -- texts ------------------------------------------------------------------------------------------


def _blind(tokens: Array) -> Array:
    """Texts with unknown words and too few known ones beside them: different texts may look like that."""
    words, known = (tokens > 0).sum(1), (tokens > 1).sum(1)
    return (known < words) & ((known < SURE_WORDS) | (known < LEAST_KNOWN * words)) | (words == 0)


def _by_shingles(first: Array, second: Array) -> tuple[Array, Array]:
    """Rows of which four fifths of the shingles lie in one row of `second`; short texts are left to exact equality."""
    one, two = _shingles(first), _shingles(second)
    columns = max(one[1].max(initial=0), two[1].max(initial=0)) + 1
    wide, tall = (_sparse(part, n, columns) for part, n in ((one, len(first)), (two, len(second))))
    frequent = np.asarray(tall.sum(0)).ravel() > COMMON
    if frequent.any():
        tall = tall.multiply(~frequent[None, :]).tocsr()
    total = np.maximum((first > 0).sum(1) - SHINGLE + 1, 0)  # those with a word that is not known agree with none
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
    """Row and hash of every run of three known words."""
    parts = [tokens[:, k : tokens.shape[1] - SHINGLE + 1 + k].astype(np.int64) for k in range(SHINGLE)]
    there = np.all([part > 1 for part in parts], axis=0)
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
