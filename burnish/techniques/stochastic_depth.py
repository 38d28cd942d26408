"""Stochastic depth: residual branches that are left out at random while training.

A network in which any branch may be missing trains as many shallower ones that share their weights: gradients
reach the first layers by shorter ways, and no branch can rely on another. The chance to be left out rises from the
first branch to the last. In eval mode all branches are there.

Helps: deep residual networks that overfit.
Does not: shallow ones, or ones that underfit.
Costs: saves time in training; nothing in serving.

Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, arXiv:1603.09382.
"""

import copy
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable
from burnish.model.account import left
from burnish.model.branches import Branch, branches, endings
from burnish.model.places import giving
from burnish.model.surgery import Probe, wrapped
from burnish.model.tracing import Trace, trace
from burnish.plan import Plan

__all__ = ["DropBranch", "StochasticDepth", "drop_branch", "with_stochastic_depth"]

_RATES = {"StochasticDepth": "p", "DropPath": "drop_prob", "DropBranch": "rate"}  # of torchvision, timm and here


def drop_branch(x: Tensor, rate: float) -> Tensor:
    """`x`, `(B, ...)`, with each example set to zero with probability `rate` and the others scaled to the same mean.

    Example:
        >>> drop_branch(torch.ones(2, 3), 0.0)
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    kept = torch.empty(len(x), *[1] * (x.ndim - 1), dtype=x.dtype, device=x.device).bernoulli_(1 - rate)
    return x * kept / (1 - rate)


class DropBranch(nn.Module):
    """`drop_branch` while training; nothing in eval mode."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return drop_branch(x, self.rate) if self.training and self.rate > 0 else x

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}"


def with_stochastic_depth(model: nn.Module, *, probe: Probe, rate: float = 0.1) -> nn.Module:
    """Return a copy of `model` whose residual branches are left out at random while training.

    Branch k of n is left out with probability `rate * k / n`, for each example alone. Layers of this kind that are
    there already (torchvision's, timm's) get these rates. In eval mode the network computes what it did.

    Args:
        model: Any network. It is not modified.
        probe: Inputs to run it on.
        rate: Chance of the last branch, in [0, 1). With 0, existing layers stop dropping and none is added.

    Raises:
        ValueError: `rate` is out of range.
        NotApplicable: the network has no residual branch that could be left out.
    """
    _check(rate)
    seen = trace(model, probe.few)
    fewer = trace(model, probe.few[: len(probe.few) // 2]) if len(probe.few) > 1 else seen
    dropping = {path for path, module in model.named_modules() if type(module).__name__ in _RATES}
    found = {b.sum: _place(seen, fewer, dropping, b) for b in branches(seen)}
    places = [path for path in found.values() if path is not None]
    for total in (total for total, path in found.items() if path is None):
        left(seen.calls[total].path, "no module marks its residual branch alone, or examples are not along it")
    if not places:
        raise NotApplicable(
            "no residual branch to leave out: no sum of a shortcut and of layers whose result goes nowhere else"
        )
    rates = {path: rate * (k + 1) / len(places) for k, path in enumerate(dict.fromkeys(places))}
    network = copy.deepcopy(model)
    for path in dropping & set(rates):
        layer = network.get_submodule(path)
        setattr(layer, _RATES[type(layer).__name__], rates[path])
    added = {path: partial(_made, share) for path, share in rates.items() if path not in dropping and rate > 0}
    return wrapped(network, after=added)


def _check(rate: float) -> None:
    if not 0 <= rate < 1:
        raise ValueError(f"rate must be in [0, 1), got {rate}")


def _made(rate: float, _layer: nn.Module) -> nn.Module:
    return DropBranch(rate)


def _place(seen: Trace, fewer: Trace, dropping: set[str], branch: Branch) -> str | None:
    """The module that ends a branch: a layer that drops branches where there is one, else the last that gives it."""
    for end in endings(seen, branch):
        existing = next((path for path in dropping if end in seen.exits.get(path, ())), None)
        path = existing or giving(seen, end)
        if path is not None:
            return path if existing or _rows_first(seen, fewer, end) else None
    return None


def _rows_first(seen: Trace, fewer: Trace, index: int) -> bool:
    """Whether the examples are along the first dimension: it shrinks as they do."""
    if len(seen.calls) != len(fewer.calls):
        return False
    return all(t.calls[index].shape[:1] == t.calls[0].shape[:1] for t in (seen, fewer))


@dataclass(frozen=True, slots=True, kw_only=True)
class StochasticDepth:
    """Residual branches left out at random while training. Changes: `plan.model`.

    Attributes:
        rate: Chance of the last branch to be left out; 0 switches existing layers off and adds none.
    """

    rate: float = 0.1

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"rate": 0.1}, {"rate": 0.2}, {"rate": 0.5})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Huang et al. 2016, arXiv:1603.09382"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self.rate)

    def __call__(self, plan: Plan) -> Plan:
        return plan.edit_model(partial(with_stochastic_depth, rate=self.rate))
