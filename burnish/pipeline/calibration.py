"""Training rows that the ranges of int8 are fixed on: one choice for all that quantizes."""

import numpy as np

from burnish.data import Data

__all__ = ["calibration_inputs"]

ROWS = 256


def calibration_inputs(data: Data) -> np.ndarray:
    """Network inputs of at most 256 training rows, evenly spaced."""
    return data.preparation.network_input(data.train.inputs_of(ROWS))
