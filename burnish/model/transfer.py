"""Weights of one network put into another, layer by layer, with a report of what was and was not taken over.

Names decide, never guesses: a tensor is taken from the one of the same name, where needed after one prefix common to a
whole network was added or dropped (`backbone.`, `model.`). Two kinds of tensors may differ in shape: the first layer's
input channels are adapted, and the head stays new.

Source: input channels as in timm (Wightman 2019, doi:10.5281/zenodo.4414861).
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable
from burnish.model.flow import heads, reaches, role
from burnish.model.roles import is_norm
from burnish.model.tracing import Trace, trace

__all__ = ["CHANNELS", "Placement", "Report", "adapted", "ends", "parts", "place"]

CHANNELS = ("auto", "sum", "mean", "replicate")
SHOWN = 3
LOADED, ADAPTED, LEFT = "loaded", "adapted", "left"
_UNCOUNTED = "num_batches_tracked"
_BEFORE_FIRST = {"reshape", "same", "dropout", "pool", "norm"}  # roles a first layer may come after


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What became of one tensor of the network: `loaded`, `adapted` or `left`, and how or why."""

    name: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was taken over, tensor by tensor in the network's order, and what of the source has no place in it."""

    placements: tuple[Placement, ...]
    surplus: tuple[str, ...] = ()

    def count(self, outcome: str) -> int:
        """Tensors with that outcome."""
        return sum(p.outcome == outcome for p in self.placements)

    def lines(self) -> list[str]:
        """One line a layer: its tensors that fared alike are named together."""
        layers: dict[tuple[str, str, str], list[str]] = {}
        for placed in self.placements:
            layer, _, tensor = placed.name.rpartition(".")
            layers.setdefault((layer, placed.outcome, placed.reason), []).append(tensor)
        told = [
            f"{layer or 'the network itself'} ({', '.join(names)}): {outcome}{', ' + reason if reason else ''}"
            for (layer, outcome, reason), names in layers.items()
        ]
        return [*told, *([f"not used: {', '.join(self.surplus)}"] if self.surplus else [])]

    def __str__(self) -> str:
        counts = ", ".join(f"{self.count(outcome)} {outcome}" for outcome in (LOADED, ADAPTED, LEFT))
        return "\n".join([f"tensors: {counts}", *self.lines()])


def adapted(weight: Tensor, channels: int, way: str = "auto") -> Tensor:
    """`weight`, `(out, in, ...)`, for another number of input channels.

    Args:
        weight: Of a convolution.
        channels: Input channels wanted.
        way: `replicate` repeats the channels in turn, scaled by the share of channels (for a multiple of the old
            ones, inputs alike in all channels give what they gave);
            `sum` gives each the sum over the old ones, scaled likewise; `mean` their mean; `auto` is `sum` for a single
            channel, else `replicate`, as timm does.

    Example:
        >>> adapted(torch.ones(2, 3, 1, 1), 1).flatten().tolist()
        [3.0, 3.0]
    """
    before = weight.shape[1]
    if way == "auto":
        way = "sum" if channels == 1 else "replicate"
    if way == "replicate":
        order = torch.arange(channels, device=weight.device) % before
        return weight[:, order] * (before / channels)
    one = weight.sum(1, keepdim=True) / channels if way == "sum" else weight.mean(1, keepdim=True)
    return one.expand(-1, channels, *weight.shape[2:]).clone()


def ends(model: nn.Module, inputs: Tensor) -> tuple[frozenset[str], frozenset[str]]:
    """Paths of the layers that see the input first, and of the head, found by tracing `inputs` through `model`."""
    seen = trace(model, inputs)
    last = [seen.calls[index] for index in heads(seen) if _is_output(seen, index)]
    return frozenset(_first(seen)), frozenset(call.path for call in last if call.module is not None)


def _is_output(seen: Trace, index: int) -> bool:
    """Whether the network's output comes from call `index`: a layer may be computed and not used."""
    waiting, known = [index], set()
    while waiting:
        place = waiting.pop()
        if place in seen.outputs:
            return True
        known.add(place)
        waiting += [call.index for call in seen.consumers(place) if call.index not in known]
    return False


def _first(seen: Trace) -> Iterable[str]:
    """Layers with weights that the input reaches by reshaping, scaling or normalizing alone."""
    for call in seen.calls:
        if role(call) != "weights" or call.module is None:
            continue
        if reaches(seen, 0, lambda c, wanted=call: c is wanted, _BEFORE_FIRST):  # type: ignore[misc]
            yield call.path


def place(
    network: nn.Module,
    state: Mapping[str, Tensor],
    *,
    first: Collection[str] = (),
    head: Collection[str] = (),
    keep_head: bool = False,
    channels: str = "auto",
    where: str = "the source",
) -> Report:
    """Put what fits of `state` into `network`, in place.

    Args:
        network: Takes the weights; tied ones stay tied.
        state: Names to tensors.
        first: Paths of its first layers, whose input channels may be adapted.
        head: Paths of its output layers, which stay new.
        keep_head: The head's weights are taken too where their shape is equal.
        channels: How input channels are adapted; see `adapted`.
        where: What the state is called in messages.

    Raises:
        NotApplicable: nothing can be taken over; the message names the closest names.
    """
    own, names = network.state_dict(keep_vars=False), _names(network.state_dict(), state)
    placements = []
    for name, tensor in own.items():
        if name.endswith(_UNCOUNTED):
            if names.get(name) in state:
                tensor.copy_(state[names[name]])
            continue
        layer = name.rpartition(".")[0]
        value, outcome, reason = _fitting(
            tensor,
            state.get(names.get(name, "")),
            first=layer in first,
            head=layer in head and not keep_head,
            channels=channels,
        )
        if value is not None:
            with torch.no_grad():
                tensor.copy_(value)
        placements.append(Placement(name=name, outcome=outcome, reason=reason))
    used = set(names.values())
    surplus = tuple(name for name in state if name not in used and not name.endswith(_UNCOUNTED))
    report = Report(placements=tuple(placements), surplus=surplus)
    if report.count(LOADED) + report.count(ADAPTED) == 0:
        raise NotApplicable(_nothing(own, state, report, where))
    return report


