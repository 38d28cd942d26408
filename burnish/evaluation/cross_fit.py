"""Choices made on validation, scored on rows they were not made on.

A best epoch chosen and scored on the same rows looks better than it is. So the rows are halved: the epoch chosen
on one half predicts the other, both ways, and together the halves score every row with a choice that did not see it.
"""

from typing import Any

import numpy as np

from burnish.data.splits import strata
from burnish.errors import UsageError
from burnish.metrics import METRICS, Metric
from burnish.tasks import Task

__all__ = ["crossfit_best_epoch", "halves"]

Array = np.ndarray


def crossfit_best_epoch(
    epoch_outputs: Array, targets: Array, task: Task, *, seed: int = 0, metric: Metric | None = None
) -> dict[str, Any]:
    """Metrics of choosing the best epoch, cross-fitted over two halves of the validation rows.

    Args:
        epoch_outputs: Network outputs after each epoch, `(epochs, n, outputs)`.
        targets: Stored targets of the `n` rows.
        task: Decodes outputs and owns the metrics.
        seed: Decides the halves.
        metric: What the epoch is chosen by, the task's primary metric unless given. Ties, common with accuracy,
            go to the lower loss, then to the earlier epoch.

    Returns:
        `metrics` (every metric of the task on all rows, cross-fitted), `epoch` (index of the epoch chosen on all
        rows, the one to ship), `epochs` (those chosen on either half), and `naive` (metrics of `epoch` on the rows
        that chose it, which are too good).

    Raises:
        UsageError: there are no epochs or fewer than two rows.
    """
    if epoch_outputs.ndim != 3 or not len(epoch_outputs) or len(targets) < 2:
        raise UsageError(
            f"got outputs of shape {epoch_outputs.shape} and {len(targets)} targets; expected (epochs, n, outputs) "
            "with at least one epoch and two rows"
        )
    predictions = [task.decode(outputs) for outputs in epoch_outputs]
    wanted = np.asarray(targets).reshape(predictions[0].shape) if task.kind == "regression" else targets
    by = metric or task.primary
    first, second = halves(wanted, task, seed=seed)
    combined, epochs = np.empty_like(predictions[0]), []
    for chosen_on, scored_on in ((first, second), (second, first)):
        epoch = _best([p[chosen_on] for p in predictions], wanted[chosen_on], task, by)
        combined[scored_on] = predictions[epoch][scored_on]
        epochs.append(epoch)
    best = _best(predictions, wanted, task, by)
    return {
        "metrics": task.evaluate(combined, wanted),
        "epoch": best,
        "epochs": epochs,
        "naive": task.evaluate(predictions[best], wanted),
    }


def halves(targets: Array, task: Task, *, seed: int = 0) -> tuple[Array, Array]:
    """Two sorted halves of the rows at random, with every class in both where it has two rows."""
    order = np.random.default_rng(seed).permutation(len(targets))
    if task.kind == "multilabel":
        order = order[np.argsort(strata(targets)[order], kind="stable")]
    elif task.kind == "classification":
        order = order[np.argsort(targets[order], kind="stable")]
    return np.sort(order[::2]), np.sort(order[1::2])


def _best(predictions: list[Array], targets: Array, task: Task, by: Metric) -> int:
    loss = METRICS["rmse" if task.kind == "regression" else "log_loss"]
    keys = [(_error(by, p, targets), _error(loss, p, targets), epoch) for epoch, p in enumerate(predictions)]
    return min(keys)[2]


def _error(metric: Metric, predictions: Array, targets: Array) -> float:
    """Smaller is better; an epoch whose score is not a number is never the best."""
    value = metric(predictions, targets)
    if not np.isfinite(value):
        return float("inf")
    return -value if metric.greater_is_better else value
