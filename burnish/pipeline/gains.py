"""Paired gains of trained runs, with the variance of the examples they are measured on."""

from pathlib import Path

import numpy as np

from burnish.data import Data
from burnish.studies.confirmation import example_error

__all__ = ["by_examples", "decoded", "examples_se"]

Array = np.ndarray
Decoded = tuple[Array, Array]  # predictions of a run, and the pool rows they belong to


def by_examples(data: Data) -> bool:
    """Whether intervals of a gain add the examples' variance to the replicates' instead of correcting for overlap.

    A fixed validation set needs it. With as many validation as training rows or more, the correction for overlapping
    splits covers 96-100 % instead of 90 %, at three times the width (`benchmarks/experiments/coverage.py`).
    """
    return data.scheme.kind == "fixed" or len(data.validation_rows) >= len(data.train_rows)


def examples_se(data: Data, arms: list[tuple[Decoded, Decoded]]) -> float:
    """Spread over validation examples of the mean paired gain of `arms`, (before, after) for each split."""
    primary = data.task.primary
    rows = [before[1] for before, _ in arms]

    def gain_of(j: int, positions: Array) -> float:
        targets = data.targets[rows[j][positions]]
        before, after = (primary(predictions[positions], targets) for predictions, _ in arms[j])
        return primary.gain(before, after)

    return example_error(rows, gain_of) if arms else 0.0


def decoded(data: Data, directory: Path) -> Decoded:
    """Decoded validation predictions of the run in `directory`, and the pool rows they belong to."""
    with np.load(directory / "predictions.npz") as arrays:
        return data.task.decode(arrays["outputs"]), arrays["rows"]
