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

__all__ = ["check", "price", "stable_rank", "without_channels", "without_smallest"]

Loss = tuple[float, float]  # a rise of the error, and its standard error
ROWS, LEAST_ROWS = 2000, 100
SHARES = (0.5, 0.75, 0.9, 0.95, 0.98)
MOST_LOSS = 0.02  # of the error scale: what two standard errors may hide at most
HALVING = 0.01  # what a network of half the size is worth: the loss that --max-drop pays for a compression step
CHANNELS = 0.25  # of each layer's outputs, at once
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
MOST_RANKED = 2_000_000  # weights of a matrix whose spectral norm is still quick
GAMMA = 0.05  # a batch normalization's scale below this share of the layer's mean is as good as off
RULE = Rule(
    id="R20",
    title="over-parameterised",
    source="Han et al., arXiv:1506.02626, and Lee et al., arXiv:2010.07611 (pruning); two standard errors heuristic",
    remedies=("burnish compress", "a smaller network", "int8"),
    chance=0.9,
    quick=False,
    symptom_of=("R15",),
)


def price(subject: Subject) -> float:
    """Passes over the validation rows looked at, against those of a training."""
    if subject.plan is None or subject.model is None:
        return 0.0
    rows = min(ROWS, len(subject.data.validation_rows))
    return rows * (2 + 2 * len(SHARES)) / (3 * len(subject.data.train_rows) * subject.plan.epochs)


def check(subject: Subject) -> Finding:
    """Largest share of weights without which the error is as before.

    They are chosen in two ways, and the better counts: the smallest of the whole network, which may empty a layer of
    many inputs, and the smallest beside the others of their layer. That either works shows that a smaller network does.
    """
    model, data = subject.model, subject.data
    if model is None:
        return RULE.cannot_tell("there is no trained network yet.")
    split = some_rows(data.validation, ROWS)
    if len(split) < LEAST_ROWS:
        return RULE.cannot_tell(f"{len(split)} validation rows are too few to see what pruning costs.")
    if subject.left > 0.9:
        return RULE.cannot_tell("the network has learned next to nothing, so nothing can be lost.")
    before = _errors(subject, model, split)
    losses: dict[float, Loss] = {}
    for share in SHARES:
        ways = (without_smallest(model, share, by_layer=by_layer) for by_layer in (False, True))
        losses[share] = min(_loss(_errors(subject, smaller, split) - before) for smaller in ways)
        if not _free(losses[share], subject):
            break
    narrow = without_channels(model, CHANNELS)
    channels = None if narrow is None else _loss(_errors(subject, narrow, split) - before)
    return _judged(subject, losses, channels)


def _judged(
    subject: Subject, losses: dict[float, tuple[float, float]], channels: tuple[float, float] | None
) -> Finding:
    limit = subject.thresholds.pruned_share
    spared = max((share for share, loss in losses.items() if _free(loss, subject)), default=0.0)
    whole = channels is not None and _free(channels, subject)
    tried, (loss, error) = max(losses), losses[max(losses)]
    quiet = _quiet_channels(subject.model)
    said = f"without its smallest {spared:.0%} of weights the network is as good" if spared else "no half is spare"
    said += f"; without {tried:.0%} the error rises by {loss:.3f} ± {error:.3f}" if tried != spared else ""
    if channels is not None:
        said += f"; without a quarter of each layer's outputs it rises by {channels[0]:.3f} ± {channels[1]:.3f}"
    rank = stable_rank(subject.model)
    said += "" if rank is None else f"; the weights use {rank:.0%} of their rank"
    said += f"; {quiet:.0%} of the normalized channels are next to off" if quiet else ""
    figure: dict[str, Any] = {
        "kind": "bars",
        "labels": [f"{share:.0%}" for share in losses],
        "unit": "rise of the error",
    }
    figure["values"] = [value for value, _ in losses.values()]
    by_channels = -math.log2(1 - CHANNELS) if whole else 0.0
    halvings = max(-math.log2(1 - spared), by_channels)
    lost = (HALVING * halvings, f"of the score, which --max-drop would pay for {halvings:.1f} halvings of the size")
    most = subject.thresholds.quiet_channels
    measured, limit = max(
        [(spared, limit), (CHANNELS * whole, CHANNELS), (quiet, most)], key=lambda pair: pair[0] / max(pair[1], 1e-9)
    )
    tell = RULE.judge(measured >= limit)
    more = {"quiet_channels": quiet, "without_channels": None if channels is None else channels[0], "stable_rank": rank}
    return tell(measured, limit, said + ".", lost=lost, figure=figure, spared=spared, **more)


def without_smallest(model: nn.Module, share: float, *, by_layer: bool = False) -> nn.Module:
    """A copy in which the `share` of all weights of matrices and kernels that are smallest is zero.

    Args:
        model: The network, which stays as it is.
        share: From 0 to 1.
        by_layer: Judge a weight not by its size alone but by its square as a share of those of its layer that are no
            smaller (Lee et al., "Layer-adaptive Sparsity for the Magnitude-based Pruning", ICLR 2021).
    """
    model = copy.deepcopy(model)
    weights = [p for p in model.parameters() if p.ndim > 1]
    if not weights:
        return model
    sizes = [_beside_larger(p) if by_layer else p.detach().abs() for p in weights]
    count = int(share * sum(size.numel() for size in sizes))
    if count:
        limit = torch.cat([size.flatten() for size in sizes]).kthvalue(count).values
        with torch.no_grad():
            for parameter, size in zip(weights, sizes, strict=True):
                parameter.mul_((size > limit).to(parameter.dtype))
    return model


def _beside_larger(weights: torch.Tensor) -> torch.Tensor:
    """Each square against the sum of the squares that are no smaller."""
    squares, order = weights.detach().flatten().double().square().sort(descending=True)
    shares = torch.empty_like(squares)
    shares[order] = squares / squares.cumsum(0).clamp_min(1e-300)
    return shares.reshape(weights.shape)


def without_channels(model: nn.Module, share: float) -> nn.Module | None:
    """A copy in which the `share` of the outputs with the smallest weights is zero in each layer but the last.

    None where that is not a single output.
    """
    model, gone = copy.deepcopy(model), 0
    layers = [m for m in model.modules() if isinstance(m, LAYERS)][:-1]
    with torch.no_grad():
        for layer in layers:
            out = 1 if isinstance(layer, TRANSPOSED) else 0
            sizes = layer.weight.abs().sum([d for d in range(layer.weight.ndim) if d != out])
            if out and int(layer.groups) > 1:  # type: ignore[arg-type]
                continue
            least = sizes.argsort(stable=True)[: int(share * len(sizes))]
            layer.weight.index_fill_(out, least, 0.0)
            if layer.bias is not None:
                layer.bias[least] = 0.0
            gone += len(least)
    return model if gone else None


def stable_rank(model: nn.Module | None) -> float | None:
    """Mean over the weight matrices of the squared Frobenius norm against the squared spectral norm, of full rank."""
    layers = [m for m in (model.modules() if model else ()) if isinstance(m, LAYERS)]
    matrices = [layer.weight.detach().flatten(1).float() for layer in layers]
    matrices = [w for w in matrices if min(w.shape) > 1 and w.numel() <= MOST_RANKED and bool(w.any())]
    if not matrices:
        return None
    shares = [float((w.norm() / torch.linalg.matrix_norm(w, 2)) ** 2) / min(w.shape) for w in matrices]
    return float(np.mean(shares))


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
