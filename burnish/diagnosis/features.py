"""Rows as a few plain numbers each, for rules that compare rows without any network."""

from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.data.data import Data

__all__ = ["embedded", "last_hidden", "pooled", "simple_features"]

if TYPE_CHECKING:
    from torch import nn

Array = np.ndarray
SIDE, LENGTH, PARTS = 8, 64, 64
HASHED = 4096  # columns of token counts
LEAST_TEXTS = 8  # in which a word has to be


def embedded(data: Data, stored: Array) -> Array:
    """Stored rows as float32 vectors that keep what rows look like: images and series averaged to 64 places a channel.

    Tables are their network inputs; texts have no such form and give token counts, hashed to 4,096 columns.
    """
    if data.modality == "text":
        return np.asarray(token_counts(stored).todense(), dtype=np.float32)
    values = data.preparation.network_input(stored)
    if data.modality == "image":
        return pooled(pooled(values, 2, SIDE), 3, SIDE).reshape(len(values), -1)
    if data.modality == "series":
        return pooled(values, 2, LENGTH).reshape(len(values), -1)
    return values.reshape(len(values), -1)


def token_counts(stored: Array) -> Any:
    """Sparse counts `(n, 4096)` of tokens, padding left out; unknown words are one token."""
    from scipy.sparse import csr_matrix

    row, column = np.nonzero(stored > 0)
    hashed = (stored[row, column].astype(np.int64) * 2654435761 % 2**32) % HASHED
    return csr_matrix((np.ones(len(row), dtype=np.float32), (row, hashed)), shape=(len(stored), HASHED))


def simple_features(data: Data, stored: Array) -> Array:
    """At most 64 standardized numbers for each row, fitted to these rows alone; uses no targets."""
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.preprocessing import StandardScaler

    if data.modality == "text":
        counts = _frequent(token_counts(np.where(stored > 1, stored, 0)))
        counts.data = np.log1p(counts.data)
        parts = min(PARTS, min(counts.shape) - 1)
        values = TruncatedSVD(parts, random_state=0).fit_transform(counts)
    else:
        values = embedded(data, stored)
        if values.shape[1] > PARTS:
            parts = min(PARTS, len(values))
            values = PCA(parts, svd_solver="randomized", random_state=0).fit_transform(values)
    return StandardScaler().fit_transform(values)


def last_hidden(model: "nn.Module", data: Data, stored: Array) -> Array | None:
    """What the last linear layer of the computation is given, `(n, features)`; None for a network without one."""
    from torch import nn

    from burnish.diagnosis.batches import device_of
    from burnish.evaluation.predict import outputs_on

    seen: list[tuple[nn.Module, Any]] = []
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    handles = [m.register_forward_pre_hook(lambda module, given: seen.append((module, given[0]))) for m in layers]
    try:
        outputs_on(model, stored, data.preparation, device=device_of(model))
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        return None
    parts = [given.detach().float().cpu().numpy() for module, given in seen if module is seen[-1][0]]
    found = np.concatenate(parts)
    return found if found.ndim == 2 and len(found) == len(stored) else None


def _frequent(counts: Any) -> Any:
    """The columns in several rows: the vocabulary is that of the training rows, so rare words tell these apart."""
    enough = np.flatnonzero(np.asarray((counts > 0).sum(0)).ravel() >= LEAST_TEXTS)
    return counts[:, enough] if len(enough) > 1 else counts


def pooled(values: Array, axis: int, places: int) -> Array:
    """Means over `places` stretches of `axis`; shorter axes are left alone."""
    length = values.shape[axis]
    if length <= places:
        return values.astype(np.float32)
    starts = np.linspace(0, length, places, endpoint=False).astype(int)
    sums = np.add.reduceat(values, starts, axis=axis, dtype=np.float32)
    sizes = np.diff(np.append(starts, length)).astype(np.float32)
    shape = [1] * values.ndim
    shape[axis] = places
    return sums / sizes.reshape(shape)
