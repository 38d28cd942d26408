"""Learning-rate range test: how large a rate this network bears, in about a hundred steps.

The rate grows exponentially from step to step on one throw-away copy of the
network; the suggestion is a tenth of the rate at which the smoothed loss was
lowest. Source: Smith, "Cyclical Learning Rates", WACV 2017, arXiv:1506.01186.
"""

import copy
import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch

from burnish.data.data import Data
from burnish.model.backward import backward
from burnish.plan import Plan
from burnish.training.feed import batches
from burnish.training.loop import device_for
from burnish.training.optimizers import build_optimizer, set_rate
from burnish.training.seeds import kept_randomness, seed_everything

__all__ = ["RangeTest", "range_test"]

LOWEST, HIGHEST = 1e-5, 1.0
DIVERGED = 4.0  # stop when the smoothed loss is this many times its minimum
SMOOTHING = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTest:
    """Rates tried, the smoothed losses there, and the suggested rate."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def range_test(
    plan: Plan, *, seed: int = 0, data: Data | None = None, steps: int = 100, device: str = "auto"
) -> RangeTest:
    """Run the range test of `plan`; nothing of it stays: not in the network, nor in any random generator.

    Args:
        plan: Its network, loss, optimizer and batch size are used; its learning rate is not.
        seed: Seed of initialization and order.
        data: The split to use; the plan's own by default.
        steps: Steps from the lowest to the highest rate.
        device: Where to run.
    """
    with kept_randomness():
        return _tested(plan, seed, data or plan.data, steps, device_for(device))


def _tested(plan: Plan, seed: int, data: Data, steps: int, place: torch.device) -> RangeTest:
    bare = replace(plan, batch=())
    seed_everything(seed, "range")
    network = copy.deepcopy(plan.build(seed)).to(place).train()
    optimizer = build_optimizer(plan.optimizer, network, plan.freeze)
    rates = [LOWEST * (HIGHEST / LOWEST) ** (i / (steps - 1)) for i in range(steps)]
    smooth, losses = 0.0, []
    epochs = (batches(bare, data, seed=seed, epoch=e, device=place) for e in itertools.count())
    for i, (x, y) in enumerate(itertools.islice(itertools.chain.from_iterable(epochs), steps)):
        set_rate(optimizer, rates[i])
        loss = _step(plan, network, optimizer, x, y)
        if not math.isfinite(loss):
            break
        smooth = SMOOTHING * smooth + (1 - SMOOTHING) * loss
        losses.append(smooth / (1 - SMOOTHING ** (i + 1)))
        if i > 10 and losses[-1] > DIVERGED * min(losses):
            break
    lowest = rates[int(np.argmin(losses))] if losses else LOWEST * 10
    suggestion = float(np.clip(lowest / 10, LOWEST * 3, HIGHEST / 10))
    return RangeTest(rates=tuple(rates[: len(losses)]), losses=tuple(losses), suggestion=suggestion)


def _step(
    plan: Plan, network: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor
) -> float:
    assert plan.loss is not None
    loss_function = plan.loss

    def closure() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(network(x), y)
        backward(loss, network)
        return loss

    return float(cast(torch.Tensor, optimizer.step(cast(Any, closure))).detach())
