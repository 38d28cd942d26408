"""A network that computes as its int8 version will, and can be trained: rounding forward, straight through backward.

Where to round is read off the int8 file that the same network gives (`placement`), so what is trained is what ships.
The roundings are put on the network's calls while it runs: on functions as well as on modules, and on each
use of a shared module with a range of its own. The network itself stays as it is, with float weights.

Sources: Jacob et al. 2018, arXiv:1712.05877; learned ranges, Esser et al., "Learned Step Size Quantization", ICLR 2020,
arXiv:1902.08153, and Jain et al. 2020, arXiv:1903.08066; straight through, Bengio et al. 2013, arXiv:1308.3432.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from burnish.compression.calls import Calls, marked, unmarked, watched
from burnish.compression.placement import Placement

__all__ = ["Simulated", "fake_quantize", "fake_quantize_weight"]

STEPS = 255
TINY = 1e-12


class _FakeQuantize(torch.autograd.Function):
    """Values of 256 steps from `low` to `high`; the gradient passes inside and moves the ends outside."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        scale = ((high - low) / STEPS).clamp(min=TINY)
        zero = torch.round(-low / scale)
        ctx.save_for_backward(x, scale, zero)  # not the result: networks write into what they get
        return torch.fake_quantize_per_tensor_affine(x, scale, zero.to(torch.int32), 0, STEPS)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, scale, zero = ctx.saved_tensors
        out = torch.fake_quantize_per_tensor_affine(x, scale, zero.to(torch.int32), 0, STEPS)
        below, above = x < (-0.5 - zero) * scale, x > (STEPS + 0.5 - zero) * scale
        outside = below | above
        inside = gradients[0].masked_fill(outside, 0)
        share = (x.numel() * STEPS) ** -0.5  # a range has one gradient of many values: Esser et al., section 2.2
        rounding = (inside * (out - x)).sum() / (scale * STEPS)
        low = ((gradients[0] * below).sum() - rounding) * share
        high = ((gradients[0] * above).sum() + rounding) * share
        return inside, low, high


def fake_quantize(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`x` rounded to 256 steps between `low` (at most 0) and `high` (at least 0), of which zero is one.

    Backward, the gradient of `x` passes where `x` is inside; those of the ends are the straight-through ones,
    divided by the square root of the number of values times 255.

    Example:
        >>> fake_quantize(torch.tensor([-1.0, 0.3, 2.0]), torch.tensor(0.0), torch.tensor(1.0))
        tensor([0.0000, 0.2980, 1.0000])
    """
    return _FakeQuantize.apply(x, low, high)


def fake_quantize_weight(weight: Tensor, *, axis: int, limit: int) -> Tensor:
    """`weight` rounded to whole multiples, from `-limit` to `limit`, of a step for each slice along `axis`.

    The gradient passes unchanged: the largest weight sets the step, so none lies outside.
    """
    others = [dimension for dimension in range(weight.ndim) if dimension != axis]
    scale = (weight.detach().abs().amax(dim=others) / limit).clamp(min=TINY)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, axis, -limit, limit)


class Simulated(nn.Module):
    """`network` with the roundings of `placement`.

    Attributes:
        network: The float network, a copy; what is trained.
        log_low, log_high: Logarithms of what the ends of the ranges are multiplied with; trained as well.

    Args:
        network: A trained network. It is not modified.
        placement: Where the int8 file rounds, and the ranges to start from.
        limit: Largest weight in steps: 127, or 64 where weights have seven bits.
        freeze_after: Training steps after which batch norm uses its running statistics, as the file will.
    """

    low: Tensor
    high: Tensor
    steps: Tensor

    def __init__(self, network: nn.Module, placement: Placement, *, limit: int, freeze_after: int = 0) -> None:
        super().__init__()
        self.network = marked(copy.deepcopy(network))
        self.limit, self.freeze_after = limit, freeze_after
        self.places = {key: index for index, key in enumerate(placement.activations)}
        self.axes = dict(placement.weights)
        ends = torch.tensor([(low, high) for _, low, high in placement.activations.values()]).reshape(-1, 2)
        self.register_buffer("low", ends[:, 0].clone())
        self.register_buffer("high", ends[:, 1].clone())
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.log_low, self.log_high = (nn.Parameter(torch.zeros(len(ends))) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            if int(self.steps) == self.freeze_after + 1:
                self.train()
        ranges = list(zip(self.low * self.log_low.exp(), self.high * self.log_high.exp(), strict=True))

        def rounded(key: str, value: Tensor) -> Tensor:
            place = self.places.get(key)
            return value if place is None else fake_quantize(value, *ranges[place])

        def weight(key: str, value: Tensor) -> Tensor:
            axis = self.axes.get(key)
            return value if axis is None else fake_quantize_weight(value, axis=axis, limit=self.limit)

        with watched(Calls(value=rounded, weight=weight)):
            return self.network(rounded("input", x) if x.is_floating_point() else x)

    def train(self, mode: bool = True) -> "Simulated":
        """Set the mode; batch norm stays in evaluation mode once it is frozen."""
        super().train(mode)
        if mode and int(self.steps) > self.freeze_after:
            for module in self.network.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The ranges as they are now, by call."""
        with torch.no_grad():
            low, high = (self.low * self.log_low.exp()).tolist(), (self.high * self.log_high.exp()).tolist()
        return {key: (low[index], high[index]) for key, index in self.places.items()}

    def plain(self) -> nn.Module:
        """A copy of the network as it is, without roundings, in evaluation mode."""
        return unmarked(copy.deepcopy(self.network)).eval()
