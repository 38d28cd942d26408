"""Which layers share which channels, and a network with more of them that computes the same.

Channels begin at a layer and are followed, call by call, to the layers that take them. Sums and products tie the
channels of both sides; concatenations put them side by side; flattening repeats them. Whatever cannot be followed
keeps its width, with the reason. What comes out is compared with the network given, so nothing rests on the
following alone.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves

from burnish.model.flow import role
from burnish.model.roles import is_convolution
from burnish.model.tracing import Call, Trace, plain_attention

__all__ = ["Channels", "Width", "computes_the_same", "follow", "in_double", "widened"]

_CONCATENATING = ("cat", "concat", "concatenate")
_TURNING = ("permute", "transpose", "swapaxes", "movedim", "t", "expand", "unbind", "chunk", "split", "stack")


@dataclass(frozen=True, slots=True)
class Width:
    """The channels of one value.

    Attributes:
        parts: Layers they come from, in order, each with the number of places a channel of it takes.
        axis: The axis they are on.
    """

    parts: tuple[tuple[str, int], ...]
    axis: int


@dataclass(slots=True, eq=False)
class Channels:
    """What is known of a network's channels.

    Attributes:
        count: Channels of each layer that has some of its own.
        takers: Layers that take a value's channels, and which.
        carriers: Layers with numbers for each channel that passes through: norms, depthwise convolutions.
        fixed: Layers whose width cannot change, and why.
    """

    count: dict[str, int] = field(default_factory=dict)
    takers: dict[str, Width] = field(default_factory=dict)
    carriers: dict[str, Width] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)
    _same: dict[str, str] = field(default_factory=dict)

    def leader(self, layer: str) -> str:
        """One layer for all whose channels are tied."""
        while self._same.get(layer, layer) != layer:
            layer = self._same[layer]
        return layer

    def tie(self, first: Width, second: Width) -> bool:
        """Note that the channels of two values are the same; False where they are not made alike."""
        shapes = [[(self.count[path], places) for path, places in width.parts] for width in (first, second)]
        if shapes[0] != shapes[1] or first.axis != second.axis:
            return False
        for (one, _), (other, _) in zip(first.parts, second.parts, strict=True):
            self._same[self.leader(one)] = self.leader(other)
        return True

    def fix(self, width: Width | None, why: str) -> None:
        """Note that the channels of a value cannot become more."""
        for path, _ in width.parts if width is not None else ():
            self.fixed.setdefault(path, why)

    def size(self, width: Width) -> int:
        """Number of channels of a value."""
        return sum(self.count[path] * places for path, places in width.parts)

    @property
    def free(self) -> dict[str, tuple[str, ...]]:
        """Groups of layers whose width can change together, by their leader."""
        groups: dict[str, list[str]] = {}
        for path in self.count:
            groups.setdefault(self.leader(path), []).append(path)
        return {first: tuple(group) for first, group in groups.items() if not any(p in self.fixed for p in group)}


def follow(model: nn.Module, seen: Trace) -> Channels:
    """The channels of `model`, as `seen` shows them."""
    found, widths = Channels(), dict[int, Width | None]()
    owned = _owned_alone(model)
    for call in seen.calls:
        taken = [widths.get(index) for index in call.inputs]
        alone = call.module is None or (seen.times(call.path) == 1 and call.path in owned)
        width, why = _through(found, seen, call, taken, alone)
        for lost in taken if why else ():
            found.fix(lost, why)
        widths[call.index] = width
        if call.index in seen.outputs:
            found.fix(width, "its channels are the network's outputs")
    return found


def _owned_alone(model: nn.Module) -> set[str]:
    """Paths of modules that share no parameter with another and compute none from others."""
    owners: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    return {
        path
        for path, module in model.named_modules()
        if all(owners[id(p)] == 1 for p in module.parameters(recurse=False)) and not parametrize.is_parametrized(module)
    }


Result = tuple[Width | None, str]  # the channels of what a call gives; why those of what it takes are fixed


def _through(found: Channels, seen: Trace, call: Call, taken: list[Width | None], alone: bool) -> Result:
    name = call.name or type(call.module).__name__
    what = role(call)
    if what == "weights":
        return _layer(found, call, taken, alone)
    others = sum(prod(shape) > 1 for shape in call.shapes) > 1
    if (call.weights and others) or (call.module is not None and any(True for _ in call.module.parameters())):
        return _carrier(found, call, taken, alone)
    if what in ("add", "product"):
        return _joined(found, seen, call, taken)
    if len(taken) != 1 or taken[0] is None:
        return None, f"they go into {name} with other values"
    followed = what in ("norm", "activation", "dropout", "same", "pool", "reshape")
    if not followed or others or "glu" in name.lower().replace("leakyrelu", "") or name in _TURNING:
        return None, f"they go into {name}, through which they cannot be followed"
    if what == "norm" and not isinstance(call.module, _NormBase):
        return None, f"{call.path or name} normalizes over them"
    width = _carried(found, taken[0], seen.calls[call.inputs[0]].shape, call.shape)
    return width, "" if width else f"they go into {name}, which puts them elsewhere"


def _layer(found: Channels, call: Call, taken: list[Width | None], alone: bool) -> Result:
    """Where channels end and others begin."""
    module: Any = call.module
    whole = is_convolution(module) or isinstance(module, nn.Linear)
    if not whole or not alone or len(taken) > 1 or "weight" not in module._parameters:
        return None, f"{call.path or call.name} takes them, which is shared, recurrent or not a plain layer"
    width = taken[0] if taken else None
    flat = isinstance(module, nn.Linear)
    axis = len(call.shape) - 1 if flat else 1
    size = module.in_features if flat else module.in_channels
    if not flat and module.groups > 1:
        depthwise = module.groups == module.in_channels == module.out_channels
        if depthwise and width is not None and width.axis == 1 and found.size(width) == size:
            found.carriers[call.path] = width
            return width, ""
        return None, f"{call.path} takes them in groups"
    if width is not None and (width.axis != (len(call.shapes[0]) - 1 if flat else 1) or found.size(width) != size):
        return None, f"{call.path} takes them on another axis"
    if width is not None:
        found.takers[call.path] = width
    found.count[call.path] = module.out_features if flat else module.out_channels
    return Width(((call.path, 1),), axis), ""


def _carrier(found: Channels, call: Call, taken: list[Width | None], alone: bool) -> Result:
    """A layer with parameters for each channel."""
    module = call.module
    width = taken[0] if len(taken) == 1 else None
    kind = isinstance(module, _NormBase | nn.PReLU)
    if width is None or not kind or not alone or call.shape != call.shapes[0]:
        return None, f"{call.path or call.name} has numbers for each of them"
    size = module.num_features if isinstance(module, _NormBase) else module.num_parameters  # type: ignore[union-attr]
    if size != 1 and (size != found.size(width) or width.axis != 1):
        return None, f"{call.path} counts them otherwise"
    if size != 1 or isinstance(module, _NormBase):
        found.carriers[call.path] = width
    return width, ""


def _joined(found: Channels, seen: Trace, call: Call, taken: list[Width | None]) -> Result:
    """Sums, products and concatenations of several values."""
    shapes = [seen.calls[index].shape for index in call.inputs]
    name = call.name or "a sum"
    if len(shapes) != len(call.shapes) or len({len(shape) for shape in shapes}) != 1 or name == "stack":
        return None, f"they go into {name} with constants or values of other shapes"
    known = [width for width in taken if width is not None]
    if len(known) < len(taken) and not (known and name in _CONCATENATING):
        return None, f"{name} joins them with channels that cannot change"
    if not known:
        return None, ""
    axis = known[0].axis
    if name in _CONCATENATING and call.shape[axis] == sum(shape[axis] for shape in shapes):
        return _beside(found, call, taken, shapes, axis)
    if all(found.tie(known[0], other) for other in known[1:]):
        return known[0], ""
    return None, f"{name} joins channels that come about differently"


def _beside(found: Channels, call: Call, taken: list[Width | None], shapes: list[tuple[int, ...]], axis: int) -> Result:
    """Concatenated channels; those that are not known keep their number."""
    parts: list[tuple[str, int]] = []
    for width, shape, index in zip(taken, shapes, call.inputs, strict=True):
        if width is not None and width.axis != axis:
            return None, f"{call.name} joins them on different axes"
        if width is None:
            found.count[f"#{index}"] = shape[axis]
            found.fixed[f"#{index}"] = "they come from elsewhere"
        parts += width.parts if width is not None else ((f"#{index}", 1),)
    return Width(tuple(parts), axis), ""


def _carried(found: Channels, width: Width, before: tuple[int, ...], after: tuple[int, ...]) -> Width | None:
    """The same channels after pooling or reshaping, where it is plain which they are."""
    size = found.size(width)
    if before == after:
        return width
    if width.axis == len(before) - 1 and width.axis != 1:
        return Width(width.parts, len(after) - 1) if after and after[-1] == size else None
    if len(after) < 2 or width.axis != 1:
        return None
    if after[1] == size and len(after) <= len(before):
        return width
    places = prod(before[2:])
    if len(after) == 2 and after[1] == size * places:
        return Width(tuple((path, count * places) for path, count in width.parts), 1)
    return None


# -- widening -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Copies:
    """For each channel of the wider layer the one it is a copy of, and for each of the old ones how many it became."""

    source: Tensor
    count: Tensor


def widened(
    model: nn.Module, channels: Channels, groups: Sequence[str], factor: float, *, noise: float, fresh: bool
) -> nn.Module:
    """A copy of `model` in which the groups led by `groups` have `factor` times their channels.

    New channels are copies of old ones, and the layers that take them share the old weight out among the copies:
    equally but for `noise` (relative), which is taken back by normalizing, so that the function is the same whatever
    it is. With `fresh`, weights of new channels are drawn anew with the spread of the old, and all are scaled for
    the number of inputs; the function changes.
    """
    network = copy.deepcopy(model)
    made = {leader: _copies(channels.count[leader], factor) for leader in groups}
    for path, width in channels.takers.items():
        index, old = _places(channels, made, width)
        if len(index) > channels.size(width):
            _take(network.get_submodule(path), index, old, noise, fresh)
    for path, width in channels.carriers.items():
        index, _ = _places(channels, made, width)
        if len(index) > channels.size(width):
            _carry(network.get_submodule(path), index)
    for leader in groups:
        for path in channels.free[leader]:
            _give(network.get_submodule(path), made[leader].source, fresh)
    return network


def in_double(model: nn.Module, inputs: Tensor) -> nn.Module:
    """A copy of `model` in double precision, or as it is where it cannot compute `inputs` in it."""
    exact = copy.deepcopy(model).double()
    return exact if _outputs(exact, inputs) is not None else copy.deepcopy(model)


def computes_the_same(first: nn.Module, second: nn.Module, inputs: Tensor) -> bool:
    """Whether two networks give equal outputs in eval mode, but for rounding."""
    one, other = _outputs(first, inputs), _outputs(second, inputs)
    if one is None or other is None or [t.shape for t in one] != [t.shape for t in other]:
        return False
    allowed = 1e-9 if one[0].dtype == torch.float64 else 1e-4
    return all(
        float((a - b).abs().max()) <= allowed * max(float(a.abs().max()), 1e-30)
        for a, b in zip(one, other, strict=True)
    )


def _outputs(network: nn.Module, inputs: Tensor) -> list[Tensor] | None:
    network = copy.deepcopy(network).eval()
    kind = next((p for p in network.parameters() if p.is_floating_point()), inputs)
    if inputs.is_floating_point():
        inputs = inputs.to(kind)
    try:
        with torch.no_grad(), plain_attention():
            return [leaf for leaf in tree_leaves(network(inputs)) if isinstance(leaf, Tensor)]
    except Exception:  # a forward that knows the width it was written for raises whatever comes of that
        return None


def _copies(count: int, factor: float) -> _Copies:
    """As many copies of each channel as possible, those that get one more drawn by chance."""
    extra = max(round(count * factor) - count, 1)
    rounds = -(-extra // count)
    added = torch.cat([torch.randperm(count) for _ in range(rounds)])[:extra]
    source = torch.cat([torch.arange(count), added])
    return _Copies(source, torch.bincount(source, minlength=count))


def _places(channels: Channels, made: dict[str, _Copies], width: Width) -> tuple[Tensor, Tensor]:
    """For each channel of the wider value the old one it is, and whether it was there before."""
    index, old, offset = [], [], 0
    for path, places in width.parts:
        count = channels.count[path]
        copies = made.get(channels.leader(path))
        source = copies.source if copies is not None else torch.arange(count)
        index.append((source[:, None] * places + torch.arange(places)).flatten() + offset)
        old.append((torch.arange(len(source)) < count).repeat_interleave(places))
        offset += count * places
    return torch.cat(index), torch.cat(old)


def _take(layer: Any, index: Tensor, old: Tensor, noise: float, fresh: bool) -> None:
    weight = layer.weight.detach()
    axis = 0 if isinstance(layer, _ConvTransposeNd) else 1
    rows = weight.movedim(axis, 1).flatten(2) if weight.ndim > 2 else weight.movedim(axis, 1)[:, :, None]
    index, old = index.to(weight.device), old.to(weight.device)
    if fresh:
        drawn = torch.randn(len(rows), len(index), rows.shape[2]).to(weight) * rows.std()
        wider = torch.where(old[None, :, None], rows[:, index], drawn) * (rows.shape[1] / len(index)) ** 0.5
    else:
        parts = (1 + noise * torch.randn(len(rows), len(index))).clamp_min(0.1).to(weight)
        sums = parts.new_zeros(len(rows), rows.shape[1]).index_add_(1, index, parts)
        wider = rows[:, index] * (parts / sums[:, index])[:, :, None]
    shape = (len(rows), len(index), *weight.movedim(axis, 1).shape[2:])
    _put(layer, "weight", wider.reshape(shape).movedim(1, axis))
    layer.__dict__["in_features" if isinstance(layer, nn.Linear) else "in_channels"] = len(index)


def _give(layer: Any, source: Tensor, fresh: bool) -> None:
    axis = 1 if isinstance(layer, _ConvTransposeNd) else 0
    count, source = layer.weight.shape[axis], source.to(layer.weight.device)
    wider = layer.weight.detach().index_select(axis, source)
    if fresh:
        new = wider.narrow(axis, count, len(source) - count)
        new.copy_(torch.randn(new.shape).to(new) * layer.weight.detach().std())
    _put(layer, "weight", wider)
    if layer.bias is not None:
        _put(layer, "bias", layer.bias.detach()[source])
    layer.__dict__["out_features" if isinstance(layer, nn.Linear) else "out_channels"] = len(source)


def _carry(layer: Any, index: Tensor) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        value = getattr(layer, name, None)
        if isinstance(value, Tensor):
            _put(layer, name, value.detach()[index.to(value.device)])
    if is_convolution(layer):
        layer.in_channels = layer.out_channels = layer.groups = len(index)
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(index)
    else:
        layer.num_features = len(index)


def _put(layer: nn.Module, name: str, value: Tensor) -> None:
    before = getattr(layer, name)
    value = value.contiguous()
    setattr(layer, name, nn.Parameter(value, before.requires_grad) if isinstance(before, nn.Parameter) else value)
