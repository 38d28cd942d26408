"""R1: the loss before any training, whether one small batch can be learned by heart, and whether inputs are used.

A network that cannot is either fed wrongly or unstable; it is a finding, not a reason to stop.
"""

import math
from dataclasses import replace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from burnish.diagnosis.batches import device_of, distinct_rows, quiet_copy, seeded, some_rows, tensors
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.predict import evaluating
from burnish.evaluation.robustness import example_errors
from burnish.losses import Loss
from burnish.model.backward import backward
from burnish.records import Finding

__all__ = ["check", "check_quick"]

LOOK_EVERY = 25
FIT_ROWS, FIT_STEPS, FIT_RATES = 16, 300, (1e-3, 1e-2)
FIT_LEAST_STEPS, FIT_OPERATIONS = 50, 5e12  # below so many steps the operations allowed do not tell anything
RULE = Rule(
    id="R1",
    title="start of training",
    source="Karpathy, A Recipe for Training Neural Networks, 2019; tolerances heuristic",
    remedies=(
        "check that labels belong to their inputs",
        "BatchNorm",
        "GroupNorm",
        "Activation",
        "GradientClip",
        "another initialization",
    ),
    chance=0.7,
    symptom_of=("P8", "P9", "P11"),
)
START_REMEDIES = ("start the last layer with smaller weights", "BatchNorm", "GroupNorm", "Schedule")
ZEROS_ROWS = 1024
ZEROS_CHANCE = 0.2  # many things end in a network that has learned nothing
ZEROS_REMEDIES = (
    "check that labels belong to their inputs",
    "check what the network is given",
    "another learning rate",
)
START_CHANCE = 0.05  # a poor start costs the first steps of the training


def check(subject: Subject) -> Finding:
    """Share of the error on one small batch that remains after training on nothing else; and the loss at the start.

    A trained network must also do better on real inputs than on inputs of nothing but zeros.
    """
    reason = _skipped(subject)
    if reason:
        return RULE.cannot_tell(reason)
    found, threshold = _remaining_error(subject), subject.thresholds.fit_error
    if found is None or found[0] <= threshold:
        first = check_quick(subject)
        return first if subject.model is None else _beside_zeros(subject, first)
    remains, rows, steps = found
    return RULE.fires(
        remains,
        threshold,
        f"after {steps} steps on the same {rows} examples {remains:.0%} of their error remains, with each of the "
        f"learning rates {', '.join(f'{rate:g}' for rate in FIT_RATES)}: the network cannot learn even these by heart.",
        lost=(subject.left * min(remains, 1.0), "of the error, as far as the batch cannot be learned"),
        rows=rows,
    )


def check_quick(subject: Subject) -> Finding:
    """The loss at the start alone."""
    reason = _skipped(subject)
    if reason:
        return RULE.cannot_tell(reason)
    loss, expected = _start_loss(subject)
    ratio = loss / expected
    said = f"loss {loss:.3g} before training; outputs that know nothing give {expected:.3g}"
    if subject.is_classification:
        off, threshold = abs(ratio - 1), subject.thresholds.start_loss_off
    else:
        off, threshold = ratio, subject.thresholds.start_loss_ratio
    figure = {"kind": "bars", "labels": ["at the start", "knowing nothing"], "values": [loss, expected], "unit": "loss"}
    if off > threshold:
        return RULE.fires(
            off,
            threshold,
            said + ".",
            lost=(subject.left, "of the error, which a poor start delays"),
            chance=START_CHANCE,
            remedies=START_REMEDIES,
            figure=figure,
            loss=loss,
            expected=expected,
        )
    return RULE.clear(off, threshold, said + ".", figure=figure, loss=loss, expected=expected)


def _beside_zeros(subject: Subject, first: Finding) -> Finding:
    """`first`, unless the trained network does as well on zeros as on validation rows, by its loss and by its answers.

    A network far too sure of itself has a high loss on rows that it mostly gets right.
    """
    (real, blank, error), answers_differ = _losses_with_zeros(subject)
    if not math.isfinite(blank):  # a text of nothing but padding may be more than a network can take
        return first
    said = f"loss {real:.3g} on validation rows, {blank:.3g} on zeros in their place"
    if answers_differ or blank - real > subject.thresholds.standard_errors * error:
        return replace(first, evidence=f"{first.evidence} {said[0].upper()}{said[1:]}.")
    figure = {"kind": "bars", "labels": ["validation rows", "zeros"], "values": [real, blank], "unit": "loss"}
    lost = (subject.left, "of the error, as inputs are not used")
    said = f"{said}: the network makes no use of its inputs."
    return RULE.fires(real - blank, 0.0, said, lost=lost, chance=ZEROS_CHANCE, remedies=ZEROS_REMEDIES, figure=figure)


