"""Stages of a convolutional network: where they are, what they cost, and others in their place.

A stage is a maximal run of convolutions at one resolution. What goes in its place takes the value that went into the
stage and gives one of the same shape, so that all around it keeps its weights.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable
from burnish.model.account import changed, left
from burnish.model.flow import role
from burnish.model.operations import operations
from burnish.model.roles import dimensions, is_convolution
from burnish.model.tracing import Call, Trace, trace

__all__ = ["MATCHES", "TOLERANCE", "NewStage", "Stage", "changes", "closest", "convolution", "cost", "norm", "restaged"]

MATCHES = ("parameters", "operations")
TOLERANCE = 0.05  # by how much the new network may differ from the old one
_CONVOLUTIONS: dict[int, type[Any]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORMS: dict[int, type[Any]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOLS: dict[int, type[Any]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_BETWEEN = ("norm", "activation", "dropout", "same")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage.

    Attributes:
        paths: Modules that make it up, in order, each taking the result of the one before.
        norms: Norms between them, which go with them.
        before, after: Channels that go in and come out.
        entry, size: Resolution before and in the stage.
        depth: Convolutions that look at neighbours.
        activated: It ends with an activation.
        parameters, operations: What it costs, for one example.
        first: No stage before it is rewritten.
    """

    paths: tuple[str, ...]
    norms: tuple[str, ...]
    before: int
    after: int
    entry: tuple[int, ...]
    size: tuple[int, ...]
    depth: int
    activated: bool
    parameters: int
    operations: int
    first: bool

    @property
    def name(self) -> str:
        """For messages: where it is and its resolution."""
        ends = self.paths[0] if len(self.paths) == 1 else f"{self.paths[0]} to {self.paths[-1]}"
        return f"{ends} ({'x'.join(map(str, self.size))})"


