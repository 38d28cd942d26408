"""The temperature that makes class probabilities fit how often they are right."""

import math
from typing import Any

import numpy as np

from burnish.errors import UsageError
from burnish.evaluation.cross_fit import halves
from burnish.evaluation.paired import paired_examples
from burnish.metrics import METRICS
from burnish.tasks import Task

__all__ = ["crossfit_temperature", "optimal_temperature", "tempered"]

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


def tempered(logits: Array, targets: Array, task: Task, *, seed: int = 0) -> Array:
    """Probabilities of which each half of the rows has the temperature fitted on the other."""
    answers = np.empty(logits.shape)
    first, second = halves(targets, task, seed=seed)
    for fitted_on, answered in ((first, second), (second, first)):
        answers[answered] = task.decode(logits[answered] / optimal_temperature(logits[fitted_on], targets[fitted_on]))
    return answers


def crossfit_temperature(logits: Array, targets: Array, task: Task, *, seed: int = 0) -> dict[str, Any]:
    """What a fitted temperature brings in log loss, each half of the rows with the one fitted on the other.

    Returns:
        `temperature` (fitted on all rows, the one to ship), `gain` (paired estimate), and `accepted` (whether its lower
        end is above zero).
    """
    answers = tempered(logits, targets, task, seed=seed)
    gain = paired_examples(METRICS["log_loss"], task.decode(logits), answers, targets, seed=seed)
    return {
        "temperature": optimal_temperature(logits, targets),
        "gain": gain,
        "accepted": gain.low is not None and gain.low > 0,
    }
