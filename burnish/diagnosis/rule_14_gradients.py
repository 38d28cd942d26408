"""R14: gradients that vanish or explode between the last layer and the first."""

from typing import Any

import torch
from torch import nn

from burnish.diagnosis.batches import quiet_copy, seeded, some_rows, tensors
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.losses import Loss
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R14",
    title="vanishing or exploding gradients",
    source="Glorot and Bengio, AISTATS 2010; ratio heuristic",
    remedies=("BatchNorm", "GroupNorm", "Activation", "Residual", "another initialization", "GradientClip"),
    chance=0.5,
)
SHOWN = 40  # layers in the figure


def check(subject: Subject) -> Finding:
    """Root mean square gradient of the first weight matrix against that of the last, before any training."""
    if subject.plan is None:
        return RULE.cannot_tell("there is no plan to build a fresh network from.")
    with seeded():
        model = quiet_copy(subject.plan.build(0))
        inputs, targets = tensors(subject.data, some_rows(subject.data.train, 64))
        norms = _gradient_sizes(model, inputs, targets, Loss(name=subject.data.task.default_loss))
    if len(norms) < 2:
        return RULE.cannot_tell("the network has fewer than two weight matrices.")
    (first, low), (last, high) = norms[0], norms[-1]
    ratio = low / high if high > 0 else float("inf")
    said = f"gradients of {first} are {ratio:.2g} times those of {last} at the start"
    limit = subject.thresholds.gradient_ratio
    figure = _figure(norms)
    if limit <= ratio <= 1 / limit:
        return RULE.clear(ratio, limit, said + ".", figure=figure)
    threshold = limit if ratio < 1 else 1 / limit
    word = "vanish on the way back" if ratio < 1 else "explode on the way back"
    lost = (subject.left, "of the error, which the first layers cannot take off")
    return RULE.fires(ratio, threshold, f"{said}: they {word}.", lost=lost, figure=figure)


def _figure(norms: list[tuple[str, float]]) -> dict[str, Any]:
    shown = norms[:: max(1, len(norms) // SHOWN)]
    labels, values = [name for name, _ in shown], [size for _, size in shown]
    return {"kind": "bars", "labels": labels, "values": values, "unit": "gradient, root mean square", "log": True}


def _gradient_sizes(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, loss: Loss
) -> list[tuple[str, float]]:
    """Size of the gradient of each weight matrix, in the order in which layers are declared; embeddings left out.

    An embedding's gradient is spread over the few words of the batch and is no measure of depth.
    """
    loss(model(inputs), targets).backward()
    sizes = []
    for path, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim > 1 and parameter.grad is not None:
                sizes.append((f"{path}.{name}".lstrip("."), float(parameter.grad.square().mean().sqrt())))
    return sizes
