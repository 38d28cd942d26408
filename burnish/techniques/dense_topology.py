"""Densely connected stages in place of a network's own.

Each layer sees the results of all before it, so features are used again instead of computed again, and gradients reach
every layer by short ways. At equal numbers of parameters such networks are often more accurate, and slower.

Helps: a plain or residual CNN on images, where parameters are scarce and data are too.
Does not: latency counts, since concatenations move much memory; the network is shallow, or not a CNN.
Costs: training and serving several times as long at equal parameters; a new network, trained from scratch.

Source: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, arXiv:1608.06993.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from burnish.model.densenets import BOTTLENECK, DenseBlock
from burnish.model.stages import MATCHES, NewStage, Stage, closest, convolution, norm, restaged
from burnish.model.surgery import Probe
from burnish.plan import Plan

__all__ = ["DenseTopology", "dense_topology"]

LARGEST, MOST = 128, 200  # growth rate, and layers of a stage


def dense_topology(
    model: nn.Module,
    *,
    probe: Probe | Tensor,
    match: str = "parameters",
    growth: int | None = None,
    compression: float = 0.5,
) -> nn.Module:
    """Return a copy of `model` whose stages are densely connected, with as many parameters or operations.

    A stage is a run of convolutions at one resolution. In its place come layers of batch norm, ReLU, a 1x1
    convolution to four growth rates, and the same to one by 3x3, each beside all that was there before, and a 1x1
    convolution to the stage's width. The first convolution, pooling and what follows the stages keep their weights; the
    new stages have to be trained. `burnish.model.stages.changes` tells what each replaced, and its costs.

    Args:
        model: A convolutional network. It is not modified.
        probe: Inputs to run it on.
        match: `parameters` or `operations`: what stays equal, within 5 %.
        growth: Channels that a layer adds; solved for where it is not given, and the number of layers with it.
        compression: Share of the channels that goes into each stage but the first.

    Raises:
        ValueError: an argument is out of range.
        NotApplicable: no stage can be rewritten; the message says which were looked at and why not.
    """
    _check(match, growth, compression)
    design = partial(_design, growth=growth, compression=compression)
    return restaged(model, Probe.of(probe).few, design, match)


def _design(stage: Stage, wanted: int, match: str, *, growth: int | None, compression: float) -> NewStage:
    width = stage.before if stage.first else max(round(compression * stage.before), 1)
    most = MOST if growth else 4 * stage.depth + 4
    choices = [
        (abs(_cost(stage, width, layers, rate, match) / wanted - 1), abs(layers - stage.depth), layers, rate)
        for layers in range(1, most + 1)
        for rate in ([growth] if growth else range(2, LARGEST + 1))
    ]
    layers, rate = closest(choices, wanted, match, "a dense stage")
    return _made(stage, width, layers, rate, compression)


def _made(stage: Stage, width: int, layers: int, growth: int, compression: float) -> NewStage:
    inner = BOTTLENECK * growth
    start = [] if stage.first else _step(stage, stage.before, width, 1)
    block = DenseBlock()
    for number in range(layers):
        parts = _step(stage, width + number * growth, inner, 1) + _step(stage, inner, growth, 3)
        block.add_module(f"layer{number + 1}", nn.Sequential(*parts))
    end = _step(stage, width + layers * growth, stage.after, 1)
    settings: dict[str, int | float] = {"layers": layers, "growth": growth, "compression": compression}
    return NewStage(stage, nn.Sequential(*start, block, *end), settings=settings)


def _step(stage: Stage, before: int, after: int, size: int) -> list[nn.Module]:
    return [norm(stage, before), nn.ReLU(), convolution(stage, before, after, size)]


def _cost(stage: Stage, width: int, layers: int, growth: int, match: str) -> int:
    """Parameters or operations of the stage that `_made` gives, counted without making it."""
    inner, places = BOTTLENECK * growth, 1
    for size in stage.size:
        places *= size
    pairs = [] if stage.first else [(stage.before, width, 1)]
    for number in range(layers):
        pairs += [(width + number * growth, inner, 1), (inner, growth, 3 ** len(stage.size))]
    pairs.append((width + layers * growth, stage.after, 1))
    if match == "operations":
        return places * sum(a * b * area + a for a, b, area in pairs)
    return sum(a * b * area + 2 * a for a, b, area in pairs)


def _check(match: str, growth: int | None, compression: float) -> None:
    if match not in MATCHES:
        raise ValueError(f"match must be one of {', '.join(MATCHES)}, got {match!r}")
    if growth is not None and growth < 1:
        raise ValueError(f"growth must be at least 1, got {growth}")
    if not 0 < compression <= 1:
        raise ValueError(f"compression must be above 0 and at most 1, got {compression}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseTopology:
    """Densely connected stages (DenseNet-BC) with as many parameters or operations. Changes: `plan.model`.

    Attributes:
        match: `parameters` or `operations`: what stays equal, within 5 %.
        growth: Channels that a layer adds; None solves for it.
        compression: Share of the channels that goes into each stage but the first.
    """

    match: str = "parameters"
    growth: int | None = None
    compression: float = 0.5

    kind: ClassVar[str] = "gate"
    levels: ClassVar[tuple[dict[str, str], ...]] = ({"match": "parameters"}, {"match": "operations"})
    conflicts: ClassVar[tuple[str, ...]] = ("ResNeXtTopology",)
    source: ClassVar[str] = "Huang et al. 2017, arXiv:1608.06993"
    modalities: ClassVar[tuple[str, ...]] = ("image", "series", "text")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.match, self.growth, self.compression)

    def __call__(self, plan: Plan) -> Plan:
        edit = partial(dense_topology, match=self.match, growth=self.growth, compression=self.compression)
        return plan.edit_model(edit)
