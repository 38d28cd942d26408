"""A metric as an object that knows its direction and its scale."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Metric"]

Array = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric as an object that knows its direction.

    Attributes:
        name: As users write it.
        function: `(predictions, targets) -> float`; predictions are probabilities `(n, classes)` or `(n, labels)`,
            or values `(n,)` / `(n, k)`; targets class indices, labels of 0 and 1, or values.
        greater_is_better: Direction.
        bounded: True for scores in [0, 1].
    """

    name: str
    function: Callable[[Array, Array], float]
    greater_is_better: bool = True
    bounded: bool = True

    def __call__(self, predictions: Array, targets: Array) -> float:
        return float(self.function(predictions, targets))

    def gain(self, before: float, after: float) -> float:
        """`after - before`, turned so that positive means better."""
        return after - before if self.greater_is_better else before - after

    def to_scale(self, value: float, n: int) -> float:
        """The response on which effects are additive; larger is better.

        Scores become logits, continuity-corrected by half an example; errors become minus their logarithm.
        """
        if not self.bounded:
            return -float(np.log(max(value, 1e-12))) if not self.greater_is_better else float(value)
        p = (value * n + 0.5) / (n + 1)
        p = p if self.greater_is_better else 1 - p
        return float(np.log(p / (1 - p)))

    def from_scale(self, z: float) -> float:
        """The metric's own value for a response of `to_scale`, the continuity correction apart."""
        if not self.bounded:
            return float(np.exp(-z)) if not self.greater_is_better else float(z)
        p = 1 / (1 + float(np.exp(-z)))
        return p if self.greater_is_better else 1 - p
