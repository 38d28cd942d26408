"""R6: validation gets worse while training gets better, or training is much better than validation."""

import math
from typing import Any

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.generalization import relative_degradation
from burnish.records import Finding, Run

__all__ = ["check"]

RULE = Rule(
    id="R6",
    title="overfitting",
    source="tuning playbook (rising validation loss); deepchecks, Train Test Performance (0.1)",
    remedies=(
        "Augment",
        "Mixup",
        "WeightDecay",
        "Dropout",
        "LabelSmoothing",
        "EarlyStopping",
        "EMA",
        "SAM",
        "more data, transfer or a smaller network",
    ),
    chance=0.3,
    symptom_of=("R8", "R11", "R20", "R23"),
)


def check(subject: Subject) -> Finding:
    """Rise of the validation loss above its minimum, in standard errors; and relative loss from train to validation."""
    rise, loss, limits = _rise(subject), _degradation(subject), subject.thresholds
    if rise is None and loss is None:
        return RULE.cannot_tell("no run has a curve or a score on training rows.")
    rising = rise is not None and rise > limits.rise_in_errors
    parts = []
    if rise is not None:
        parts.append(f"validation loss ends {rise:.1f} standard errors above its minimum while training loss falls")
    if loss is not None:
        parts.append(f"{subject.metric.name} is {loss:.1%} worse on validation than on training rows")
    evidence = "; ".join(parts) + "."
    more: dict[str, Any] = {"figure": _curves(subject), "rise": rise, "degradation": loss}
    found = (_gap(subject), "gap from training to validation")
    if loss is not None and loss > limits.degradation:
        return RULE.fires(loss, limits.degradation, evidence, lost=found, **more)
    if rising:
        return RULE.fires(rise, limits.rise_in_errors, evidence, lost=found, **more)
    measured, threshold = (rise, limits.rise_in_errors) if loss is None else (loss, limits.degradation)
    return RULE.clear(measured, threshold, evidence, **more)


def _gap(subject: Subject) -> float:
    """Error on validation above that on training rows; where only curves are known, a tenth of what is left."""
    name = subject.metric.name
    pairs = [(r.train_scores.get(name, math.nan), r.score) for r in subject.finished]
    gap = float(np.mean([subject.error(v) - subject.error(t) for t, v in pairs]))
    return gap if math.isfinite(gap) else 0.1 * subject.left


def _curves(subject: Subject) -> dict[str, Any]:
    """Training and validation loss of the first run with curves."""
    for run in subject.finished:
        lines = {"training": "train_loss", "validation": "loss"}
        series = {name: [line.get(key) for line in run.curves] for name, key in lines.items()}
        if len(run.curves) > 1 and all(v is not None for values in series.values() for v in values):
            return {"kind": "lines", "x": list(range(1, len(run.curves) + 1)), "series": series, "x_name": "epoch"}
    return {}


def _rise(subject: Subject) -> float | None:
    """Mean over runs of (last - lowest validation loss) in standard errors; 0 where training does not fall after it."""
    rises, lowest = [], []
    for run in subject.finished:
        found = _rise_of(run)
        if found is not None:
            rises.append(found[0])
            lowest.append(found[1])
    if not rises:
        return None
    error = _loss_error(subject, lowest)
    return float(np.mean(rises)) / error if error else None


def _rise_of(run: Run) -> tuple[float, float] | None:
    loss = np.array([line.get("loss", math.nan) for line in run.curves], dtype=float)
    train = np.array([line.get("train_loss", math.nan) for line in run.curves], dtype=float)
    if len(loss) < 3 or not (np.isfinite(loss).all() and np.isfinite(train).all()):
        return None
    best = int(loss.argmin())
    falls = train[-1] < train[best]
    return (float(loss[-1] - loss[best]) if falls else 0.0), float(loss[best])


def _loss_error(subject: Subject, lowest: list[float]) -> float | None:
    """Standard error of a validation loss: from the examples, else from the runs."""
    if subject.measured is not None:
        predictions, targets = subject.measured
        if subject.is_classification:
            each = -np.log(np.clip(predictions[np.arange(len(targets)), targets], 1e-12, 1))
        else:
            scale = np.asarray(subject.data.task.scale)  # type: ignore[attr-defined]
            each = (((predictions - targets).reshape(len(targets), -1) / scale) ** 2).mean(1)
        return float(each.std(ddof=1) / math.sqrt(len(each)))
    return float(np.std(lowest, ddof=1)) if len(lowest) > 2 else None


def _degradation(subject: Subject) -> float | None:
    """Relative degradation from training to validation rows; 0 where it is within the noise of the scores."""
    name = subject.metric.name
    pairs = [(r.train_scores.get(name, math.nan), r.score) for r in subject.finished]
    losses = [relative_degradation(subject.metric, *pair) for pair in pairs]
    if not losses or not all(map(math.isfinite, losses)):
        return None
    gap = subject.metric.gain(*np.mean(pairs, axis=0)[::-1])
    noise = subject.thresholds.standard_errors * (subject.standard_error or 0.0)
    return float(np.mean(losses)) if gap > noise else 0.0
