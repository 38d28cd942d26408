"""What more rows bring, measured instead of forecast: validation has rows to lend where it is much the larger.

One half of the validation rows lends as many rows as there are for training; the network trained on both is asked about
the other half, and then the halves change places. No row is asked about by a network that was trained on it.
"""

from dataclasses import dataclass, replace

import numpy as np

from burnish.data.data import Data
from burnish.diagnosis.subject import Subject
from burnish.evaluation.learning_curve import same_steps
from burnish.evaluation.predict import predict
from burnish.evaluation.robustness import example_errors
from burnish.training.loop import device_for, fit

__all__ = ["BORROWED_RUNS", "Borrowed", "borrowed", "can_borrow"]

Array = np.ndarray
SEEDS = (0, 1)
HALVES = 2
BORROWED_RUNS = float(len(SEEDS) * (1 + HALVES))  # trainings
SCHEMES = ("resample", "fixed")  # rows of one group, or of one time, must not stand on both sides


@dataclass(frozen=True, kw_only=True)
class Borrowed:
    """What twice the training rows bring on the validation rows; means over the seeds.

    Attributes:
        here: Error with the training rows alone, on the scale of `Subject.error`.
        there: Error with twice as many.
        drop: Fall of the mean error of an example.
        standard_error: Of that, in pairs over the examples.
    """

    here: float
    there: float
    drop: float
    standard_error: float


def can_borrow(data: Data) -> bool:
    """Whether half of the validation rows are as many as there are for training."""
    return data.scheme.kind in SCHEMES and len(data.validation_rows) >= HALVES * len(data.train_rows)


def borrowed(subject: Subject) -> Borrowed | None:
    """Train with and without lent rows, for as many steps; None where a training failed."""
    task, targets = subject.data.task, subject.data.validation.targets
    decoded = [[task.decode(outputs) for outputs in _pair(subject, seed)] for seed in SEEDS]
    errors = np.array([[subject.error(subject.metric(found, targets)) for found in pair] for pair in decoded]).mean(0)
    each = np.array([[example_errors(task, found, targets) for found in pair] for pair in decoded]).mean(0)
    falls = each[0] - each[1]
    if not (np.isfinite(errors).all() and np.isfinite(falls).all()):
        return None
    return Borrowed(
        here=float(errors[0]),
        there=float(errors[1]),
        drop=float(falls.mean()),
        standard_error=float(falls.std(ddof=1) / np.sqrt(len(falls))),
    )


def _pair(subject: Subject, seed: int) -> tuple[Array, Array]:
    """Outputs for the validation rows of networks without and with lent rows."""
    data, own = subject.data, np.asarray(subject.data.train_rows)
    alone = _outputs(subject, data, seed)
    more, rows = np.empty_like(alone), np.asarray(data.validation_rows)
    halves = np.array_split(np.random.default_rng(seed).permutation(len(rows)), HALVES)
    for asked, lent in (halves, halves[::-1]):
        larger = np.concatenate([own, rows[lent[: len(own)]]])
        more[asked] = _outputs(subject, replace(data, train_rows=larger, validation_rows=rows[asked]), seed)
    return alone, more


def _outputs(subject: Subject, data: Data, seed: int) -> Array:
    """Of a network trained on the training rows of `data`; not finite where the training was not."""
    plan = subject.plan
    assert plan is not None
    epochs = same_steps(plan.epochs, len(data.train_rows) / len(subject.data.train_rows))
    fitted = fit(replace(plan, epochs=epochs, data=data, stopping=None), seed=seed, data=data, device=subject.device)
    if fitted.status != "done":
        return np.full((len(data.validation_rows), data.task.outputs), np.nan)
    return predict(fitted.model, data.validation, data.preparation, device=str(device_for(subject.device)))