class NewStage(nn.Module):
    """What stands in the place of a stage: pooling to its resolution, a body, and its width again."""

    def __init__(self, stage: Stage, body: nn.Module, *, settings: dict[str, int | float]) -> None:
        super().__init__()
        pool = pooling(stage)
        self.pool = pool if pool is not None else nn.Identity()
        self.body = body
        self.activation = nn.ReLU() if stage.activated else nn.Identity()
        self.replaces, self.settings = stage.name, dict(settings)
        self.matched: dict[str, list[int]] = {}

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(self.pool(x)))

    def extra_repr(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        counts = "; ".join(f"{name} {old:,} -> {new:,}" for name, (old, new) in self.matched.items())
        return f"in place of {self.replaces}: {settings}; {counts}"


Design = Callable[[Stage, int, str], NewStage]
"""`(stage, wanted, match) -> what goes in its place`, with about `wanted` parameters or operations."""


def closest(
    choices: Sequence[tuple[float, int, *tuple[int, ...]]], wanted: int, match: str, what: str
) -> tuple[int, ...]:
    """Of `choices`, (relative error, distance from the old depth, sizes...), the sizes of the best.

    Among those within 2 % the depth decides, else the error.

    Raises:
        NotApplicable: even the best is off by more than a half.
    """
    close = [choice for choice in choices if choice[0] <= 0.02] or [min(choices)]
    off, _, *sizes = min(close, key=lambda choice: (choice[1], choice[0]))
    if off > 0.5:
        raise NotApplicable(f"{wanted:,} {match} are too few or too many for {what} of this width")
    return tuple(sizes)


def restaged(model: nn.Module, inputs: Tensor, design: Design, match: str) -> nn.Module:
    """A copy of `model` with what `design` makes in the place of each stage.

    What one stage misses, the next makes up for.

    Raises:
        NotApplicable: there is no stage, none can be replaced, or the whole is not matched within `TOLERANCE`.
    """
    found, reasons = _stages(model, trace(model, inputs))
    if not found:
        raise NotApplicable(
            f"no stage can be rewritten: {'; '.join(reasons) or 'there is no convolution behind the first'}"
        )
    network, owed = copy.deepcopy(model), 0
    for stage in found:
        wanted = getattr(stage, match) + owed
        try:
            made = design(stage, wanted, match)
        except NotApplicable as reason:
            reasons.append(f"{stage.name}: {reason}")
            left(stage.paths[0], str(reason))
            continue
        new = counted(made, stage)
        owed = wanted - new[match]
        made.matched = {name: [getattr(stage, name), new[name]] for name in MATCHES}
        changed(stage.paths[0], made.extra_repr())
        _put(network, stage, made)
    before, after = cost(model, inputs)[match], cost(network, inputs)[match]
    if not changes(network):
        raise NotApplicable(f"no stage can be rewritten: {'; '.join(reasons)}")
    if abs(after / before - 1) > TOLERANCE:
        looked = ", ".join(stage.name for stage in found)
        raise NotApplicable(
            f"the stages {looked} cannot be rewritten with as many {match}: the nearest has {after:,}, the "
            f"network {before:,}; give the widths yourself, or match the other of {' and '.join(MATCHES)}"
        )
    return network


def changes(network: nn.Module) -> list[dict[str, Any]]:
    """What was rewritten in `network`: for each new stage what it replaces, its settings and its costs, old and new."""
    stages = [m for m in network.modules() if isinstance(m, NewStage)]
    return [{"stage": m.replaces, "settings": m.settings, **m.matched} for m in stages]


def cost(model: nn.Module, inputs: Tensor) -> dict[str, int]:
    """Parameters, and operations for one example."""
    total = sum(map(operations, trace(model, inputs).calls[1:])) // len(inputs)
    return {"parameters": sum(p.numel() for p in model.parameters()), "operations": total}


def counted(made: NewStage, stage: Stage) -> dict[str, int]:
    """What a new stage costs."""
    with torch.random.fork_rng(devices=[]):
        return cost(made, torch.zeros(1, stage.before, *stage.entry))


def convolution(stage: Stage, before: int, after: int, size: int, groups: int = 1) -> nn.Module:
    """A convolution without bias, `size` wide in every dimension, that keeps the resolution."""
    kind = _CONVOLUTIONS[len(stage.size)]
    layer = kind(before, after, size, padding=size // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def norm(stage: Stage, channels: int) -> nn.Module:
    """A batch norm in the stage's dimensions."""
    return _NORMS[len(stage.size)](channels)


def pooling(stage: Stage) -> nn.Module | None:
    """Average pooling to the stage's resolution; None where it is the same.

    Raises:
        NotApplicable: no pooling leads there.
    """
    if stage.entry == stage.size:
        return None
    steps = tuple(round(a / b) for a, b in zip(stage.entry, stage.size, strict=True))
    for up in (False, True):
        exact = tuple(-(-a // s) if up else a // s for a, s in zip(stage.entry, steps, strict=True))
        if exact == stage.size and all(step >= 1 for step in steps):
            kind = _POOLS[len(stage.size)]
            return kind(steps, steps, ceil_mode=up, count_include_pad=False)
    raise NotApplicable(f"it goes from {stage.entry} to {stage.size}, which no pooling does: it has no padding")


# -- finding --------------------------------------------------------------------------------------


def _stages(model: nn.Module, seen: Trace) -> tuple[list[Stage], list[str]]:
    """The stages behind the first convolution that can be replaced, and why others cannot."""
    reasons: list[str] = []
    found: list[Stage] = []
    for call in _maps(seen)[:1]:
        left(call.path, "the first convolution is the stem")
    for run in _runs(seen):
        stage = _stage(model, seen, run, not found, reasons)
        if stage is not None:
            found.append(stage)
        else:
            left(run[0].path, reasons[-1].partition(": ")[2])
    return found, reasons


def _maps(seen: Trace) -> list[Call]:
    """Convolutions that give maps, in order; those of pooled values only gate."""
    calls = [c for c in seen.calls if role(c) == "weights" and is_convolution(c.module)]
    return [c for c in calls if len(c.shape) > 2 and (prod(c.shape[2:]) > 1 or prod(c.shapes[0][2:]) > 1)]


def _runs(seen: Trace) -> Iterator[list[Call]]:
    """Convolutions at one resolution, in order; the first of all is the stem."""
    for _, run in groupby(_maps(seen)[1:], key=lambda call: call.shape[2:]):
        yield list(run)


def _stage(model: nn.Module, seen: Trace, run: list[Call], first: bool, reasons: list[str]) -> Stage | None:
    size, place = run[0].shape[2:], run[0].path
    depth = sum(max(c.module.kernel_size) > 1 for c in run if is_convolution(c.module))  # type: ignore[union-attr,arg-type]
    where = f"{place} ({'x'.join(map(str, size))})"
    if not depth or dimensions(run[0].module) == 0:  # type: ignore[arg-type]
        reasons.append(f"{where}: no convolution in it looks at neighbours, or it is transposed")
        return None
    paths = _parts(seen, run, size)
    inside = {c.path for c in run if any(_within(c.path, path) for path in paths)}
    norms = _chain(seen, paths) if paths and inside == {c.path for c in run} else None
    if norms is None:
        reasons.append(f"{where}: it is no chain of modules that each give one value to the next")
        return None
    entry = seen.calls[seen.entries[paths[0]][0][0]].shape
    end = seen.calls[seen.exits[paths[-1]][0] or 0]
    gone = [c for c in seen.calls[1:] if any(_within(c.path, path) for path in (*paths, *norms))]
    parts = [p for path in (*paths, *norms) for p in model.get_submodule(path).parameters()]
    return Stage(
        paths=tuple(paths),
        norms=tuple(norms),
        before=entry[1],
        after=end.shape[1],
        entry=entry[2:],
        size=size,
        depth=depth,
        activated=role(end) == "activation",
        parameters=sum(p.numel() for p in parts),
        operations=sum(map(operations, gone)) // entry[0],
        first=first,
    )


def _within(path: str, owner: str) -> bool:
    return path == owner or path.startswith(f"{owner}.")


def _parts(seen: Trace, run: list[Call], size: tuple[int, ...]) -> list[str]:
    """The outermost modules, called once, that hold convolutions of the run and no others."""
    own = {c.path for c in run}
    others = {c.path for c in seen.calls if role(c) == "weights"} - own
    known: list[str] = []
    for path, exits in seen.exits.items():
        end = exits[0] if len(exits) == 1 else None
        start = seen.entries[path][0]
        if not path or end is None or len(start) != 1 or any(_within(path, outer) for outer in known):
            continue
        holds = any(_within(c, path) for c in own) and not any(_foreign(seen, c, path, size) for c in others)
        if holds and seen.calls[end].shape[2:] == size and len(seen.calls[start[0]].shape) == len(size) + 2:
            known = [inner for inner in known if not _within(inner, path)] + [path]
    return sorted(known, key=lambda path: seen.exits[path][0] or 0)


def _foreign(seen: Trace, layer: str, owner: str, size: tuple[int, ...]) -> bool:
    """Whether a layer in `owner` belongs to another stage; what only gates belongs to none."""
    if not _within(layer, owner):
        return False
    shapes = [c.shape for c in seen.calls if c.path == layer]
    return any(prod(shape[2:]) > 1 and len(shape) > 2 for shape in shapes)


def _chain(seen: Trace, paths: Sequence[str]) -> list[str] | None:
    """Norms between the modules; None where one does not lead straight to the next."""
    norms: list[str] = []
    for one, other in zip(paths, paths[1:], strict=False):
        here, goal = seen.exits[one][0], seen.entries[other][0][0]
        while here != goal:
            after = seen.consumers(here or 0)
            if len(after) != 1 or len(after[0].inputs) != 1 or role(after[0]) not in _BETWEEN:
                return None
            if role(after[0]) == "norm":
                norms.append(after[0].path)
            here = after[0].index
        if len(seen.consumers(goal)) > 1 and not _all_in(seen, goal, other):
            return None
    return norms


def _all_in(seen: Trace, index: int, owner: str) -> bool:
    return all(_within(call.path, owner) for call in seen.consumers(index))


def _put(network: nn.Module, stage: Stage, made: NewStage) -> None:
    reference = next((p for p in network.get_submodule(stage.paths[0]).parameters()), None)
    made.train(network.get_submodule(stage.paths[0]).training)
    network.set_submodule(stage.paths[0], made.to(reference) if reference is not None else made)
    for path in (*stage.paths[1:], *stage.norms):
        network.set_submodule(path, nn.Identity().train(made.training))
