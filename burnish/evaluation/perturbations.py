"""What may happen to inputs in use, by modality and on stored rows: corrupted images, typos, gaps, noise.

Severities go from 1 to 5. The strengths for images are published (`corruptions`); those for text, tables and series
are ours, chosen from hardly visible to severe.
"""

import zlib
from collections.abc import Callable

import numpy as np

from burnish.data.preparation import Column, Preparation

__all__ = ["SHARES", "names_for", "perturbed"]

Array = np.ndarray
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)  # of words, cells or time steps, at severities 1 to 5
NOISE = (0.05, 0.1, 0.2, 0.4, 0.8)  # deviation of the noise, in deviations of the feature
PADDING, UNKNOWN = 0, 1
SHORT = 3  # words with fewer letters are left alone
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def names_for(preparation: Preparation) -> tuple[str, ...]:
    """The perturbations that inputs of this kind can suffer."""
    if preparation.modality == "image":
        from burnish.evaluation.corruptions import CORRUPTIONS

        return tuple(CORRUPTIONS)
    if preparation.modality == "text":
        return ("typos", "dropped words")
    if preparation.modality == "series":
        return ("noise", "dropouts")
    kinds = {column.kind for column in preparation.columns}
    found = (("noise", "number" in kinds), ("missing values", True), ("unseen categories", "category" in kinds))
    return tuple(name for name, there in found if there)


def perturbed(
    stored: Array, preparation: Preparation, name: str, severity: int, *, reference: Array, seed: int = 0
) -> Array:
    """Stored rows as they might arrive on a bad day; `stored` itself is not changed.

    Args:
        stored: Rows as `Data` keeps them.
        preparation: How they become network inputs.
        name: One of `names_for(preparation)`.
        severity: From 1 to 5.
        reference: Stored training rows: the range of images, mean and deviation of features.
        seed: Decides what is drawn, together with name and severity.
    """
    if name not in names_for(preparation) or severity not in range(1, 6):
        raise ValueError(f"got {name!r} at severity {severity}; expected {', '.join(names_for(preparation))}, 1 to 5")
    if preparation.modality == "image":
        return _image(stored, preparation, name, severity, reference, seed)
    rng = np.random.default_rng(zlib.crc32(f"{name} {severity} {seed}".encode()))
    if preparation.modality == "text":
        return _TEXT[name](stored, preparation, SHARES[severity - 1], rng)
    if preparation.modality == "series":
        return _SERIES[name](stored, severity, reference, rng)
    return _TABLE[name](stored, preparation, severity, reference, rng)


# -- images -----------------------------------------------------------------------------------------


def _image(stored: Array, preparation: Preparation, name: str, severity: int, reference: Array, seed: int) -> Array:
    """Brought to the range from 0 to 1, corrupted and brought back; whole numbers stay whole."""
    import torch

    from burnish.evaluation.corruptions import corrupt

    low, high = _span(stored, reference)
    channels_first = np.moveaxis(stored, -1, 1) if preparation.channels_last else stored
    scaled = (torch.from_numpy(np.ascontiguousarray(channels_first, dtype=np.float32)) - low) / (high - low)
    values = (corrupt(scaled.clamp(0, 1), name, severity, seed=seed) * (high - low) + low).numpy()
    values = np.rint(values) if stored.dtype == np.uint8 else values
    values = np.moveaxis(values, 1, -1) if preparation.channels_last else values
    return np.ascontiguousarray(values.astype(stored.dtype))


def _span(stored: Array, reference: Array) -> tuple[float, float]:
    """Black and white: 0 and 255 for files, else the ends of what occurs."""
    low, high = (float(end([end(stored), end(reference)])) for end in (np.min, np.max))
    if stored.dtype == np.uint8:
        low, high = 0.0, 255.0 if high > 127 else high
    return low, high if high > low else low + 1.0


# -- texts ------------------------------------------------------------------------------------------


def _typos(stored: Array, preparation: Preparation, share: float, rng: np.random.Generator) -> Array:
    """One slip of the keyboard in a share of the words; most misspelt words are not in the vocabulary."""
    number = {word: i for i, word in enumerate(preparation.vocabulary) if i > UNKNOWN}
    changed = stored.copy()
    for row, column in np.argwhere((stored > UNKNOWN) & (rng.random(stored.shape) < share)):
        token = int(stored[row, column])
        word = preparation.vocabulary[token] if token < len(preparation.vocabulary) else ""
        if len(word) >= SHORT or word.startswith("#"):
            changed[row, column] = number.get(misspelt(word, rng), UNKNOWN)
    return changed


