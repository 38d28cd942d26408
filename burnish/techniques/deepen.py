"""More layers, in a network that computes what it did.

A network that is good already may gain by depth, but starting anew throws away what it has learned. A layer that
begins as the identity changes nothing, and training makes use of it from there. After an activation that leaves its
own results alone (ReLU) the new layer is an identity matrix or kernel; after any other (GELU, SiLU, tanh) it is a
branch beside the identity whose scale begins at zero.

Helps: a network that fits well and whose training score still rises with size.
Does not: it overfits already: a larger network overfits more.
Costs: more operations and bytes, in training and serving.

Source: Chen, Goodfellow and Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016,
arXiv:1511.05641; the scaled branch: Bachlechner et al., "ReZero is All You Need", UAI 2021, arXiv:2003.04887.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable
from burnish.model.account import left
from burnish.model.flow import activation_name, heads, hidden_activations, role
from burnish.model.normalization import batch_statistics, set_affine
from burnish.model.roles import ACTIVATIONS, dimensions, is_batch_norm, is_convolution
from burnish.model.surgery import Probe, Wrapped, outputs_at, wrapped
from burnish.model.tracing import Call, Trace, trace
from burnish.plan import Plan

__all__ = ["Deepen", "deepen"]

SETTLED = ("relu", "relu6")  # applied to their own results they change nothing
_CONVOLUTIONS: dict[int, type[Any]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORMS: dict[int, type[Any]] = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class ScaledBranch(nn.Module):
    """`x + scale * branch(x)`, where the scale begins at zero."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.branch(x)


