"""P8: outputs that cannot take every value, such as probabilities where the loss expects logits."""

import copy

import torch
from torch import nn

from burnish.diagnosis.batches import distinct_rows, seeded, tensors
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.predict import evaluating
from burnish.records import Finding

__all__ = ["check", "limits_of"]

ROWS, GAIN = 64, 1e4  # the last layer is made this much larger, so that limits show
SLACK = 1e-3
RULE = Rule(
    id="P8",
    title="outputs are limited",
    source="torch, CrossEntropyLoss (expects unnormalized logits); Karpathy 2019",
    remedies=("return what the last linear layer gives: the loss and the report apply softmax themselves",),
    chance=0.7,
)


def check(subject: Subject) -> Finding:
    """Whether the outputs stay within limits, or sum to one, however large the last layer's weights are."""
    if subject.plan is None:
        return RULE.cannot_tell("there is no plan to build a network from.")
    loss = subject.plan.loss
    if loss is not None and loss.function is not None:
        return RULE.cannot_tell(f"what outputs the own loss {loss.name!r} expects is not known.")
    with seeded():
        inputs, _ = tensors(subject.data, distinct_rows(subject.data, ROWS))
        found = limits_of(subject.plan.build(0), inputs)
    if found is None:
        return RULE.cannot_tell("the network has no last layer whose weights could be enlarged.")
    if not found:
        return RULE.clear(None, None, "outputs grow with the last layer's weights, in both directions.")
    lost = (0.7 * subject.left, "of the error, which limited outputs keep from being taken off")
    why = "cross entropy takes the softmax of them again, which flattens all differences"
    if not subject.is_classification:
        why = "standardized targets lie on both sides of 0, and beyond 1"
    return RULE.fires(None, None, f"whatever the weights, outputs {found}: {why}.", lost=lost)


def limits_of(model: nn.Module, inputs: torch.Tensor) -> str | None:
    """How the outputs are limited, in words; empty where they are not, None where it cannot be seen."""
    if not _weighted(model):
        return None
    outputs = []
    for factor in (GAIN, -GAIN):
        changed = copy.deepcopy(model)
        with torch.no_grad(), evaluating(changed):
            for parameter in _weighted(changed)[-1].parameters(recurse=False):
                parameter.mul_(factor)
            outputs.append(changed(inputs).float())
    values = torch.cat(outputs)
    if not torch.isfinite(values).all() or float(values.std()) == 0:
        return None
    sums = values.sum(1)
    if values.shape[1] > 1 and float(values.min()) >= -SLACK and float((sums - 1).abs().max()) < SLACK:
        return "are probabilities: each row sums to 1"
    if float(values.min()) >= 0:
        return "are never below 0" + (" nor above 1" if float(values.max()) <= 1 + SLACK else "")
    if float(values.abs().max()) <= 1 + SLACK:
        return "stay between -1 and 1"
    return ""


def _weighted(model: nn.Module) -> list[nn.Module]:
    """Modules with a weight matrix or kernel of their own, in the order they are declared."""
    return [m for m in model.modules() if any(p.ndim > 1 for p in m.parameters(recurse=False))]
