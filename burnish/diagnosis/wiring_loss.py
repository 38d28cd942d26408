"""P9: a loss of one's own that pulls the wrong way, or lets examples see one another."""

import torch
from torch import Tensor

from burnish.diagnosis.batches import distinct_rows, seeded, tensors
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.losses import Loss
from burnish.records import Finding

__all__ = ["check"]

ROWS = 64
MIXED = 1e-3  # relative change of one example's gradient
AGREE = 0.9  # share of examples that have to be pulled towards their targets
RULE = Rule(
    id="P9",
    title="the loss works along the wrong axis, or the wrong way",
    source="Karpathy 2019 (a loss that mixes examples); tolerances heuristic",
    remedies=(
        "take softmax, mean and sum over the last dimension, not over the batch",
        "check the sign of the loss",
        "--loss with a named loss",
    ),
    chance=0.9,
)


def check(subject: Subject) -> Finding:
    """Gradients of the loss on outputs at random: towards each example's target, and blind to the other examples."""
    loss = None if subject.plan is None else subject.plan.loss
    if loss is None or loss.function is None:
        return RULE.clear(None, None, "the loss is one of Burnish's own.")
    split = distinct_rows(subject.data, ROWS)
    _, targets = tensors(subject.data, split)
    with seeded():
        first, second = torch.randn(2, len(targets), subject.data.task.outputs)
    second[0] = first[0]
    gradient, other = (_gradient(loss, outputs, targets) for outputs in (first, second))
    apart = float((gradient[0] - other[0]).abs().max() / gradient[0].abs().max().clamp_min(1e-12))
    toward = _toward(gradient, first, targets)
    said = f"on {len(targets)} rows with outputs at random, {loss.name!r} pulls {toward:.0%} towards their targets"
    lost = (subject.left, "of the error, which such a loss does not take off")
    if apart > MIXED:
        more = f"{said}; the pull on one example changes by {apart:.0%} with the outputs of the others."
        return RULE.fires(apart, MIXED, more, lost=lost, toward=toward)
    if toward < AGREE:
        return RULE.fires(toward, AGREE, said + ".", lost=lost, mixed=apart)
    return RULE.clear(toward, AGREE, f"{said}, each by itself.", mixed=apart)


def _gradient(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    outputs = outputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(outputs, targets), outputs)
    return gradient


def _toward(gradient: Tensor, outputs: Tensor, targets: Tensor) -> float:
    """Share of the examples whose outputs a step down the gradient brings nearer to their targets."""
    if targets.ndim == 1 and not targets.is_floating_point():
        return float((gradient[torch.arange(len(targets)), targets] < 0).float().mean())
    return float((((outputs - targets.reshape(outputs.shape)) * gradient).sum(1) > 0).float().mean())
