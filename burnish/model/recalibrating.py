"""Norms put in the place of others in a trained network: brought as close to the former function as they can be.

No norm of another kind computes what was there: what it normalizes over differs from example to example, or no more.
What can be kept is, for each channel, the mean and deviation of what the norm gives; they are matched from the first
norm to the last, each on what the norms before it now give. Then scale and shift of all together take a few steps
towards the outputs that the network had. Nothing else is touched, and no targets are needed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from burnish.model.backward import backward, sound_group_norms
from burnish.model.normalization import evaluating, set_affine, set_statistics
from burnish.model.roles import is_batch_norm

__all__ = ["recalibrate"]

STEPS, ROWS, RATE = 40, 16, 0.01  # rows of each step; the rate falls to zero
LEAST = 1e-8  # variance of a channel that counts as one


def recalibrate(network: nn.Module, wanted: Mapping[str, Tensor], outputs: Any, inputs: Tensor) -> None:
    """Match the norms of `network` in place to what was there before them.

    Args:
        network: A copy whose norms have been exchanged.
        wanted: Path of each new norm -> what stood there gave for `inputs`.
        outputs: What the network gave for `inputs`; only where it is a tensor steps are taken towards it.
        inputs: Probe, `(B, ...)`.
    """
    norms: dict[str, Any] = {path: network.get_submodule(path) for path in wanted}
    with evaluating(network):
        handles = [norms[path].register_forward_pre_hook(_matching(target)) for path, target in wanted.items()]
        network(inputs)
        for handle in handles:
            handle.remove()
    affine = [p for norm in norms.values() for p in (norm.weight, norm.bias) if p is not None]
    if affine and isinstance(outputs, Tensor):
        with sound_group_norms():
            _approach(network, affine, outputs, inputs)


def _matching(target: Tensor) -> Callable[..., None]:
    def match(norm: Any, args: tuple[Tensor, ...]) -> None:
        if is_batch_norm(norm):
            set_statistics(norm, args[0])
        if norm.weight is None:
            return
        set_affine(norm, torch.ones_like(norm.weight), torch.zeros_like(norm.bias))
        plain = type(norm).forward(norm, args[0])
        x, y = (t.double().transpose(0, 1).flatten(1) for t in (plain, target))
        x_mean, y_mean = x.mean(1), y.mean(1)
        x_spread, y_spread = x.var(1, unbiased=False), y.var(1, unbiased=False)
        sign = torch.where(((x - x_mean[:, None]) * (y - y_mean[:, None])).sum(1) < 0, -1.0, 1.0)
        weight = sign * torch.where(x_spread > LEAST, y_spread / x_spread.clamp_min(LEAST), 1.0).sqrt()
        set_affine(norm, weight, y_mean - weight * x_mean)

    return match


def _approach(network: nn.Module, affine: list[nn.Parameter], outputs: Tensor, inputs: Tensor) -> None:
    """Steps of Adam on scale and shift alone; taken back where the probe's outputs came no closer."""
    before, start = [p.detach().clone() for p in affine], _distance(network, outputs, inputs)
    with _training_only(network, affine):
        optimizer = torch.optim.Adam(affine, lr=RATE)
        for step in range(STEPS):
            rows = torch.arange(step * ROWS, (step + 1) * ROWS) % len(inputs)
            optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
            optimizer.zero_grad()
            backward((network(inputs[rows]) - outputs[rows]).square().mean(), network)
            optimizer.step()
    if not _distance(network, outputs, inputs) < start:
        with torch.no_grad():
            for parameter, value in zip(affine, before, strict=True):
                parameter.copy_(value)


def _distance(network: nn.Module, outputs: Tensor, inputs: Tensor) -> float:
    with evaluating(network):
        return float((network(inputs) - outputs).square().mean())


@contextmanager
def _training_only(network: nn.Module, chosen: list[nn.Parameter]) -> Iterator[None]:
    """Eval mode, and gradients for `chosen` alone; modes and flags come back."""
    flags = [(p, p.requires_grad) for p in network.parameters()]
    with evaluating(network), torch.enable_grad():
        try:
            for parameter, _ in flags:
                parameter.requires_grad_(False)
            for parameter in chosen:
                parameter.requires_grad_(True)
            yield
        finally:
            for parameter, flag in flags:
                parameter.requires_grad_(flag)
                parameter.grad = None
