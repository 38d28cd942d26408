"""How much worse a network becomes on inputs as they might arrive: by perturbation, by severity, and against another.

The same perturbed inputs are given to every network, so two of them are compared in pairs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.data.data import Data, Split
from burnish.data.spacing import spaced
from burnish.evaluation.perturbations import names_for, perturbed
from burnish.evaluation.quality import percentiles
from burnish.metrics import Metric
from burnish.records import Estimate
from burnish.tasks import Task

__all__ = [
    "PERTURBED",
    "Errors",
    "error_of",
    "example_errors",
    "perturbation_errors",
    "perturbed_score",
    "robustness",
    "rows_for",
]

Array = np.ndarray
ROWS = 500  # examples that are perturbed
LEAST_ROWS = 100
OPERATIONS = 2e11  # multiply-accumulates that one network may cost for all its perturbed inputs
REFERENCE = 2000  # training rows that range and deviations are taken from
GLANCE_ROWS = (32, 128)  # examples that `perturbed_score` takes, the fewer the larger they are
GLANCE_VALUES = 1 << 20  # numbers in them


@dataclass(frozen=True, kw_only=True, eq=False)
class Errors:
    """Errors of one network on the same examples, clean and perturbed.

    Attributes:
        names: Perturbations.
        severities: Severities, from 1 to 5.
        clean: Error of each example as it is, `(n,)`.
        values: Error of each example perturbed, `(perturbations, severities, n)`.
        root: Whether the error of many is the root of the mean (values), not the mean (shares).
    """

    names: tuple[str, ...]
    severities: tuple[int, ...]
    clean: Array
    values: Array
    root: bool


def rows_for(operations: int | None, passes: int = 41) -> int:
    """How many examples to perturb for a network of `operations` multiply-accumulates an example.

    Counted in operations, not in seconds, so that the same examples are taken on every machine.
    """
    return int(np.clip(OPERATIONS / (passes * max(operations or 1, 1)), LEAST_ROWS, ROWS))


def perturbation_errors(
    outputs: Callable[[Array], Array],
    data: Data,
    split: Split | None = None,
    *,
    names: Iterable[str] | None = None,
    severities: Iterable[int] = (1, 2, 3, 4, 5),
    rows: int = ROWS,
    seed: int = 0,
) -> Errors:
    """Errors of a network on perturbed examples.

    Args:
        outputs: Stored inputs -> network outputs `(n, outputs)`, of a module or an exported file.
        data: Gives task, preparation and the training rows that perturbations are scaled by.
        split: Examples to perturb; validation by default.
        names: Perturbations; all that suit the modality by default.
        severities: Severities of each.
        rows: At most so many examples, evenly spaced.
        seed: Decides the perturbations.

    Example:
        >>> from burnish.data import load
        >>> data = load("digits")
        >>> blind = lambda stored: np.zeros((len(stored), 10))
        >>> found = perturbation_errors(blind, data, names=["contrast"], severities=[3], rows=100)
        >>> found.values.shape
        (1, 1, 100)
    """
    split = data.validation if split is None else split
    chosen = split.take(spaced(len(split), rows))
    stored, targets = chosen.inputs, chosen.targets
    reference = data.train.inputs_of(REFERENCE)
    names, severities = tuple(names or names_for(data.preparation)), tuple(severities)

    def measured(inputs: Array) -> Array:
        return example_errors(data.task, data.task.decode(outputs(inputs)), targets)

    values = [
        [
            measured(perturbed(stored, data.preparation, name, severity, reference=reference, seed=seed))
            for severity in severities
        ]
        for name in names
    ]
    return Errors(
        names=names,
        severities=severities,
        clean=measured(stored),
        values=np.array(values),
        root=data.task.kind == "regression",
    )


def example_errors(task: Task, predictions: Array, targets: Array) -> Array:
    """Error of each example, `(n,)`: wrong or not, the share of wrong labels, or the mean squared distance."""
    if task.kind == "classification":
        return (predictions.argmax(1) != targets).astype(float)
    table, wanted = predictions.reshape(len(targets), -1), np.asarray(targets).reshape(len(targets), -1)
    if task.kind == "multilabel":
        return ((table >= 0.5) != (wanted >= 0.5)).mean(1)
    return ((table - wanted) ** 2).mean(1)


def perturbed_score(outputs: Callable[[Array], Array], data: Data, *, seed: int = 0) -> dict[str, float]:
    """One number for robustness, cheap enough to be had from every run of an experiment.

    The score on up to 128 validation examples under every perturbation at severity 3, the mean over the perturbations.

    Args:
        outputs: Stored inputs -> network outputs `(n, outputs)`.
        data: Gives validation examples, task and preparation.
        seed: Decides the perturbations.

    Returns:
        Its name, one of `PERTURBED`, and its value.
    """
    size = int(np.prod(data.inputs.shape[1:])) or 1
    rows = int(np.clip(GLANCE_VALUES / size, *GLANCE_ROWS))
    errors = perturbation_errors(outputs, data, severities=[3], rows=rows, seed=seed)
    error = float(error_of(errors, errors.values).mean())
    return {"rmse_perturbed": error} if errors.root else {"accuracy_perturbed": 1 - error}


def _given(predictions: Array, targets: Array) -> float:
    raise ValueError("perturbed scores come from `perturbed_score`: clean predictions do not have them")


PERTURBED = {
    "accuracy_perturbed": Metric(name="accuracy_perturbed", function=_given),
    "rmse_perturbed": Metric(name="rmse_perturbed", function=_given, greater_is_better=False, bounded=False),
}


def error_of(errors: Errors, values: Array) -> Array:
    """Error over the last axis: a share, or the root mean square."""
    return np.sqrt(values.mean(-1)) if errors.root else values.mean(-1)


def robustness(
    errors: Errors,
    baseline: Errors | None = None,
    *,
    unit: str = "fraction",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The table of errors, their means, and the relative error where a baseline is given.

    All intervals are percentile bootstraps over the examples, which stay paired across perturbations and networks.

    Args:
        errors: Of the network in question.
        baseline: Of what it is compared with, on the same perturbed examples.
        unit: Unit of the errors.
        level: Coverage of the intervals.
        resamples: Bootstrap samples.
        seed: Their seed.

    Returns:
        `n`, `severities`, `clean`, `mean` (over all perturbations and severities), `perturbations` (each with `name`,
        `errors` by severity, `mean`, and `relative` to the baseline), and `relative` (mean of these: below one means
        more robust than the baseline), all of them estimates.

    Raises:
        ValueError: the two were measured on other perturbations or examples.
    """
    if baseline is not None and (errors.names, errors.values.shape) != (baseline.names, baseline.values.shape):
        raise ValueError("both networks must be measured on the same perturbed examples")
    n = len(errors.clean)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples) / n

    def table(found: Errors) -> tuple[Array, Array]:
        """Value and resamples of every cell, `(perturbations, severities)` and `(resamples, ...)`."""
        flat = found.values.reshape(-1, n)
        drawn = weights @ flat.T
        drawn = np.sqrt(drawn) if found.root else drawn
        return error_of(found, found.values), drawn.reshape(resamples, *found.values.shape[:2])

    def told(value: float, drawn: Array, unit: str = unit) -> Estimate:
        low, high = percentiles(drawn, level)
        return Estimate(value=float(value), low=low, high=high, n=n, level=level, unit=unit)

    value, drawn = table(errors)
    clean = weights @ errors.clean
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "errors": [told(value[i, s], drawn[:, i, s]) for s in range(len(errors.severities))],
            "mean": told(value[i].mean(), drawn[:, i].mean(1)),
        }
        for i, name in enumerate(errors.names)
    ]
    found: dict[str, Any] = {
        "n": n,
        "severities": list(errors.severities),
        "clean": told(float(error_of(errors, errors.clean)), np.sqrt(clean) if errors.root else clean),
        "mean": told(value.mean(), drawn.mean((1, 2))),
        "perturbations": rows,
        "relative": None,
    }
    if baseline is not None:
        theirs, their_draws = table(baseline)
        ratio, ratios = _relative(errors, value, theirs), _relative(errors, drawn, their_draws)
        for i, row in enumerate(rows):
            row["relative"] = told(ratio[i], ratios[:, i], "ratio")
        found["relative"] = told(ratio.mean(), ratios.mean(1), "ratio")
    return found


def _relative(errors: Errors, ours: Array, theirs: Array) -> Array:
    """For each perturbation the error summed over severities, divided by the baseline's.

    Shares get half an example on both sides, so that a baseline without a mistake gives no division by zero.
    Hendrycks and Dietterich (2019) divide by AlexNet's error; here it is the baseline's.
    """
    little = 1e-12 if errors.root else 0.5 / len(errors.clean)
    return (ours.sum(-1) + little) / (theirs.sum(-1) + little)
