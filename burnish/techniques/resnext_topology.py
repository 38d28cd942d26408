"""Aggregated transformations with skips in place of a network's stages.

A convolution in many small groups between two 1x1 convolutions does more with as many parameters than one whole
convolution, and the identity beside each block lets deep networks train.

Helps: a deep plain CNN that trains badly, or one whose convolutions are wide.
Does not: the runtime has no fast grouped convolutions; the network has one or two narrow convolutions.
Costs: training and serving time, since small groups are slow on processors; a new network, trained from scratch.

Source: Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017, arXiv:1611.05431.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from burnish.model.stages import MATCHES, NewStage, Stage, closest, convolution, norm, restaged
from burnish.model.surgery import Probe
from burnish.plan import Plan

__all__ = ["ResNeXtTopology", "resnext_topology"]

CARDINALITIES = (32, 16, 8, 4, 2)  # tried where none is given
WIDEST = 64  # channels of a group


class AggregatedBlock(nn.Module):
    """Convolutions 1x1, 3x3 in groups and 1x1, beside the identity or a projection, then ReLU but in the last block."""

    def __init__(self, stage: Stage, before: int, after: int, inner: int, groups: int, *, last: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(stage, before, inner, 1), norm(stage, inner)
        self.conv2, self.bn2 = convolution(stage, inner, inner, 3, groups), norm(stage, inner)
        self.conv3, self.bn3 = convolution(stage, inner, after, 1), norm(stage, after)
        self.relu, self.end = nn.ReLU(), nn.Identity() if last else nn.ReLU()
        projected = nn.Sequential(convolution(stage, before, after, 1), norm(stage, after))
        self.downsample = nn.Identity() if before == after else projected

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.end(self.bn3(self.conv3(out)) + self.downsample(x))


def resnext_topology(
    model: nn.Module,
    *,
    probe: Probe | Tensor,
    match: str = "parameters",
    cardinality: int | None = None,
    base_width: int | None = None,
) -> nn.Module:
    """Return a copy of `model` whose stages are ResNeXt blocks, with as many parameters or operations.

    A stage is a run of convolutions at one resolution. The first convolution, pooling and what follows the stages keep
    their weights; the new blocks have to be trained. `burnish.model.stages.changes` tells what each stage replaced, and
    its costs.

    Args:
        model: A convolutional network. It is not modified.
        probe: Inputs to run it on.
        match: `parameters` or `operations`: what stays equal, within 5 %.
        cardinality: Groups of the 3x3 convolutions; solved for where it is not given.
        base_width: Channels of each group; likewise, and the number of blocks with them.

    Raises:
        ValueError: an argument is out of range.
        NotApplicable: no stage can be rewritten; the message says which were looked at and why not.
    """
    _check(match, cardinality, base_width)
    design = partial(_design, cardinality=cardinality, base_width=base_width)
    return restaged(model, Probe.of(probe).few, design, match)


def _design(stage: Stage, wanted: int, match: str, *, cardinality: int | None, base_width: int | None) -> NewStage:
    usual = (stage.depth + 1) // 2
    choices = [
        (abs(_cost(stage, blocks, groups, width, match) / wanted - 1), abs(blocks - usual), blocks, groups, width)
        for groups in ([cardinality] if cardinality else CARDINALITIES)
        for width in ([base_width] if base_width else range(1, WIDEST + 1))
        for blocks in range(1, 2 * stage.depth + 3)
    ]
    blocks, groups, width = closest(choices, wanted, match, "blocks")
    inner, parts, before = groups * width, list[nn.Module](), stage.before
    for number in range(blocks):
        last = number == blocks - 1  # what follows the stage, or the stage itself, has an activation
        parts.append(AggregatedBlock(stage, before, stage.after, inner, groups, last=last))
        before = stage.after
    settings: dict[str, int | float] = {"blocks": blocks, "cardinality": groups, "base_width": width}
    return NewStage(stage, nn.Sequential(*parts), settings=settings)


def _cost(stage: Stage, blocks: int, groups: int, width: int, match: str) -> int:
    """Parameters or operations of the blocks, counted without making them."""
    inner, total, before, places = groups * width, 0, stage.before, 1
    per_norm = 1 if match == "operations" else 2
    for size in stage.size:
        places *= size
    for _ in range(blocks):
        total += before * inner + inner * width * 3 ** len(stage.size) + inner * stage.after
        total += per_norm * (2 * inner + stage.after)
        if before != stage.after:
            total += before * stage.after + per_norm * stage.after
        before = stage.after
    return total * (places if match == "operations" else 1)


def _check(match: str, cardinality: int | None, base_width: int | None) -> None:
    if match not in MATCHES:
        raise ValueError(f"match must be one of {', '.join(MATCHES)}, got {match!r}")
    for name, value in (("cardinality", cardinality), ("base_width", base_width)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNeXtTopology:
    """Stages of ResNeXt blocks with as many parameters or operations. Changes: `plan.model`.

    Attributes:
        match: `parameters` or `operations`: what stays equal, within 5 %.
        cardinality: Groups of the 3x3 convolutions; None solves for it.
        base_width: Channels of each group; None solves for it.
    """

    match: str = "parameters"
    cardinality: int | None = None
    base_width: int | None = None

    kind: ClassVar[str] = "gate"
    levels: ClassVar[tuple[dict[str, str], ...]] = ({"match": "parameters"}, {"match": "operations"})
    conflicts: ClassVar[tuple[str, ...]] = ("DenseTopology",)
    source: ClassVar[str] = "Xie et al. 2017, arXiv:1611.05431"
    modalities: ClassVar[tuple[str, ...]] = ("image", "series", "text")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.match, self.cardinality, self.base_width)

    def __call__(self, plan: Plan) -> Plan:
        edit = partial(resnext_topology, match=self.match, cardinality=self.cardinality, base_width=self.base_width)
        return plan.edit_model(edit)
