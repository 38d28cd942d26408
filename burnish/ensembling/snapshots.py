"""Several networks from one training: the rate falls to zero and starts again, and each bottom is a member.

Source: Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017, arXiv:1704.00109.
"""

import copy
from dataclasses import replace

from torch import nn

from burnish.data.data import Data
from burnish.errors import BurnishError, UsageError
from burnish.plan import Plan, Schedule
from burnish.training.feed import steps_per_epoch
from burnish.training.loop import fit

__all__ = ["snapshots"]


def snapshots(
    plan: Plan, *, cycles: int = 3, seed: int = 0, data: Data | None = None, device: str = "auto"
) -> list[nn.Module]:
    """Train `plan` once in `cycles` equal parts and return the network at the end of each, in evaluation mode.

    Args:
        plan: What to train; its schedule is replaced by cosines that start again.
        cycles: Members.
        seed: Seed of the training.
        data: The split to use; the plan's own by default.
        device: Where to compute.

    Raises:
        UsageError: there are more cycles than epochs, or fewer than two.
        BurnishError: the training diverged.
    """
    if not 2 <= cycles <= plan.epochs:
        raise UsageError(f"cycles must be from 2 to the number of epochs ({plan.epochs}), got {cycles}")
    chosen = data or plan.data
    total = plan.epochs * steps_per_epoch(len(chosen.train), plan.batch_size)
    ends = {-(-total * cycle // cycles) for cycle in range(1, cycles + 1)}
    found: list[nn.Module] = []
    step = 0

    def look(network: nn.Module) -> None:
        nonlocal step
        step += 1
        if step in ends:
            found.append(copy.deepcopy(network).eval())

    cyclic = replace(plan, schedule=Schedule(kind="cosine", cycles=cycles), stopping=None, average=None)
    fitted = fit(cyclic, seed=seed, data=chosen, device=device, on_step=look)
    if fitted.status != "done":
        raise BurnishError("the training for snapshots diverged: the loss was not finite; give a smaller rate")
    return found
