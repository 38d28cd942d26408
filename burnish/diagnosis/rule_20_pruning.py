"""R20: half of the weights can go and nobody notices, so the network is larger than the task."""

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from burnish.diagnosis.batches import device_of, some_rows
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.predict import predict
from burnish.evaluation.robustness import example_errors
from burnish.records import Finding

__all__ = ["check", "price", "without_smallest"]

ROWS, LEAST_ROWS = 2000, 100
SHARES = (0.5, 0.75, 0.9, 0.95, 0.98)
MOST_LOSS = 0.02  # of the error scale: what two standard errors may hide at most
HALVING = 0.01  # what a network of half the size is worth: the loss that --max-drop pays for a compression step
GAMMA = 0.05  # a batch normalization's scale below this share of the layer's mean is as good as off
RULE = Rule(
    id="R20",
    title="over-parameterised",
    source="Han et al., arXiv:1506.02626 (magnitude pruning); two standard errors heuristic",
    remedies=("burnish compress", "a smaller network", "int8"),
    chance=0.9,
    quick=False,
)


def price(subject: Subject) -> float:
    """Passes over the validation rows looked at, against those of a training."""
    if subject.plan is None or subject.model is None:
        return 0.0
    rows = min(ROWS, len(subject.data.validation_rows))
    return rows * (1 + len(SHARES)) / (3 * len(subject.data.train_rows) * subject.plan.epochs)


def check(subject: Subject) -> Finding:
    """Largest share of weights, the smallest of the whole network, without which the error is as before."""
    model, data = subject.model, subject.data
    if model is None:
        return RULE.cannot_tell("there is no trained network yet.")
    split = some_rows(data.validation, ROWS)
    if len(split) < LEAST_ROWS:
        return RULE.cannot_tell(f"{len(split)} validation rows are too few to see what pruning costs.")
    if subject.left > 0.9:
        return RULE.cannot_tell("the network has learned next to nothing, so nothing can be lost.")
    before = _errors(subject, model, split)
    losses: dict[float, tuple[float, float]] = {}
    for share in SHARES:
        losses[share] = _loss(_errors(subject, without_smallest(model, share), split) - before)
        if not _free(losses[share], subject):
            break
    return _judged(subject, losses)


def _judged(subject: Subject, losses: dict[float, tuple[float, float]]) -> Finding:
    limit = subject.thresholds.pruned_share
    spared = max((share for share, loss in losses.items() if _free(loss, subject)), default=0.0)
    tried, (loss, error) = max(losses), losses[max(losses)]
    quiet = _quiet_channels(subject.model)
    said = f"without its smallest {spared:.0%} of weights the network is as good" if spared else "no half is spare"
    said += f"; without {tried:.0%} the error rises by {loss:.3f} ± {error:.3f}" if tried != spared else ""
    said += f"; {quiet:.0%} of the normalized channels are next to off" if quiet else ""
    figure: dict[str, Any] = {
        "kind": "bars",
        "labels": [f"{share:.0%}" for share in losses],
        "unit": "rise of the error",
    }
    figure["values"] = [value for value, _ in losses.values()]
    halvings = -math.log2(1 - spared) if spared else 0.0
    lost = (HALVING * halvings, f"of the score, which --max-drop would pay for {halvings:.1f} halvings of the size")
    tell = RULE.judge(spared >= limit)
    return tell(spared, limit, said + ".", lost=lost, figure=figure, quiet_channels=quiet)


def without_smallest(model: nn.Module, share: float) -> nn.Module:
    """A copy in which the `share` of all weights of matrices and kernels that are smallest is zero."""
    model = copy.deepcopy(model)
    weights = [p for p in model.parameters() if p.ndim > 1]
    if not weights:
        return model
    sizes = torch.cat([p.detach().abs().flatten() for p in weights])
    count = int(share * len(sizes))
    if count:
        limit = sizes.kthvalue(count).values
        with torch.no_grad():
            for parameter in weights:
                parameter.mul_((parameter.abs() > limit).to(parameter.dtype))
    return model


def _errors(subject: Subject, model: nn.Module, split: Any) -> np.ndarray:
    data = subject.data
    outputs = predict(model, split, data.preparation, device=device_of(model))
    errors = example_errors(data.task, data.task.decode(outputs), split.targets)
    return errors / subject.error_unit**2 if data.task.kind == "regression" else errors


def _loss(differences: np.ndarray) -> tuple[float, float]:
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(differences)))


def _free(loss: tuple[float, float], subject: Subject) -> bool:
    return loss[0] <= min(subject.thresholds.standard_errors * loss[1], MOST_LOSS)


def _quiet_channels(model: nn.Module | None) -> float:
    """Share of batch-normalized channels whose scale is next to nothing."""
    layers = [
        m.weight.detach().abs() for m in (model.modules() if model else ()) if isinstance(m, _BatchNorm) and m.affine
    ]
    if not layers:
        return 0.0
    return float(torch.cat([scale < GAMMA * scale.mean() for scale in layers]).float().mean())
