"""Residual connections: layers that learn what to add to their input.

Deep networks without shortcuts are hard to train: gradients shrink from layer to layer, and even the
identity has to be learned. With a shortcut past every pair of layers it is there from the start.

Helps: plain networks so deep that they train badly.
Does not: shallow networks, and shapes that change at every layer.
Costs: an addition a layer, and the memory of what it adds.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385; the learned number
that starts at zero: Bachlechner et al., "ReZero is All You Need", UAI 2021, arXiv:2003.04887.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import nn

from burnish.errors import NotApplicable
from burnish.model.places import Place
from burnish.model.shortcuts import Join, Span, Tap, spans
from burnish.model.surgery import Probe, wrapped
from burnish.model.tracing import trace
from burnish.plan import Plan

__all__ = ["Residual", "with_residual"]


def with_residual(model: nn.Module, *, probe: Probe) -> nn.Module:
    """Return a copy of `model` with shortcuts past its layers, wherever values go one way only.

    `burnish.model.shortcuts` says where. A new network starts with the shortcuts alone: each layer's share has a
    learned weight that is zero at first. In a trained one the shortcut has that weight, so that its function stays.

    Args:
        model: Any network. It is not modified.
        probe: Inputs to run it on, and whether its weights are to be kept.

    Raises:
        NotApplicable: there is no layer to lead past: all have shortcuts, or change the shape so that none fits.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> with_residual(net, probe=Probe(inputs=torch.randn(3, 4)))[3].after
        Join(trained=False)
    """
    places = spans(trace(model, probe.few))
    if not places:
        raise NotApplicable(
            "no layer to lead past: hidden layers have shortcuts already, are used in more than one way, or change "
            "the shape of maps by other than whole strides"
        )
    makers: dict[Place, list[Callable[[], nn.Module]]] = defaultdict(list)
    for span in places:
        tap = Tap()
        makers[span.end].insert(0, partial(_joining, span, tap, probe.trained))
        makers[span.start].append(partial(_itself, tap))
    return wrapped(model, after=_made(makers, after=True), before=_made(makers, after=False))


def _made(makers: dict[Place, list[Callable[[], nn.Module]]], *, after: bool) -> dict[str, Any]:
    return {place.path: partial(_together, make) for place, make in makers.items() if place.after == after}


def _together(makers: list[Callable[[], nn.Module]], _layer: nn.Module) -> nn.Module:
    """A sum first, then where the next shortcut starts."""
    parts = [make() for make in makers]
    return parts[0] if len(parts) == 1 else nn.Sequential(*parts)


def _joining(span: Span, tap: Tap, trained: bool) -> nn.Module:
    return Join(tap, span.projection(), trained=trained)


def _itself(tap: Tap) -> nn.Module:
    return tap


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Shortcuts past layers that have none. Changes: `plan.model`."""

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "He et al. 2016, arXiv:1512.03385"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __call__(self, plan: Plan) -> Plan:
        return plan.edit_model(with_residual)
