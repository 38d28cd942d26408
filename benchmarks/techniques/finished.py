"""Techniques that are carried out on finished runs, measured on the outputs of the baseline's seeds for the test rows.

What is fitted, a temperature or a threshold, is fitted on one half of the test rows and judged on the other. Ensembles
are of three seeds each, in turn: the first against the first three, the second against the second to fourth, and so on;
members are shared, so these gains vary less than those of ensembles of networks that are new each time.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from burnish.ensembling.combination import Combination
from burnish.errors import NotApplicable
from burnish.evaluation.calibration import tempered
from burnish.evaluation.cross_fit import halves
from burnish.evaluation.thresholds import best_threshold, decided
from burnish.metrics import METRICS, Metric

__all__ = ["FINISHED", "MEMBERS"]

MEMBERS = 3
Array = np.ndarray
Found = tuple[Metric, list[list[Array]]]  # a metric, and for each seed predictions before and after


def temperature(task: Any, outputs: list[Array], targets: Array) -> Found:
    """Log loss with the temperature of the other half.

    Raises:
        NotApplicable: no classes.
    """
    if task.kind != "classification":
        raise NotApplicable("a temperature is for class probabilities")
    return METRICS["log_loss"], [[task.decode(one), tempered(one, targets, task)] for one in outputs]


def threshold(task: Any, outputs: list[Array], targets: Array) -> Found:
    """Macro F1 with the threshold of the other half.

    Raises:
        NotApplicable: not two classes.
    """
    if task.kind != "classification" or task.outputs != 2:
        raise NotApplicable("a threshold is for two classes, or labels of two values each")
    metric, arms = METRICS["f1_macro"], []
    for one in outputs:
        before = task.decode(one)
        after = np.empty(before.shape)
        first, second = halves(targets, task)
        for fitted_on, answered in ((first, second), (second, first)):
            cut = best_threshold(before[fitted_on], targets[fitted_on], metric)
            after[answered] = decided(before[answered], cut)
        arms.append([decided(before, 0.5), after])
    return metric, arms


def ensemble(task: Any, outputs: list[Array], targets: Array) -> Found:
    """The primary metric of the mean answer of three seeds.

    Raises:
        NotApplicable: fewer than three seeds finished.
    """
    if len(outputs) < MEMBERS:
        raise NotApplicable(f"{len(outputs)} seeds finished, fewer than {MEMBERS}")
    tables = [task.decode(one) for one in outputs]
    mean = Combination(method="average", kind=task.kind, weights=(1 / MEMBERS,) * MEMBERS)
    count = len(tables)
    return task.primary, [
        [tables[i], mean.apply(np.stack([tables[(i + k) % count] for k in range(MEMBERS)]))] for i in range(count)
    ]


# What is measured, how it is written, and how many times the cost in use.
FINISHED: dict[str, tuple[Callable[[Any, list[Array], Array], Found], str, int]] = {
    "TemperatureScaling": (temperature, "TemperatureScaling()", 1),
    "Threshold": (threshold, "Threshold()", 1),
    "Ensemble": (ensemble, f"Ensemble(members={MEMBERS}, method='average')", MEMBERS),
}
