"""R18: inputs as they arrive on a bad day cost far more than they need to."""

import numpy as np

from burnish.data.tensors import network_tensor
from burnish.diagnosis.batches import device_of
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.perturbations import names_for
from burnish.evaluation.predict import outputs_on
from burnish.evaluation.robustness import error_of, perturbation_errors, rows_for
from burnish.model.inspect import inspect
from burnish.records import Finding

__all__ = ["check", "price"]

SEVERITY, LEAST_ROWS = 3, 100
LITTLE = 0.02  # a doubled error that has risen by no more than this says nothing
RULE = Rule(
    id="R18",
    title="fragile under perturbed inputs",
    source="Hendrycks and Dietterich, arXiv:1903.12261 (corruptions, severities); cut-offs heuristic",
    remedies=("Augment", "Mixup", "estimate the batch statistics again on such inputs", "a pretrained network"),
    chance=0.1,
    quick=False,
)


def price(subject: Subject) -> float:
    """Passes over a few hundred rows, against those of a training, backward passes counted twice."""
    if subject.plan is None or subject.model is None:
        return 0.0
    passes = (1 + len(names_for(subject.data.preparation))) * 500
    return passes / (3 * len(subject.data.train_rows) * subject.plan.epochs)


def check(subject: Subject) -> Finding:
    """Mean error over all perturbations at severity 3, against the clean error."""
    model, data = subject.model, subject.data
    if model is None:
        return RULE.cannot_tell("there is no trained network yet.")
    if len(data.validation) < LEAST_ROWS:
        return RULE.cannot_tell(f"{len(data.validation)} validation rows are too few.")
    example = network_tensor(data.preparation, data.validation.take(np.arange(1)).inputs, device_of(model))
    operations = inspect(model, example).operations
    found = perturbation_errors(
        lambda stored: outputs_on(model, stored, data.preparation, device=device_of(model)),
        data,
        severities=(SEVERITY,),
        rows=rows_for(operations, passes=1 + len(names_for(data.preparation))),
    )
    each = error_of(found, found.values)[:, 0] / subject.error_unit
    clean = float(error_of(found, found.clean)) / subject.error_unit
    noise = subject.thresholds.standard_errors * _standard_error(found.clean, found.root) / subject.error_unit
    return _judged(subject, dict(zip(found.names, each.tolist(), strict=True)), clean, noise)


def _judged(subject: Subject, each: dict[str, float], clean: float, noise: float) -> Finding:
    limits, mean = subject.thresholds, float(np.mean(list(each.values())))
    rise, ratio = mean - clean, mean / max(clean, 1e-9)
    worst = max(each, key=lambda name: each[name])
    said = (
        f"error {clean:.3f} clean, {mean:.3f} on average over {len(each)} perturbations at severity {SEVERITY} of 5 "
        f"(worst: {worst}, {each[worst]:.3f})"
    )
    figure = {"kind": "bars", "labels": ["clean", *each], "values": [clean, *each.values()], "unit": "error"}
    fires = rise > noise and (rise > limits.corrupted_rise or (ratio > limits.corrupted_ratio and rise > LITTLE))
    tell = RULE.judge(fires)
    lost = (rise, "of the error on perturbed inputs, not on inputs like these")
    return tell(rise, limits.corrupted_rise, said + ".", lost=lost, figure=figure, ratio=ratio)


def _standard_error(clean: np.ndarray, root: bool) -> float:
    """Of the clean error; by the delta method where it is the root of a mean."""
    error = float(clean.std(ddof=1) / np.sqrt(len(clean)))
    return error / (2 * max(float(np.sqrt(clean.mean())), 1e-12)) if root else error