def misspelt(word: str, rng: np.random.Generator) -> str:
    """`word` with two letters swapped, one dropped, doubled or replaced."""
    at, kind = int(rng.integers(0, len(word) - 1)), int(rng.integers(0, 4))
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + LETTERS[int(rng.integers(0, len(LETTERS)))] + word[at + 1 :]


def _dropped_words(stored: Array, preparation: Preparation, share: float, rng: np.random.Generator) -> Array:
    """A share of the words is gone and the others move up; every text keeps one."""
    present = stored != PADDING
    kept = present & (rng.random(stored.shape) >= share)
    first = present.argmax(1)
    kept[np.arange(len(stored)), first] |= ~kept.any(1) & present.any(1)
    order = np.argsort(~kept, axis=1, kind="stable")
    moved = np.take_along_axis(np.where(kept, stored, PADDING), order, axis=1)
    return moved.astype(stored.dtype)


# -- tables -----------------------------------------------------------------------------------------


def _table_noise(
    stored: Array, preparation: Preparation, severity: int, reference: Array, rng: np.random.Generator
) -> Array:
    """Measurement errors on numbers; indicators of missing values and categories stay."""
    changed, spread = stored.copy(), reference.std(0)
    for column, start in _places(preparation):
        noise = rng.normal(size=len(stored)) * NOISE[severity - 1] * spread[start]
        if column.kind == "number":
            changed[:, start] += noise.astype(stored.dtype)
    return changed


def _missing_values(
    stored: Array, preparation: Preparation, severity: int, reference: Array, rng: np.random.Generator
) -> Array:
    """A share of the cells is missing, encoded as the preparation would encode it."""
    changed, mean = stored.copy(), reference.mean(0)
    for column, start in _places(preparation):
        rows = rng.random(len(stored)) < SHARES[severity - 1]
        changed[rows, start : start + column.width] = 0
        if column.kind == "number" and not _standardized(preparation):
            changed[rows, start] = mean[start]
        if column.missing:
            changed[rows, start + column.width - 1] = 1
    return changed


def _unseen_categories(
    stored: Array, preparation: Preparation, severity: int, reference: Array, rng: np.random.Generator
) -> Array:
    """A share of the categories was never seen in training, which is encoded as none of the known ones."""
    changed = stored.copy()
    for column, start in _places(preparation):
        rows = rng.random(len(stored)) < SHARES[severity - 1]
        if column.kind == "category":
            changed[rows, start : start + column.width] = 0
    return changed


def _places(preparation: Preparation) -> list[tuple[Column, int]]:
    return [(c, places[0]) for c, places in zip(preparation.columns, preparation.feature_groups, strict=True)]


def _standardized(preparation: Preparation) -> bool:
    """Whether numbers were standardized on loading; arrays that came prepared were not."""
    return any(column.mean != 0 or column.std != 1 for column in preparation.columns)


# -- series -----------------------------------------------------------------------------------------


def _series_noise(stored: Array, severity: int, reference: Array, rng: np.random.Generator) -> Array:
    spread = reference.std((0, 2), keepdims=True)
    return (stored + rng.normal(size=stored.shape) * NOISE[severity - 1] * spread).astype(stored.dtype)


def _dropouts(stored: Array, severity: int, reference: Array, rng: np.random.Generator) -> Array:
    """One stretch of every series is lost and filled with the channel's mean."""
    length = stored.shape[2]
    lost = max(round(length * SHARES[severity - 1]), 1)
    start = rng.integers(0, length - lost + 1, size=len(stored))[:, None, None]
    at = np.arange(length)[None, None, :]
    gap = (at >= start) & (at < start + lost)
    return np.where(gap, reference.mean((0, 2), keepdims=True), stored).astype(stored.dtype)


_TEXT: dict[str, Callable[..., Array]] = {"typos": _typos, "dropped words": _dropped_words}
_SERIES: dict[str, Callable[..., Array]] = {"noise": _series_noise, "dropouts": _dropouts}
_TABLE: dict[str, Callable[..., Array]] = {
    "noise": _table_noise,
    "missing values": _missing_values,
    "unseen categories": _unseen_categories,
}
