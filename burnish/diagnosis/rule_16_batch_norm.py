"""R16: batch statistics of batches too small, or that do not fit what the network sees afterwards."""

import math

import numpy as np
import torch

from burnish.data.data import Split
from burnish.diagnosis.batches import device_of, norm_layers, quiet_copy, seeded, some_rows, tensors
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.predict import evaluating
from burnish.losses import Loss
from burnish.records import Finding

__all__ = ["check"]

ROWS = 1024
RULE = Rule(
    id="R16",
    title="batch statistics",
    source="Wu and He, arXiv:1803.08494 (batches of 8 and fewer); difference of 10 % heuristic",
    remedies=("GroupNorm", "larger batches", "estimate the batch statistics again after training"),
    chance=0.5,
)
SMALL_HEADROOM = (
    0.4  # share of the error: 10.6 of 34.7 points at batches of 2 in Wu and He, rounded up for small networks
)


def check(subject: Subject) -> Finding:
    """Batch size where there is batch normalization, and how the loss differs between batch and running statistics."""
    if subject.plan is None:
        return RULE.cannot_tell("there is no plan, so the batch size is not known.")
    size = subject.plan.batch_size
    layers = norm_layers(subject.model if subject.model is not None else subject.plan.probe())
    if not layers:
        return RULE.clear(None, None, "the network has no batch normalization.")
    small, seen = subject.thresholds.small_batch, f"{len(layers)} batch normalizations see batches of {size}."
    if size <= small:
        lost = (subject.left * SMALL_HEADROOM * 2 / size, "of the error, lost to noisy statistics")
        return RULE.fires(size, small, seen, lost=lost)
    if subject.model is None:
        return RULE.clear(size, small, seen)
    batch, running, error = _losses(subject, size)
    apart = abs(running - batch) / max(batch, 1e-9)
    said = f"loss {batch:.3g} with the statistics of batches of {size}, {running:.3g} with the running ones."
    limits = subject.thresholds
    noise = max(limits.standard_errors * error, limits.mode_least_loss)
    figure = {"kind": "bars", "labels": ["batch statistics", "running statistics"], "values": [batch, running]}
    tell = RULE.judge(apart > limits.mode_difference and abs(running - batch) > noise)
    lost = (subject.left * min(apart, 1.0), "of the error, as far as the loss differs")
    return tell(apart, limits.mode_difference, said, lost=lost, figure=figure | {"unit": "loss"})


def _losses(subject: Subject, size: int) -> tuple[float, float, float]:
    """Mean loss on training rows with batch statistics and with running ones, and the error of their difference."""
    model, data = subject.model, subject.data
    assert model is not None
    device = device_of(model)
    inputs, targets = tensors(data, _shuffled(subject), device)
    loss, train = Loss(name=data.task.default_loss), quiet_copy(model)
    with seeded(), torch.no_grad():
        parts = [
            (x, y)
            for x, y in zip(inputs.split(size), targets.split(size), strict=True)
            if len(x) > subject.thresholds.small_batch
        ]
        batched = [loss.per_example(train(x), y) for x, y in parts]
        with evaluating(model):
            evaluated = [loss.per_example(model(x), y) for x, y in parts]
    first, second = torch.cat(batched).double(), torch.cat(evaluated).double()
    difference = (second - first).std() / math.sqrt(len(first))
    return float(first.mean()), float(second.mean()), float(difference)


def _shuffled(subject: Subject) -> Split:
    split = some_rows(subject.data.train, ROWS)
    return split.take(np.random.default_rng(0).permutation(len(split)))
