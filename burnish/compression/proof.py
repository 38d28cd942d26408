"""Three gates between a cut network and whoever asked for it.

1. Its outputs have the same shapes.
2. They are what the network of the old size gives with the same channels silenced.
3. With nothing removed the whole machinery gives the network back, and the network gives the same outputs twice.

The comparison is in double precision, so that a wrong index shows even behind a layer scale of a millionth, and norms
that have been initialized to silence a branch are woken up for it: what a zero hides could be anything.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from burnish.compression.channels import Group, Inputs, Removed, called
from burnish.compression.knife import cut, silenced
from burnish.errors import NotApplicable, UsageError

__all__ = ["DOUBLE", "TOLERANCE", "Proof", "Trial", "compared", "prepared", "proved"]

TOLERANCE = 2e-5  # of float32, relative to the largest output
DOUBLE = 1e-9  # of float64: rounding stays far below, wrong indices far above
SILENT = 1e-4  # parameters that are smaller everywhere are woken up
DIFFERS = "the cut network differs from the silenced one"
MIXING = (nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a cut network is compared with, and on what.

    Attributes:
        source: The network, in evaluation mode.
        inputs: What it is run on.
        awake: A copy for the comparison, with nothing silent.
        awake_inputs: The inputs in its precision.
        tolerance: Largest difference that counts as equal.
        mixing: Whether it has norms over several channels.
    """

    source: nn.Module
    inputs: Inputs
    awake: nn.Module
    awake_inputs: Inputs
    tolerance: float
    mixing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One cut and its comparison.

    Attributes:
        model: The cut network, or None where the comparison failed.
        how: `exact`, or `exact apart from normalization`.
        difference: Largest difference, relative to the largest output.
        reason: Why it failed.
    """

    model: nn.Module | None = None
    how: str = ""
    difference: float = 0.0
    reason: str = ""


def prepared(source: nn.Module, inputs: Inputs) -> Proof:
    """Make ready to prove cuts of `source`.

    Raises:
        UsageError: its outputs are not finite, or it fails.
        NotApplicable: it gives different outputs for the same inputs.
    """
    first, second = outputs(source, inputs), outputs(source, inputs)
    if any(not torch.isfinite(value).all() for value in first):
        raise UsageError("the network's outputs are not finite, so pruning cannot be checked")
    if distance(first, second) > 0:
        raise NotApplicable("the network gives different outputs for the same inputs, so no cut of it can be proved")
    awake, given, tolerance = _awake(source, inputs)
    mixing = any(isinstance(module, MIXING) for module in source.modules())
    return Proof(source=source, inputs=inputs, awake=awake, awake_inputs=given, tolerance=tolerance, mixing=mixing)


def proved(proof: Proof, groups: Sequence[Group], removed: Removed) -> Trial:
    """The network without the channels `removed`, or the reason why it is not what it should be."""
    trial = compared(proof, groups, removed)
    if trial.reason:
        return trial
    smaller = cut(proof.source, groups, removed)
    if trial.how == "exact":
        quiet = silenced(proof.source, groups, removed)
        real = distance(outputs(quiet, proof.inputs), outputs(smaller, proof.inputs))
        if real > 50 * TOLERANCE:  # rounding of a deep float network; a wrong index has been caught before
            return Trial(reason=f"{DIFFERS} by {real:.2g} in single precision")
    return replace(trial, model=smaller)


def compared(proof: Proof, groups: Sequence[Group], removed: Removed) -> Trial:
    """The comparison alone, without the cut network."""
    try:
        given = outputs(cut(proof.awake, groups, removed), proof.awake_inputs)  # first: most wrong cuts fail here
        expected = outputs(silenced(proof.awake, groups, removed), proof.awake_inputs)
        if [x.shape for x in expected] != [x.shape for x in given]:
            return Trial(reason=f"outputs of shape {_shapes(expected)} would become {_shapes(given)}")
        difference, how = distance(expected, given), "exact"
        if difference > proof.tolerance and proof.mixing:
            bare = [_bare(make(proof.awake, groups, removed)) for make in (silenced, cut)]
            without = distance(*(outputs(model, proof.awake_inputs) for model in bare))
            if without <= proof.tolerance:
                difference, how = without, "exact apart from normalization"
        if difference > proof.tolerance:
            return Trial(reason=f"{DIFFERS} by {difference:.2g} of the largest output")
    except Exception as error:  # a network that was cut wrongly fails in whatever way its forward does
        return Trial(reason=f"the cut network fails: {str(error).strip().splitlines()[0] if str(error) else error!r}")
    return Trial(how=how, difference=difference)


def outputs(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """All tensors that the network gives."""
    with torch.no_grad():
        found = [x for x in tree_leaves(called(model, inputs)) if isinstance(x, Tensor)]
    if not found:
        raise UsageError("the network gives no tensor, so pruning cannot be checked")
    return found


def distance(expected: Sequence[Tensor], given: Sequence[Tensor]) -> float:
    """The largest difference, relative to the largest output of each tensor."""
    worst = 0.0
    for one, other in zip(expected, given, strict=True):
        if one.is_floating_point():
            apart = float((one - other).abs().max() / one.abs().max().clamp(min=1e-30))
            worst = max(worst, apart if apart == apart else float("inf"))
    return worst


def _awake(source: nn.Module, inputs: Inputs) -> tuple[nn.Module, Inputs, float]:
    """A copy in double precision with nothing silent, its inputs and the tolerance; in single where double fails."""
    awake = copy.deepcopy(source)
    generator = torch.Generator().manual_seed(0)
    for parameter in awake.parameters():
        if parameter.is_floating_point() and parameter.numel() and float(parameter.detach().abs().max()) < SILENT:
            drawn = torch.rand(parameter.shape, generator=generator) * 0.2 + 0.1
            parameter.data = drawn.to(parameter.dtype)
    try:
        double, given = copy.deepcopy(awake).double(), tree_map(_doubled, inputs)
        if all(torch.isfinite(x).all() for x in outputs(double, given)):
            return double, given, DOUBLE
    except Exception:  # networks that fix a precision somewhere inside are compared in theirs
        pass
    return awake, inputs, TOLERANCE


def _doubled(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def _bare(model: nn.Module) -> nn.Module:
    """`model` itself without the norms that mix channels: silenced channels change their statistics."""
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, MIXING):
                setattr(module, name, nn.Identity())
    return model


def _shapes(values: Sequence[Tensor]) -> str:
    return ", ".join(str(tuple(x.shape)) for x in values)
