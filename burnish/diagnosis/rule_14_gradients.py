"""R14: gradients that vanish or explode between the last layer and the first."""

import math
from typing import Any

from burnish.diagnosis.batches import quiet_copy, seeded, some_rows, tensors
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.short_run import gradient_sizes, short_price, short_run
from burnish.diagnosis.subject import Subject
from burnish.losses import Loss
from burnish.records import Finding

__all__ = ["check", "check_quick", "price"]

RULE = Rule(
    id="R14",
    title="vanishing or exploding gradients",
    source="Glorot and Bengio, AISTATS 2010; ratio heuristic",
    remedies=("BatchNorm", "GroupNorm", "Activation", "Residual", "another initialization", "GradientClip"),
    chance=0.5,
)
DRIFT_CHANCE = 0.2  # activations may grow for good reasons
SHOWN = 40  # layers in the figure


price = short_price  # the steps after which it looks again


def check(subject: Subject) -> Finding:
    """The first weight matrix's gradient against the last one's, at the start and after a few steps; and activations.

    Activations drift where a hidden layer's outputs have another scale after the steps.
    """
    found, run = check_quick(subject), short_run(subject)
    if found.state != "clear" or run is None or len(run.gradients) < 2:
        return found
    limits = subject.thresholds
    ratio = _ratio(list(run.gradients))
    layer = max(run.drift, key=lambda name: abs(math.log(max(run.drift[name], 1e-9))), default="")
    drift = run.drift.get(layer, 1.0)
    said = f"{found.evidence.removesuffix('.')}, {ratio:.2g} times after {len(run.losses)} steps"
    said += f"; outputs of {layer} are then {drift:.2g} times as wide as before" if layer else ""
    lost = (subject.left, "of the error, which the first layers cannot take off")
    more: dict[str, Any] = {"figure": _figure(list(run.gradients)), "drift": drift}
    if not limits.gradient_ratio <= ratio <= 1 / limits.gradient_ratio:
        threshold = limits.gradient_ratio if ratio < 1 else 1 / limits.gradient_ratio
        return RULE.fires(ratio, threshold, said + ".", lost=lost, **more)
    if drift > limits.activation_drift or drift < 1 / limits.activation_drift:
        return RULE.fires(drift, limits.activation_drift, said + ".", lost=lost, chance=DRIFT_CHANCE, **more)
    return RULE.clear(ratio, limits.gradient_ratio, said + ".", **more)


def check_quick(subject: Subject) -> Finding:
    """The first weight matrix's gradient (root mean square) against the last one's, before any training."""
    if subject.plan is None:
        return RULE.cannot_tell("there is no plan to build a fresh network from.")
    with seeded():
        model = quiet_copy(subject.plan.build(0))
        inputs, targets = tensors(subject.data, some_rows(subject.data.train, 64))
        norms = gradient_sizes(model, inputs, targets, Loss(name=subject.data.task.default_loss))
    if len(norms) < 2:
        return RULE.cannot_tell("the network has fewer than two weight matrices.")
    ratio, first, last = _ratio(norms), norms[0][0], norms[-1][0]
    said = f"gradients of {first} are {ratio:.2g} times those of {last} at the start"
    limit = subject.thresholds.gradient_ratio
    figure = _figure(norms)
    if limit <= ratio <= 1 / limit:
        return RULE.clear(ratio, limit, said + ".", figure=figure)
    threshold = limit if ratio < 1 else 1 / limit
    word = "vanish on the way back" if ratio < 1 else "explode on the way back"
    lost = (subject.left, "of the error, which the first layers cannot take off")
    return RULE.fires(ratio, threshold, f"{said}: they {word}.", lost=lost, figure=figure)


def _ratio(norms: list[tuple[str, float]]) -> float:
    return norms[0][1] / norms[-1][1] if norms[-1][1] > 0 else math.inf


def _figure(norms: list[tuple[str, float]]) -> dict[str, Any]:
    shown = norms[:: max(1, len(norms) // SHOWN)]
    labels, values = [name for name, _ in shown], [size for _, size in shown]
    return {"kind": "bars", "labels": labels, "values": values, "unit": "gradient, root mean square", "log": True}
