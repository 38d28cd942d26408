"""The temperature that makes class probabilities fit how often they are right."""

import math

import numpy as np

from burnish.errors import UsageError

__all__ = ["optimal_temperature"]

Array = np.ndarray
LIMIT = 20.0  # temperatures are looked for between 1 / LIMIT and LIMIT


def optimal_temperature(logits: Array, targets: Array) -> float:
    """The temperature that minimizes the log loss of `softmax(logits / temperature)`; above 1 for overconfidence.

    The log loss is convex in the inverse temperature, so the minimum is found by bounded search on it.

    Args:
        logits: Network outputs `(n, classes)`.
        targets: Class indices `(n,)`.

    Raises:
        UsageError: a logit is not finite.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
    """
    if not np.isfinite(logits).all():
        raise UsageError("the outputs are not all finite, so no temperature fits; look at the training loss first")
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    table = np.asarray(logits, dtype=np.float64)
    chosen = table[np.arange(len(targets)), targets]

    def loss(log_inverse: float) -> float:
        inverse = math.exp(log_inverse)
        return float((logsumexp(table * inverse, axis=1) - chosen * inverse).mean())

    found = minimize_scalar(loss, bounds=(-math.log(LIMIT), math.log(LIMIT)), method="bounded")
    return math.exp(-found.x)
