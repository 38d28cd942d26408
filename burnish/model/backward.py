"""The backward pass, past two kernels that reach outside their memory.

On the CPU, oneDNN up to at least 3.12 (in torch 2.13) gets the gradient of the weights of a strided convolution of size
1 wrong where its inputs lie in channels-last order and have fewer channels than a vector holds numbers: it writes past
its workspace, and the process dies or goes on with wrong gradients (uxlfoundation/oneDNN#6035). In two lines:

    conv = nn.Conv2d(4, 16, 1, stride=2).to(memory_format=torch.channels_last)
    conv(torch.randn(12, 4, 8, 8).to(memory_format=torch.channels_last)).sum().backward()

Only the backward pass of such networks goes without oneDNN: which kernel computes a gradient is decided there.

torch 2.13's own group norm dies on the CPU where its inputs lie in channels-last order and need no gradient themselves,
as pictures do, and what frozen layers give:

    x = torch.randn(8, 16, 8, 8).to(memory_format=torch.channels_last)
    nn.GroupNorm(4, 16)(x).sum().backward()
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["backward", "sound_group_norms"]

_VECTOR = 16  # float32 numbers in a vector of AVX-512; one of AVX2 holds 8


def backward(loss: Tensor, network: nn.Module) -> None:
    """Call `loss.backward()`, with kernels that keep to their memory.

    Args:
        loss: Computed with `network`.
        network: Whose layers decide which kernels may be used.
    """
    sound = loss.device.type != "cpu" or not any(_overruns(module) for module in network.modules())
    with contextlib.nullcontext() if sound else _without_onednn():
        loss.backward()


@contextlib.contextmanager
def sound_group_norms() -> Iterator[None]:
    """Within, group norms get inputs in an order their gradient can be computed for: modules and `F.group_norm`."""
    before = functional.group_norm

    def in_order(input: Tensor, *args: Any, **named: Any) -> Tensor:
        return before(input if input.requires_grad else input.contiguous(), *args, **named)

    functional.group_norm = in_order
    try:
        yield
    finally:
        functional.group_norm = before


def _overruns(module: nn.Module) -> bool:
    """Whether oneDNN may write past its memory for this layer; in which order its inputs lie is not known before."""
    return (
        isinstance(module, nn.Conv2d)
        and set(module.kernel_size) == {1}
        and set(module.stride) != {1}
        and module.in_channels // module.groups < _VECTOR
    )


@contextlib.contextmanager
def _without_onednn() -> Iterator[None]:
    # `torch.backends.mkldnn.flags` also sets TF32, and warns where there is no GPU that has it
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)
