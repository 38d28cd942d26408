"""What the rules look at. Everything but the data is optional; a rule that misses something cannot tell."""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.data.data import Data
from burnish.diagnosis.thresholds import Thresholds
from burnish.evaluation.bootstrap import bootstrap
from burnish.evaluation.quality import aligned
from burnish.metrics import Metric
from burnish.records import Run

if TYPE_CHECKING:
    from torch import nn

    from burnish.plan import Plan

__all__ = ["SMALLEST_GAIN", "Subject"]

Array = np.ndarray
SMALLEST_GAIN = 0.005


@dataclass(frozen=True, eq=False)
class Subject:
    """A network on data, with what is known of it so far.

    Attributes:
        data: The data; its test set stays sealed.
        plan: The baseline's plan.
        model: The trained network of one pilot run.
        runs: Pilot runs, with curves and with scores on validation and on training rows.
        predictions: Network outputs `(n, outputs)` of one pilot run on its validation rows, as they leave the network.
        targets: The targets of those rows; those of `data.validation` unless given.
        tuned: What tuning the learning rate gave: mappings with `lr`, `score` and `best_epoch`.
        min_gain: The smallest gain that matters, in the unit of the primary metric; unless given, 0.005 of a bounded
            score and that share of any other.
        thresholds: Where rules start to fire.
        out_of_fold: Rows of the pool with the outputs of a network that was not trained on them, one pair for each run.
        int8: Quantizes `model` and gives its outputs for the validation rows; handed in, because quantization comes
            after diagnosis in the order of the packages.
        others: Runs of other plans on the same data, such as those of a screening.
        screened: Gain of the recipe in the screening and in the confirmation.
        device: Where networks are trained that a rule needs.
        cache: What rules have computed and others may use.
    """

    data: Data
    _: KW_ONLY
    plan: "Plan | None" = None
    model: "nn.Module | None" = None
    runs: tuple[Run, ...] = ()
    predictions: Array | None = None
    targets: Array | None = None
    tuned: tuple[dict[str, Any], ...] | list[dict[str, Any]] = ()
    min_gain: float | None = None
    thresholds: Thresholds = Thresholds()
    out_of_fold: "tuple[tuple[Array, Array], ...]" = ()
    int8: "Callable[[], Array] | None" = None
    others: tuple[Run, ...] = ()
    screened: tuple[float, float] | None = None
    device: str = "cpu"
    cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def metric(self) -> Metric:
        """The metric decisions are made on."""
        return self.data.task.primary

    @property
    def is_classification(self) -> bool:
        """Whether one of several classes is predicted."""
        return self.data.task.kind == "classification"

    @property
    def trained(self) -> bool:
        """Whether the plan starts from trained weights."""
        return self.plan is not None and self.plan.source.trained

    @cached_property
    def finished(self) -> tuple[Run, ...]:
        """The runs that have a score."""
        return tuple(run for run in self.runs if run.status == "done" and math.isfinite(run.score))

    @cached_property
    def measured(self) -> tuple[Array, Array] | None:
        """Decoded predictions and their targets, or None."""
        if self.predictions is None:
            return None
        targets = self.data.validation.targets if self.targets is None else self.targets
        return aligned(self.data.task.decode(self.predictions), targets)

    @cached_property
    def score(self) -> float | None:
        """The baseline's score: the mean of the runs, else that of the predictions."""
        if self.finished:
            return float(np.mean([run.score for run in self.finished]))
        return None if self.measured is None else self.metric(*self.measured)

    @cached_property
    def standard_error(self) -> float | None:
        """Standard error of the score for the number of validation examples, of one run."""
        n = len(self.data.validation)
        if self.metric.name == "accuracy" and self.score is not None:
            return math.sqrt(max(self.score * (1 - self.score), 0.0) / n)
        if self.measured is None:
            return None
        drawn = bootstrap([self.metric.name], *self.measured, resamples=300)[self.metric.name]
        return float(drawn.std(ddof=1))

    @cached_property
    def left(self) -> float:
        """The error that is left to gain, from 0 to 1; 1 where no score is known yet."""
        return 1.0 if self.score is None else float(np.clip(self.error(self.score), 0.0, 1.0))

    @cached_property
    def run_seconds(self) -> float | None:
        """What one training of the baseline takes, where one has been timed."""
        taken = [run.cost.train_seconds for run in self.runs if run.cost and run.cost.train_seconds]
        return float(np.mean(taken)) if taken else None

    @property
    def worthwhile(self) -> float | None:
        """The smallest gain that matters, in the unit of the metric."""
        if self.min_gain is not None or self.metric.bounded:
            return SMALLEST_GAIN if self.min_gain is None else self.min_gain
        return None if self.score is None else SMALLEST_GAIN * abs(self.score)

    def error(self, score: float) -> float:
        """A score of the primary metric as an error: 0 is perfect, about 1 what knowing nothing gives."""
        scale = 1.0 if self.metric.bounded else self._scale()
        return (1 - score if self.metric.greater_is_better else score) / scale

    @property
    def error_unit(self) -> float:
        """What one unit of `error` is in examples: 1 for right or wrong, the deviation of the targets for values."""
        if self.data.task.kind != "regression":
            return 1.0
        return float(np.std(self.data.train.targets, axis=0).mean()) or 1.0

    def share(self, gain: float) -> float:
        """A gain of the primary metric on the scale of `error`."""
        return gain / (1.0 if self.metric.bounded else self._scale())

    def _scale(self) -> float:
        if self.metric.name in ("rmse", "mae"):
            return float(np.std(self.data.train.targets, axis=0).mean()) or 1.0
        return math.log(self.data.task.outputs) if self.metric.name == "log_loss" else 1.0
