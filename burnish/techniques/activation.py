"""Another activation in the hidden layers.

ReLU cuts the gradient of negative values, and a unit that is never positive learns no more. Smooth activations
let some of it through; bounded ones (sigmoid, tanh) saturate and make deep networks slow to train. Which one
suits depends on the network, so it is measured.

Helps: networks with sigmoid or tanh between their layers, whose gradients fade, and networks with many units that are
    always zero.
Does not: a modern activation is exchanged for another one; differences are then small and of either sign.
Costs: GELU, SiLU and Mish take longer than ReLU, in training and in serving.

Source: Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, arXiv:1606.08415; SiLU: Elfwing, Uchibe
and Doya, Neural Networks 107, 2018, arXiv:1702.03118; Mish: Misra, BMVC 2020, arXiv:1908.08681; leaky ReLU: Maas,
Hannun and Ng, ICML workshop 2013; ELU: Clevert, Unterthiner and Hochreiter, ICLR 2016, arXiv:1511.07289.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import nn

from burnish.model.activations import FUNCTIONS, swapped
from burnish.model.surgery import Probe
from burnish.plan import Plan

__all__ = ["Activation", "with_activation"]


def with_activation(model: nn.Module, *, probe: Probe, name: str = "gelu") -> nn.Module:
    """Return a copy of `model` whose hidden activations are `name`, modules and functions alike.

    Gates, recurrent cells and what comes after the last layer stay; `burnish.model.activations.swapped` says what
    else. The function of a trained network changes: train it further.

    Args:
        model: Any network. It is not modified.
        probe: Inputs to run it on.
        name: `sigmoid`, `tanh`, `relu`, `leaky_relu`, `elu`, `gelu`, `silu` or `mish`.

    Raises:
        ValueError: `name` is none of these.
        NotApplicable: there is nothing to exchange, or it cannot be done without changing more than that.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Sigmoid())
        >>> with_activation(net, probe=Probe(inputs=torch.randn(3, 4)), name="silu")
        Sequential(
          (0): Linear(in_features=4, out_features=8, bias=True)
          (1): SiLU()
          (2): Linear(in_features=8, out_features=2, bias=True)
          (3): Sigmoid()
        )
    """
    _check(name)
    return swapped(model, probe.few, name)


def _check(name: str) -> None:
    if name not in FUNCTIONS:
        raise ValueError(f"name must be one of {', '.join(FUNCTIONS)}, got {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Another activation in the hidden layers. Changes: `plan.model`.

    Attributes:
        name: `sigmoid`, `tanh`, `relu`, `leaky_relu`, `elu`, `gelu`, `silu` or `mish`.
    """

    name: str = "gelu"

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, str], ...]] = ({"name": "gelu"}, {"name": "silu"}, {"name": "leaky_relu"})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Hendrycks and Gimpel 2016, arXiv:1606.08415"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.name)

    def __call__(self, plan: Plan) -> Plan:
        return plan.edit_model(partial(with_activation, name=self.name))
