"""A few of many rows, spread over all of them."""

import numpy as np

__all__ = ["spaced"]


def spaced(length: int, count: int) -> np.ndarray:
    """At most `count` positions from 0 to `length - 1`, evenly spaced, so that sorted rows give more than one kind.

    Example:
        >>> spaced(10, 4).tolist(), spaced(2, 4).tolist()
        ([0, 3, 6, 9], [0, 1])
    """
    return np.unique(np.linspace(0, length - 1, min(count, length)).astype(int))
