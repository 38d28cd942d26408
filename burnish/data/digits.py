"""Handwritten digits that ship with scikit-learn: 1,797 grey images of 8 x 8 with values from 0 to 16.

Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
"""

import numpy as np

from burnish.data.raw import Parts, Raw

__all__ = ["TEST", "VALIDATION", "read_digits"]

VALIDATION, TEST = 700, 797  # what remains, 300 images, is little enough for techniques to matter


def read_digits() -> Parts:
    """All 1,797 images as `(n, 8, 8, 1)` uint8 with their class."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    inputs = images.reshape(-1, 8, 8, 1).astype(np.uint8)
    names = tuple(map(str, range(10)))
    raw = Raw(
        inputs=inputs,
        targets=labels.astype(np.int64),
        kind="array",
        modality="image",
        task="classification",
        names=names,
        columns=("digit",),
    )
    return Parts(train=raw, name="digits", shares=(VALIDATION, TEST))
