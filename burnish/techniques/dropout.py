"""Dropout at the right places.

Units that cannot rely on one another learn features that are useful on their own. Single elements are dropped
where features are separate, whole channels where maps come from convolutions.

Helps: wide dense layers and few examples; the training score is far above the validation score.
Does not: the network underfits, is small, or has batch norm behind the dropped values.
Costs: more epochs; nothing in serving.

Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014;
channels: Tompson et al., "Efficient Object Localization Using Convolutional Networks", CVPR 2015, arXiv:1411.4280;
residual branches: Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016, arXiv:1605.07146.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from burnish.errors import NotApplicable
from burnish.model.account import left
from burnish.model.regularization import DropoutPlace, dropout_places
from burnish.model.surgery import Probe, wrapped
from burnish.model.tracing import trace
from burnish.plan import Plan

__all__ = ["Dropout", "with_dropout"]

_BY_SPATIAL: tuple[type[Any], ...] = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def with_dropout(model: nn.Module, *, probe: Probe, rate: float = 0.2) -> nn.Module:
    """Return a copy of `model` that drops the share `rate` where dropout belongs.

    Dropout layers that exist get the new rate (those of attention and stacked recurrent layers where theirs is
    above 0); new ones are added where there is none. `burnish.model.regularization` says where. Dropout written
    as a function in a `forward` keeps its rate. In eval mode the network computes what it did.

    Args:
        model: Any network. It is not modified.
        probe: Inputs to run it on.
        rate: Share to drop, in [0, 1). With 0, existing layers stop dropping and none is added.

    Raises:
        ValueError: `rate` is out of range.
        NotApplicable: there is no place for dropout, or all of it is there at this rate.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> with_dropout(net, probe=Probe(inputs=torch.randn(3, 4)), rate=0.1)[1].after
        Dropout(p=0.1, inplace=False)
    """
    _check(rate)
    network, changed = _adjusted(model, rate)
    places = dropout_places(trace(model, probe.few)) if rate > 0 else ()
    if rate > 0 and not places and not changed:
        raise NotApplicable(
            "no place for dropout: the network has no hidden activation before a layer that takes its result alone, "
            f"or drops {rate:g} there already"
        )
    after = {place.path: _maker(place, rate) for place in places if place.after}
    before = {place.path: _maker(place, rate) for place in places if not place.after}
    return wrapped(network, after=after, before=before) if places else network


def _check(rate: float) -> None:
    if not 0 <= rate < 1:
        raise ValueError(f"rate must be in [0, 1), got {rate}")


def _maker(place: DropoutPlace, rate: float) -> Callable[[nn.Module], nn.Module]:
    return lambda layer: _BY_SPATIAL[place.spatial](rate)


def _adjusted(model: nn.Module, rate: float) -> tuple[nn.Module, bool]:
    """A copy whose own dropout layers have the rate `rate`, and whether any had another."""
    network, changed = copy.deepcopy(model), False
    for path, module in network.named_modules():
        if not isinstance(module, _DropoutNd | nn.MultiheadAttention | nn.RNNBase):
            continue
        name = "p" if isinstance(module, _DropoutNd) else "dropout"
        if name == "dropout" and module.dropout == 0:
            left(path, "it drops nothing inside, and that stays")
        elif getattr(module, name) == rate:
            left(path, f"drops {rate:g} already")
        else:
            setattr(module, name, rate)
            changed = True
    return network, changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Dropout between hidden layers, of elements or of channels. Changes: `plan.model`.

    Attributes:
        rate: Share that is dropped; 0 switches existing dropout off and adds none.
    """

    rate: float = 0.2

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"rate": 0.2}, {"rate": 0.1}, {"rate": 0.4})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Srivastava et al. 2014, JMLR 15"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self.rate)

    def __call__(self, plan: Plan) -> Plan:
        return plan.edit_model(partial(with_dropout, rate=self.rate))
