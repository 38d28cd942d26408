"""R8: the error still falls as training rows are added, so more of them are worth having."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from burnish.data.data import Data
from burnish.diagnosis.borrowed_rows import BORROWED_RUNS, Borrowed, borrowed, can_borrow
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.learning_curve import SHARES, LearningCurve, learning_curve, same_steps
from burnish.evaluation.predict import predict
from burnish.records import Finding, to_json
from burnish.training.loop import device_for, fit

__all__ = ["check", "first_look", "first_price", "price"]

SEEDS = (0, 1)
HALF, FIRST_RUNS = 0.5, 2
NEXT_DROP = 0.5**0.5  # of the last doubling's drop, with the exponent 1/2 of a power law
LENT, LENT_CHANCE = "give validation rows to training", 0.8  # the rows are there, and the gain is measured
LEAST_ROWS = 64  # training rows; an eighth of them must still be a data set
RULE = Rule(
    id="R8",
    title="too little data",
    source="Viering and Loog, arXiv:2103.10948 (power law through the errors at several sizes); 5 % heuristic",
    remedies=("collect more rows like these", "Augment", "Mixup", "a pretrained network", "WeightDecay"),
    chance=0.5,
    quick=False,
    runs=float(len(SEEDS) * len(SHARES)),
)


def price(subject: Subject) -> float:
    """Every share of the rows is trained on for as many steps as all of them."""
    if subject.plan is None or {"learning_curve", "borrowed"} & subject.cache.keys():
        return 0.0
    return BORROWED_RUNS if can_borrow(subject.data) else RULE.runs


def check(subject: Subject) -> Finding:
    """How much lower the error at twice the rows is, relative to the error now.

    Measured where validation has as many rows to lend, else forecast from smaller parts of the rows.
    """
    if subject.plan is None:
        return RULE.cannot_tell("there is no plan to train.")
    if subject.trained:
        return RULE.cannot_tell("the network is trained already: how many rows it has seen is not known.")
    if len(subject.data.train_rows) < LEAST_ROWS:
        return RULE.cannot_tell(f"{len(subject.data.train_rows)} training rows are too few to take an eighth of them.")
    if "learning_curve" not in subject.cache and can_borrow(subject.data):
        subject.cache.setdefault("borrowed", borrowed(subject))
        return _judged_measured(subject, subject.cache["borrowed"])
    if "learning_curve" not in subject.cache:
        subject.cache["learning_curve"] = _measured(subject)
    curve: LearningCurve | None = subject.cache["learning_curve"]
    if curve is None:
        return RULE.cannot_tell("a training on part of the rows did not end with a finite score.")
    return _judged(subject, curve)


def _judged_measured(subject: Subject, found: Borrowed | None) -> Finding:
    if found is None:
        return RULE.cannot_tell("a training on more of the rows did not end with a finite score.")
    rows, limit, gain = len(subject.data.train_rows), subject.thresholds.more_data_gain, found.here - found.there
    said = (
        f"error {found.here:.3g} with {rows} rows, {found.there:.3g} with as many again, lent by the "
        f"{len(subject.data.validation_rows)} validation rows"
    )
    figure: dict[str, Any] = {"kind": "lines", "x": [rows, 2 * rows], "x_name": "training rows", "y_name": "error"}
    figure |= {"series": {"measured": [found.here, found.there]}, "log_x": True}
    relative, noise = gain / max(found.here, 1e-9), subject.thresholds.standard_errors * found.standard_error
    if relative <= limit or found.drop <= noise:
        return RULE.clear(relative, limit, said + ".", figure=figure, measured_at=2 * rows)
    return RULE.fires(
        relative,
        limit,
        said + ".",
        lost=(gain, "of the error, which twice the rows took off"),
        chance=LENT_CHANCE,
        remedies=(LENT, *RULE.remedies),
        figure=figure,
        measured_at=2 * rows,
    )


def first_price(subject: Subject) -> float:
    """Half of the rows for as many steps, once for each of the pilot's first two runs."""
    return float(min(FIRST_RUNS, len(subject.finished)))