def _fitting(
    own: Tensor, given: Tensor | None, *, first: bool, head: bool, channels: str
) -> tuple[Tensor | None, str, str]:
    """What is put in the place of `own`, with outcome and reason."""
    if given is None:
        return None, LEFT, "the source has none of this name"
    if head:
        return None, LEFT, "the head is new"
    if given.shape == own.shape:
        return given, LOADED, ""
    rest = given.ndim == own.ndim > 2 and (given.shape[0], given.shape[2:]) == (own.shape[0], own.shape[2:])
    if first and rest:
        return adapted(given, own.shape[1], channels), ADAPTED, f"{given.shape[1]} input channels to {own.shape[1]}"
    return None, LEFT, f"{tuple(given.shape)} in the source, {tuple(own.shape)} here"


def _names(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, str]:
    """The source's name of each own tensor that has one, under the one change of prefix that serves most of them."""
    best: dict[str, str] = {}
    for drop, add in [("", ""), *(("", p) for p in _prefixes(state)), *((p, "") for p in _prefixes(own))]:
        found = {name: add + name.removeprefix(drop) for name in own if name.startswith(drop)}
        found = {name: other for name, other in found.items() if other in state}
        fitting = {name for name, other in found.items() if own[name].shape == state[other].shape}
        if (len(fitting), len(found)) > (sum(own[n].shape == state[o].shape for n, o in best.items()), len(best)):
            best = found
    return best


def _prefixes(names: Iterable[str]) -> list[str]:
    """Beginnings of names, up to two levels deep: `model.`, `model.backbone.`."""
    found: dict[str, None] = {}
    for name in names:
        steps = name.split(".")[:-1]
        for depth in (1, 2):
            if len(steps) >= depth:
                found[".".join(steps[:depth]) + "."] = None
    return list(found)


def _nothing(own: Mapping[str, Tensor], state: Mapping[str, Tensor], report: Report, where: str) -> str:
    shared = [p for p in report.placements if p.reason != "the source has none of this name"]
    if shared:
        return (
            f"nothing of {where} can be taken over: {len(shared)} names are shared, such as {shared[0].name}, but "
            f"{shared[0].reason}; give a source made with the same network, or head='keep'"
        )
    pairs = []
    for name in own:
        close = difflib.get_close_matches(name, list(state)[:2000], n=1, cutoff=0.3)
        pairs += [f"{name} here, {close[0]} there"] if close else []
        if len(pairs) == SHOWN:
            break
    closest = f"the closest are {'; '.join(pairs)}" if pairs else f"it has {', '.join(list(state)[:SHOWN])}"
    return (
        f"nothing of {where} can be taken over, none of its {len(state)} names is one of the network's {len(own)}: "
        f"{closest}. Give the network the weights were made with, or network='source'"
    )


def parts(model: nn.Module, inputs: Tensor) -> tuple[tuple[str, ...], ...]:
    """The network cut into parts in the order in which they compute, the head last, as prefixes of parameter names.

    Containers, and whatever holds more than half of the weights, are cut into their children. What only normalizes
    belongs to the part before it, parameters of the network itself to the first part.
    """
    seen = trace(model, inputs)
    found: list[list[str]] = []
    order: dict[str, int] = {}
    for call in seen.calls[1:]:
        order.setdefault(call.path, call.index)

    def when(path: str) -> int:
        inside = [index for name, index in order.items() if name == path or name.startswith(f"{path}.")]
        return min(inside, default=len(seen.calls))

    for path in sorted(_cut(model, "", sum(p.numel() for p in model.parameters())), key=when):
        if found and _only_norms(model.get_submodule(path)):
            found[-1].append(f"{path}.")
        else:
            found.append([f"{path}." if path else ""])
    if found != [[""]]:
        found[0] += [name for name, _ in model.named_parameters(recurse=False)]
    return tuple(map(tuple, found))


def _cut(module: nn.Module, path: str, total: int) -> list[str]:
    children = [(name, child) for name, child in module.named_children() if any(True for _ in child.parameters())]
    own = sum(p.numel() for p in module.parameters())
    inner = any(True for _ in module.parameters(recurse=False))
    container = isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    if children and (not path or (not inner and (container or own > total / 2))):
        return [p for name, child in children for p in _cut(child, f"{path}.{name}".lstrip("."), total)]
    return [path]


def _only_norms(module: nn.Module) -> bool:
    owners = [m for m in module.modules() if any(True for _ in m.parameters(recurse=False))]
    return bool(owners) and all(is_norm(m) for m in owners)
