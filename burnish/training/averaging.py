"""The running average of a network's weights, and batch statistics estimated anew.

Source: exponential moving average, Polyak and Juditsky 1992; batch statistics of
an averaged network, Izmailov et al. 2018, arXiv:1803.05407.
"""

import copy
from collections.abc import Collection, Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["Average", "reestimate_batch_norm"]


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

    def network(self, model: nn.Module) -> nn.Module:
        """A copy of `model` that carries the average."""
        averaged = copy.deepcopy(model)
        averaged.load_state_dict(self.state)
        return averaged


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