def deepen(model: nn.Module, *, probe: Probe | Tensor, layers: int = 1) -> nn.Module:
    """Return a copy of `model` with `layers` more in each stage, which computes the same in eval mode.

    A stage is a run of layers at one resolution, and the new ones come behind the last of it that an activation
    follows directly or after its norm: convolutions behind convolutions (with the same groups), linear layers behind
    linear ones, also inside residual branches and in front of pooling. Where that norm is a batch norm the new layer
    has one too, set to undo the statistics of the probe. Recurrent cells, gates and output layers are left alone.

    Args:
        model: Any network. It is not modified.
        probe: Inputs to run it on.
        layers: New layers in each stage.

    Raises:
        ValueError: `layers` is below 1.
        NotApplicable: no convolution or linear layer is followed by a hidden activation.

    Example:
        >>> net, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval(), torch.randn(3, 4)
        >>> deeper = deepen(net, probe=x)
        >>> torch.equal(deeper(x), net(x)), len(list(deeper.parameters())) - len(list(net.parameters()))
        (True, 2)
    """
    _check(layers)
    probe = Probe.of(probe)
    places = _stage_ends(trace(model, probe.few))
    if not places:
        raise NotApplicable(
            "no convolution or linear layer is followed by a hidden activation, directly or after its norm, so no "
            "layer can begin as the identity (recurrent cells, gates and shared layers are left alone)"
        )
    values = outputs_at(model, [p.path for p in places if p.normalized], probe.inputs)
    make = {place.path: partial(_chain, place, values.get(place.path), layers) for place in places}
    with torch.random.fork_rng(devices=[]):
        network = wrapped(model, after=make)
    for layer in network.modules():
        if isinstance(layer, nn.TransformerEncoderLayer) and isinstance(layer.linear1, Wrapped):
            layer.activation_relu_or_gelu = 0  # its fused path would read the weights past what was put in
    return network


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A module whose result goes into a hidden activation and nowhere else.

    Attributes:
        path: The module: a layer, or the norm behind it.
        stage: What the layers of its stage have in common.
        channels: Of its result.
        kernel: Size of the new layer's kernel; empty for a linear layer.
        groups: Of its convolution.
        normalized: The module is a batch norm.
        activation: Makes the activation.
        settled: The activation changes its own results no more.
    """

    path: str
    stage: tuple[Any, ...]
    channels: int
    kernel: tuple[int, ...]
    groups: int
    normalized: bool
    activation: Callable[[], nn.Module]
    settled: bool


def _stage_ends(seen: Trace) -> list[_Place]:
    """The last place of each stage, in order."""
    places = [place for call in hidden_activations(seen) if (place := _place(seen, call)) is not None]
    found = [list(run)[-1] for _, run in groupby(places, key=lambda place: place.stage)]
    _say_why(seen, {place.path for place in places}, {place.path for place in found})
    return found


def _say_why(seen: Trace, possible: set[str], chosen: set[str]) -> None:
    """Of convolutions and linear layers behind which nothing is put."""
    ends = heads(seen)
    for call in seen.calls:
        if role(call) != "weights" or call.module is None:
            continue
        behind = {call.path, *(c.path for c in seen.consumers(call.index) if role(c) == "norm")}
        reasons = (
            ("an output layer", call.index in ends),
            ("recurrent or attention", not _plain(call)),
            ("used several times in one pass", seen.times(call.path) != 1),
            ("no hidden activation takes its result alone", not behind & possible),
            ("new layers go behind a later one of its stage", not behind & chosen),
        )
        why = next((why for why, holds in reasons if holds), "")
        if why:
            left(call.path, why)


def _place(seen: Trace, activation: Call) -> _Place | None:
    given = _only_giver(seen, activation)
    layer = _only_giver(seen, given) if given is not None and role(given) == "norm" else given
    if given is None or layer is None or layer.module is None or not _plain(layer):
        return None
    flat = isinstance(layer.module, nn.Linear)
    name = activation_name(activation)
    return _Place(
        path=given.path,
        stage=(type(layer.module), len(layer.shape)) if flat else layer.shape[2:],
        channels=layer.shape[-1 if flat else 1],
        kernel=() if flat else _kernel(layer),
        groups=1 if flat or layer.module.transposed else int(layer.module.groups),  # type: ignore[arg-type]
        normalized=is_batch_norm(given.module),
        activation=partial(_activation, activation.module, name),
        settled=name in SETTLED,
    )


def _only_giver(seen: Trace, call: Call) -> Call | None:
    """The module, called once, whose result `call` takes and nothing else does."""
    before = seen.producers(call.index)
    if len(before) != 1 or before[0].module is None or seen.times(before[0].path) != 1:
        return None
    alone = len(seen.consumers(before[0].index)) == 1 and before[0].index not in seen.outputs
    return before[0] if alone else None


def _plain(layer: Call) -> bool:
    if is_convolution(layer.module):
        return len(layer.shape) == dimensions(layer.module) + 2  # type: ignore[arg-type]
    return isinstance(layer.module, nn.Linear)


def _kernel(layer: Call) -> tuple[int, ...]:
    """Three wide where the layer looks at neighbours, one where it does not or there are none."""
    sizes = layer.module.kernel_size  # type: ignore[union-attr]
    return tuple(3 if size > 1 and wide > 1 else 1 for size, wide in zip(sizes, layer.shape[2:], strict=True))  # type: ignore


def _activation(module: nn.Module | None, name: str) -> nn.Module:
    made = copy.deepcopy(module) if module is not None else ACTIVATIONS.get(name, nn.ReLU)()
    if hasattr(made, "inplace"):
        made.inplace = False  # type: ignore[assignment]  # a branch needs the value that it begins with
    return made


def _chain(place: _Place, values: Tensor | None, layers: int, _module: nn.Module) -> nn.Module:
    """Activations and layers that change nothing, to stand before the activation that is there."""
    if not place.settled:
        return nn.Sequential(*(ScaledBranch(nn.Sequential(place.activation(), _layer(place))) for _ in range(layers)))
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [place.activation(), _identity(_layer(place, bias=values is None), place.groups)]
        if values is not None:
            parts.append(_identity_norm(place, place.activation()(values)))
    return nn.Sequential(*parts)


def _layer(place: _Place, *, bias: bool = True) -> Any:
    if not place.kernel:
        return nn.Linear(place.channels, place.channels, bias=bias)
    around = tuple(size // 2 for size in place.kernel)
    kind, width = _CONVOLUTIONS[len(place.kernel)], place.channels
    return kind(width, width, place.kernel, padding=around, groups=place.groups, bias=bias)


def _identity(layer: Any, groups: int) -> nn.Module:
    with torch.no_grad():
        nn.init.eye_(layer.weight) if isinstance(layer, nn.Linear) else nn.init.dirac_(layer.weight, groups)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer


def _identity_norm(place: _Place, values: Tensor) -> nn.Module:
    """A batch norm with the statistics of `values`, whose scale and shift undo them."""
    norm = _NORMS[len(place.kernel)](place.channels).to(values.device, values.dtype)
    mean, variance = batch_statistics(values)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    set_affine(norm, (norm.running_var.double() + norm.eps).sqrt(), norm.running_mean)
    return norm


def _check(layers: int) -> None:
    if layers < 1:
        raise ValueError(f"layers must be at least 1, got {layers}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deepen:
    """More layers that begin as the identity, in each stage of the network. Changes: `plan.model`.

    Attributes:
        layers: New layers in each stage: a run of layers at one resolution.
    """

    layers: int = 1

    kind: ClassVar[str] = "gate"
    levels: ClassVar[tuple[dict[str, int], ...]] = ({"layers": 1}, {"layers": 2})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Chen et al. 2016, arXiv:1511.05641; Bachlechner et al. 2021, arXiv:2003.04887"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.layers)

    def __call__(self, plan: Plan) -> Plan:
        return plan.edit_model(partial(deepen, layers=self.layers))
