"""More channels and units, in a network that computes what it did.

A network that is good already may gain by width, but starting anew throws away what it has learned. New channels begin
as copies of old ones, and the layers behind share the old weight out among the copies, so that nothing changes. The
shares are slightly unequal: copies with equal shares would get equal gradients and stay copies for ever.

Helps: a network that fits well and whose training score still rises with size.
Does not: it overfits already: a larger network overfits more.
Costs: operations grow with the square of the factor, in training and serving.

Source: Chen, Goodfellow and Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016,
arXiv:1511.05641.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable
from burnish.model.account import left
from burnish.model.surgery import Probe
from burnish.model.tracing import trace
from burnish.model.widths import Channels, computes_the_same, follow, in_double, widened
from burnish.plan import Plan

__all__ = ["Widen", "widen"]

SHOWN = 3  # reasons that an error tells


def widen(
    model: nn.Module, *, probe: Probe | Tensor, factor: float = 1.5, noise: float = 0.1, fresh: bool = False
) -> nn.Module:
    """Return a copy of `model` with `factor` times the channels, which computes the same in eval and in train mode.

    Channels tied by additions (residual streams) become more together; batch norms, depthwise convolutions and
    concatenations go along. Left alone, with what they are tied to: outputs, inputs, grouped convolutions, recurrent
    layers, attention, and whatever normalizes over channels (layer and group norm). What was found is proved on
    the probe in double precision; what fails is left alone too.

    Args:
        model: Any network. It is not modified.
        probe: Inputs to run it on; where it says that the weights are not to be kept, `fresh` follows.
        factor: How many times the channels.
        noise: By how much the shares of copies differ from equal ones, relatively. The function does not depend on it.
        fresh: Draw the weights of new channels anew, for an untrained network; the function then changes.

    Raises:
        ValueError: `factor` is not above 1, or `noise` is negative.
        NotApplicable: no layer's channels can become more; the message says why.

    Example:
        >>> net, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).double(), torch.randn(3, 4).double()
        >>> wider = widen(net, probe=x, factor=2)
        >>> wider[0].out_features, torch.allclose(wider(x), net(x))
        (16, True)
    """
    _check(factor, noise)
    probe = Probe.of(probe)
    inputs = probe.few
    channels = follow(model, trace(model, inputs))
    with torch.random.fork_rng(devices=[]):
        groups = _proved(model, channels, inputs)
        for path, why in channels.fixed.items():
            if not path.startswith("#"):
                left(path, why)
        for path in (path for path in channels.free if path not in groups):
            left(path, "wider, the network would compute something else, or fail")
        return widened(model, channels, groups, factor, noise=noise, fresh=fresh or not probe.trained)


def _proved(model: nn.Module, channels: Channels, inputs: Tensor) -> tuple[str, ...]:
    """Groups of layers that can become wider; where not all can together, those that can by themselves.

    Raises:
        NotApplicable: there are none.
    """
    exact = in_double(model, inputs)

    def same(groups: tuple[str, ...]) -> bool:
        return computes_the_same(exact, widened(exact, channels, groups, 1.5, noise=0.1, fresh=False), inputs)

    groups = tuple(channels.free)
    if groups and same(groups):
        return groups
    alone = tuple(group for group in groups if same((group,)))
    if not alone or not same(alone):
        raise NotApplicable(_why(channels))
    return alone


def _why(channels: Channels) -> str:
    reasons = [f"{path}: {why}" for path, why in channels.fixed.items() if not path.startswith("#")][:SHOWN]
    reasons += [f"{path}: the network then computes something else, or fails" for path in channels.free][:SHOWN]
    return f"no layer's channels can become more: {'; '.join(reasons) or 'it has no convolution or linear layer'}"


def _check(factor: float, noise: float) -> None:
    if not 1 < factor < float("inf"):
        raise ValueError(f"factor must be above 1, got {factor}")
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise must be 0 or more, got {noise}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Widen:
    """More channels that begin as copies of those that are there. Changes: `plan.model`.

    Attributes:
        factor: How many times the channels.
        noise: By how much the shares of copies differ from equal ones; the function does not depend on it.
    """

    factor: float = 1.5
    noise: float = 0.1

    kind: ClassVar[str] = "gate"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"factor": 1.5}, {"factor": 2.0})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Chen et al. 2016, arXiv:1511.05641"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.factor, self.noise)

    def __call__(self, plan: Plan) -> Plan:
        return plan.edit_model(partial(widen, factor=self.factor, noise=self.noise))
