"""The running average of a network's weights, and batch statistics estimated anew.

Source: exponential moving average, Polyak and Juditsky 1992; batch statistics of
an averaged network, Izmailov et al. 2018, arXiv:1803.05407.
"""

import copy
from collections.abc import Collection, Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from burnish.plan import Averaging

__all__ = ["Average", "EpochMean", "averager", "reestimate_batch_norm"]


class Average:
    """An exponential moving average of all floating-point state of `model`.

    The decay rises from 0.1 to `decay` as `(1 + t) / (10 + t)`, so that the start of a short training is forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights of `model` after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        floats, news = [], []
        for name, value in model.state_dict().items():
            mine = self.state[name]
            if mine.is_floating_point():
                floats.append(mine)
                news.append(value)
            else:
                mine.copy_(value)
        torch._foreach_lerp_(floats, news, 1 - decay)

    def after_step(self, model: nn.Module) -> None:
        """The moving average moves after each step of the optimizer."""
        self.update(model)

    def after_epoch(self, model: nn.Module, progress: float) -> None:
        """Called with the share of the training that is done; nothing happens here."""

    def network(self, model: nn.Module) -> nn.Module:
        """A copy of `model` that carries the average; of one that has not begun, the weights as they are."""
        averaged = copy.deepcopy(model)
        if self.steps:
            averaged.load_state_dict(self.state)
        return averaged


class EpochMean(Average):
    """The plain mean of all floating-point state of `model` after each epoch from the share `start` of training on.

    Source: Izmailov et al. 2018, arXiv:1803.05407.
    """

    def __init__(self, model: nn.Module, start: float) -> None:
        super().__init__(model, decay=1.0)
        self.start = start

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights of `model` with the weight of each earlier one."""
        self.steps += 1
        for name, value in model.state_dict().items():
            mine = self.state[name]
            if mine.is_floating_point():
                mine.lerp_(value, 1 / self.steps)
            else:
                mine.copy_(value)

    def after_step(self, model: nn.Module) -> None:
        """Steps within an epoch do not count."""

    def after_epoch(self, model: nn.Module, progress: float) -> None:
        """The mean takes in the weights, once the share `start` of the training is done; of the last epoch always."""
        if progress >= self.start - 1e-9:
            self.update(model)


def averager(model: nn.Module, averaging: Averaging) -> Average:
    """What keeps the average of `model` that `averaging` describes."""
    if averaging.kind == "swa":
        return EpochMean(model, averaging.start)
    return Average(model, averaging.decay)


@torch.no_grad()
def reestimate_batch_norm(model: nn.Module, batches: Iterable[torch.Tensor], *, keep: Collection[str] = ()) -> bool:
    """Set the running statistics of every batch norm in `model` to the mean over `batches`, in place.

    Those at the paths `keep` stay as they are: they are frozen.

    Returns:
        False when the network has no batch norm; then `batches` is not touched.
    """
    norms = [
        module
        for path, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats and path not in keep
    ]
    if not norms:
        return False
    momenta, was_training = [m.momentum for m in norms], model.training
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for x in batches:
        model(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)
    return True