def first_look(subject: Subject) -> Finding:
    """What the last doubling of the rows brought, where the whole curve is too dear; the next brings a part of it."""
    if subject.plan is None or subject.trained or not subject.finished:
        return RULE.cannot_tell("there is no training to compare half of the rows with.")
    if len(subject.data.train_rows) < LEAST_ROWS:
        return RULE.cannot_tell(f"{len(subject.data.train_rows)} training rows are too few to take a part of them.")
    runs = subject.finished[:FIRST_RUNS]
    halves = [_score(subject, HALF, run.seed, subject.plan.data.replicate(run.split)) for run in runs]
    if not all(map(math.isfinite, halves)) or not subject.standard_error:
        return RULE.cannot_tell("a training on half of the rows did not end with a finite score.")
    here = float(np.mean([subject.error(run.score) for run in runs]))
    drop = float(np.mean([subject.error(half) for half in halves])) - here
    noise = subject.thresholds.standard_errors * subject.share(subject.standard_error) * math.sqrt(2 / len(runs))
    relative, most = (NEXT_DROP * value / max(here, 1e-9) for value in (drop, drop + noise))
    limit, rows = subject.thresholds.more_data_gain, len(subject.data.train_rows)
    said = (
        f"a first look, at half of the rows: error {here + drop:.3g} there, {here:.3g} with all {rows}; twice "
        f"as many may take off {relative:.0%}"
    )
    figure: dict[str, Any] = {"kind": "lines", "x": [rows // 2, rows], "series": {"measured": [here + drop, here]}}
    figure |= {"x_name": "training rows", "y_name": "error", "log_x": True}
    if relative > limit and drop > noise:
        lost = (NEXT_DROP * drop, "of the error that twice the rows may take off")
        return RULE.fires(relative, limit, said + ".", lost=lost, figure=figure, first_look=True)
    if most <= limit:
        return RULE.clear(relative, limit, said + ".", figure=figure, first_look=True)
    return RULE.cannot_tell(f"{said}, or nothing: the whole curve takes {RULE.runs:g} trainings.", relative, limit)


def _judged(subject: Subject, curve: LearningCurve) -> Finding:
    limit, gain = subject.thresholds.more_data_gain, curve.gain
    low = 0.0 if gain.low is None else gain.low
    said = (
        f"error {curve.here.value:.3g} with {curve.sizes[-1]} rows; with twice as many a power law expects "
        f"{curve.forecast.value:.3g} [{curve.forecast.low or 0.0:.3g}, {curve.forecast.high or 0.0:.3g}]"
    )
    if not curve.monotone:
        said += "; more rows made it worse in between, so this is doubtful"
    figure = {
        "kind": "lines",
        "x": [*curve.sizes, 2 * curve.sizes[-1]],
        "series": {
            "measured": [float(np.mean(row)) for row in curve.errors],
            "power law": [curve.at(size) for size in (*curve.sizes, 2 * curve.sizes[-1])],
        },
        "x_name": "training rows",
        "y_name": "error",
        "log_x": True,
    }
    detail: dict[str, Any] = {"sizes": list(curve.sizes), "errors": [list(row) for row in curve.errors]}
    detail |= {"gain": gain.value, "gain_low": low, "monotone": curve.monotone, "curve": to_json(curve)}
    enough = gain.value > (subject.worthwhile or 0.0)
    tell = RULE.judge(curve.relative_gain > limit and enough and low > 0 and curve.monotone)
    lost = (subject.share(gain.value), "of the error that twice the rows should take off")
    return tell(curve.relative_gain, limit, said + ".", lost=lost, figure=figure, **detail)


def _measured(subject: Subject) -> LearningCurve | None:
    scores, sizes = [], []
    for share in SHARES:
        row = [_score(subject, share, seed, subject.data) for seed in SEEDS]
        if not all(map(math.isfinite, row)):
            return None
        scores.append(row)
        sizes.append(max(round(share * len(subject.data.train_rows)), 1))
    return learning_curve(subject.metric, sizes, scores)


def _score(subject: Subject, share: float, seed: int, data: Data) -> float:
    """Validation score after training on a share of the rows of `data` for as many steps as on all."""
    plan = subject.plan
    assert plan is not None
    data = _part(data, share, seed)
    shorter = replace(plan, epochs=same_steps(plan.epochs, share), data=data, stopping=None)
    fitted = fit(shorter, seed=seed, data=data, device=subject.device)
    if fitted.status != "done":
        return math.nan
    outputs = predict(fitted.model, data.validation, data.preparation, device=str(device_for(subject.device)))
    return float(subject.metric(data.task.decode(outputs), data.validation.targets))


def _part(data: Data, share: float, seed: int) -> Data:
    """A share of the training rows, every class with its part and at least one row."""
    rows = np.asarray(data.train_rows)
    shuffled = rows[np.random.default_rng(seed).permutation(len(rows))]
    count = max(round(share * len(rows)), 1)
    if data.task.kind != "classification":
        return replace(data, train_rows=np.sort(shuffled[:count]))
    labels = np.asarray(data.targets)[shuffled]
    place = np.empty(len(shuffled))
    for c in np.unique(labels):
        mine = np.flatnonzero(labels == c)
        place[mine] = np.arange(len(mine)) / len(mine)
    return replace(data, train_rows=np.sort(shuffled[np.argsort(place, kind="stable")[:count]]))
