"""One training on several processes: each computes its rows of every batch, gradients are averaged.

The batch stays what it is with one process, and so does the result but for rounding: losses and gradients are means
over the whole batch. Batch statistics are those of each rank's rows on the CPU, and of the whole batch on CUDA.

Source: Li et al., "PyTorch Distributed", VLDB 2020, arXiv:2006.15704.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn

__all__ = ["ALONE", "Group", "current", "together"]

_together = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that measures and writes."""
        return self.rank == 0

    def part(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        """The rows of a batch for this rank, and what its mean counts in the mean of ranks.

        Where there are not two rows for each, all take the whole batch.
        """
        if self.size == 1 or len(x) < 2 * self.size:
            return x, y, 1.0
        mine = x[self.rank :: self.size]
        return mine, y[self.rank :: self.size], len(mine) * self.size / len(x)

    def prepared(self, network: nn.Module, place: torch.device) -> nn.Module:
        """`network` with batch statistics over all ranks, where the device can do that."""
        if self.size == 1 or place.type != "cuda":
            return network
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)

    def forward(self, network: nn.Module) -> nn.Module:
        """What computes the outputs so that gradients are averaged; made anew for an epoch, as layers may be freed."""
        if self.size == 1:
            return network
        place = next(network.parameters()).device
        devices = [place] if place.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices, find_unused_parameters=True)

    def mean(self, value: torch.Tensor) -> float:
        """The mean of `value` over the ranks."""
        value = value.detach().clone()
        if self.size > 1:
            distributed.all_reduce(value)
        return float(value) / self.size

    def from_first(self, compute: Callable[[], Any]) -> Any:
        """What `compute` gives in the first rank, in all of them."""
        if self.size == 1:
            return compute()
        box = [compute() if self.first else None]
        distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]


ALONE = Group()


def current() -> Group:
    """The group that trains together now; `ALONE` outside `together`."""
    if not _together:
        return ALONE
    return Group(rank=distributed.get_rank(), size=distributed.get_world_size())


@contextlib.contextmanager
def together() -> Iterator[Group]:
    """Trainings in the block are done by all ranks of the process group; all must do the same ones."""
    global _together
    _together = True
    try:
        yield current()
    finally:
        _together = False