def _losses_with_zeros(subject: Subject) -> tuple[tuple[float, float, float], bool]:
    """Loss of the trained network on validation rows, on zeros, and the error of their difference.

    And whether its answers to the rows are better than the one to zeros, beyond the noise.
    """
    model, data = subject.model, subject.data
    assert model is not None
    split = some_rows(data.validation, ZEROS_ROWS)
    inputs, targets = tensors(data, split, device_of(model))
    loss = Loss(name=data.task.default_loss)
    with evaluating(model), torch.no_grad():
        real = torch.cat([model(part) for part in inputs.split(64)])
        blank = model(torch.zeros_like(inputs[:1])).expand_as(real)
        apart = loss.per_example(blank, targets) - loss.per_example(real, targets)
        means = float(loss(real, targets)), float(loss(blank, targets))
    outputs = (part.detach().cpu().numpy() for part in (blank, real))
    wrong, right = (example_errors(data.task, data.task.decode(part), split.targets) for part in outputs)
    noise = subject.thresholds.standard_errors * float((wrong - right).std()) / math.sqrt(len(split))
    better = float((wrong - right).mean()) > noise
    return (*means, float(apart.double().std()) / math.sqrt(len(apart))), better


def _skipped(subject: Subject) -> str:
    if subject.plan is None:
        return "there is no plan to build a fresh network from."
    return "the network is trained already." if subject.trained else ""


def _start_loss(subject: Subject) -> tuple[float, float]:
    """Loss of the fresh network on training rows, and what outputs of zero would give."""
    data, plan = subject.data, subject.plan
    assert plan is not None
    loss = Loss(name=data.task.default_loss)
    inputs, targets = tensors(data, some_rows(data.train, 512))
    with seeded(), torch.no_grad():  # training mode: untouched running statistics would not normalize anything
        model = quiet_copy(plan.build(0))
        outputs = torch.cat([model(part) for part in inputs.split(64) if len(part) > 1])
        kept = targets[: len(outputs)]
        expected = loss(torch.zeros_like(outputs), kept)
        return float(loss(outputs, kept)), max(float(expected), 1e-9)


def _remaining_error(subject: Subject) -> tuple[float, int, int] | None:
    """The least share of the batch's error that any of the learning rates leaves, with examples and steps.

    None for a network too large to try this on. The limit is in operations, not seconds, so that every machine
    comes to the same finding.
    """
    data, plan = subject.data, subject.plan
    assert plan is not None
    inputs, targets = tensors(data, distinct_rows(data, FIT_ROWS))
    steps = min(FIT_STEPS, int(FIT_OPERATIONS / (_operations(plan.build(0), inputs) * len(FIT_RATES) + 1)))
    if steps < FIT_LEAST_STEPS:
        return None
    remains, enough = math.inf, subject.thresholds.fit_error
    for rate in FIT_RATES:
        with seeded():
            left = _fit(quiet_copy(plan.build(0)), inputs, targets, rate, steps, subject.is_classification, enough)
        remains = min(remains, left)
        if remains <= enough:
            break
    return remains, len(inputs), steps


def _operations(model: nn.Module, inputs: torch.Tensor) -> int:
    """Floating-point operations of one step on these inputs: forward, and backward at twice that."""
    with FlopCounterMode(display=False) as counter, evaluating(model), torch.no_grad():
        model(inputs)
    return 3 * counter.get_total_flops()


def _fit(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, rate: float, steps: int, classes: bool, enough: float
) -> float:
    """Error left after training on these rows alone, stopping as soon as there is next to none."""
    loss = Loss(name="cross_entropy" if classes else "mse")
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    remains = math.inf
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        outputs = model(inputs)
        value = loss(outputs, targets)
        if not torch.isfinite(value):
            break
        backward(value, model)
        optimizer.step()
        if step % LOOK_EVERY == 0:
            remains = min(remains, _error(outputs.detach(), targets, classes))
        if remains <= enough:
            break
    return remains


def _error(outputs: torch.Tensor, targets: torch.Tensor, classes: bool) -> float:
    if classes:
        return float((outputs.argmax(1) != targets).float().mean())
    spread = (targets - targets.mean(0)).square().mean()
    return float((outputs - targets).square().mean() / spread.clamp_min(1e-12))
