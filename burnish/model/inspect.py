"""What a network is made of: layers, shapes, parameters, operations; with data also what they do."""

import copy
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from burnish.errors import BurnishError, UsageError
from burnish.model.account import Account
from burnish.model.activity import Activity, gradient_norms, time_shares
from burnish.model.operations import operations
from burnish.model.receptive import receptive_fields
from burnish.model.roles import is_leaf
from burnish.model.tracing import Call, Observer, Trace, run_traced
from burnish.model.tree import drawn
from burnish.records import shown_as_printed

if TYPE_CHECKING:
    from burnish.losses import Loss

__all__ = ["Inspection", "Layer", "examine", "inspect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer, or one module's own parameters and functions. What was not measured is None.

    Attributes:
        path: Where it is in the network.
        type: Class of the module.
        input_shape: Of its first input when it is first called, batch included; empty when it is not called.
        output_shape: Of its first output.
        parameters: Own parameters; those shared with an earlier layer are counted there.
        operations: Multiply-accumulate operations for one example.
        calls: How often it is called in one pass.
        receptive_field: Inputs that one output can see, per dimension; `all`, or None where inputs have no place.
        time_share: Share of a forward pass.
        mean, std: Of its outputs.
        units: Units behind the next activation: channels, or places in the last dimension.
        dead: Those that give one and the same value for every example.
        saturated: Those of a sigmoid or tanh that are within 5 % of its limits nine times in ten.
        gradient: Norm of the loss's gradient by its own parameters.
        weight: Norm of these parameters.
    """

    path: str
    type: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    operations: int
    calls: int = 0
    receptive_field: tuple[int, ...] | str | None = None
    time_share: float | None = None
    mean: float | None = None
    std: float | None = None
    units: int | None = None
    dead: int | None = None
    saturated: int | None = None
    gradient: float | None = None
    weight: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        shapes = {name: list(getattr(self, name)) for name in ("input_shape", "output_shape")}
        seen = self.receptive_field
        return asdict(self) | shapes | {"receptive_field": list(seen) if isinstance(seen, tuple) else seen}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A network's layers in the order they are called, and the totals.

    Attributes:
        layers: Layers, and modules that hold parameters or multiply matrices themselves.
        parameters: Number of parameters, tied ones once.
        bytes: Size of parameters and buffers.
        operations: Multiply-accumulate operations for one example; additions of biases are left out.
        modules: Class of every module, by path.
        times: Each module's own share of a forward pass, by path, without what is in it.
        examples: How many examples were looked at.
        loss: Loss of the batch the gradients are of.
        edits: What techniques did to the network.
    """

    layers: tuple[Layer, ...]
    parameters: int
    bytes: int
    operations: int
    modules: dict[str, str]
    times: dict[str, float] = field(default_factory=dict)
    examples: int = 0
    loss: float | None = None
    edits: tuple[Account, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        layers, edits = ([part.to_json() for part in parts] for parts in (self.layers, self.edits))
        return asdict(self) | {"layers": layers, "edits": edits}

    def __str__(self) -> str:
        return drawn(self)

    _repr_pretty_ = shown_as_printed


def inspect(model: nn.Module, example: Tensor) -> Inspection:
    """Look at `model` while it computes `example`, a batch `(B, ...)`, in eval mode. It is not changed.

    Counted are convolutions, linear and recurrent layers, attention, norms, and products of matrices written as
    functions; activations, pooling and additions are not.

    Raises:
        UsageError: the network cannot compute the example.

    Example:
        >>> import torch
        >>> inspect(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 10, 10)).operations == 8 * 3 * 9 * 100
        True
    """
    return _inspected(model, _traced(model, example), example)


def examine(model: nn.Module, inputs: Tensor, targets: Tensor | None = None, loss: "Loss | None" = None) -> Inspection:
    """`inspect`, and what the layers do with real data: time, activations, dead units and gradients.

    Time and activations are taken in eval mode, gradients of `loss` in train mode; all on copies.

    Args:
        model: The network.
        inputs: Real inputs `(B, ...)`, 64 or more for dead units to mean something.
        targets: Their targets, as the loss takes them; without, no gradients.
        loss: What is minimized.

    Raises:
        UsageError: the network cannot compute the inputs.
    """
    activity = Activity()
    seen = _traced(model, inputs, activity.note)
    found = _inspected(model, seen, inputs)
    device = next((p.device for p in model.parameters()), inputs.device)
    inputs = inputs.to(device)
    shares, told = time_shares(model, inputs), activity.by_path(seen)
    value: float | None = None
    gradients: dict[str, dict[str, Any]] = {}
    if targets is not None and loss is not None:
        value, gradients = gradient_norms(model, inputs, targets.to(device), loss)
    layers = tuple(
        replace(
            layer,
            time_share=shares.get(layer.path),
            **told.get(layer.path, {}),
            **gradients.get(layer.path, {}),
        )
        for layer in found.layers
    )
    return replace(found, layers=layers, times=shares, examples=len(inputs), loss=value)


def _traced(model: nn.Module, example: Tensor, observe: Observer | None = None) -> Trace:
    device = next((p.device for p in model.parameters()), example.device)
    try:
        return run_traced(copy.deepcopy(model).eval(), example.to(device), observe)
    except BurnishError:
        raise
    except Exception as error:
        raise UsageError(
            f"the network fails on a batch of shape {tuple(example.shape)}: {type(error).__name__}: {error}"
        ) from error


def _inspected(model: nn.Module, seen: Trace, example: Tensor) -> Inspection:
    tensors = [*model.parameters(), *model.buffers()]
    layers = _layers(model, seen, len(example), receptive_fields(seen, example.is_floating_point()))
    return Inspection(
        layers=layers,
        parameters=sum(p.numel() for p in model.parameters()),
        bytes=sum(t.numel() * t.element_size() for t in tensors),
        operations=sum(layer.operations for layer in layers),
        modules={path: type(module).__name__ for path, module in model.named_modules()},
    )


def _layers(model: nn.Module, seen: Trace, batch: int, fields: dict[int, tuple[int, ...] | str]) -> tuple[Layer, ...]:
    by_path: dict[str, list[Call]] = {}
    for call in seen.calls[1:]:
        by_path.setdefault(call.path, []).append(call)
    order = {path: calls[0].index for path, calls in by_path.items()}
    counted: set[int] = set()
    found: list[Layer] = []
    inside: tuple[str, ...] = ()
    for path, module in model.named_modules():
        if inside and path.startswith(inside):
            continue
        leaf = is_leaf(module)
        inside = (*inside, f"{path}.") if leaf and path else inside
        calls = [c for c in by_path.get(path, ()) if leaf == (c.module is not None)]
        layer = _layer(path, module, leaf, calls, batch, counted)
        if leaf or layer.parameters or layer.operations:
            seen_by = fields.get(calls[-1].index) if calls and leaf else None
            found.append(replace(layer, receptive_field=seen_by))
    return tuple(sorted(found, key=lambda layer: order.get(layer.path, len(seen.calls))))


def _layer(path: str, module: nn.Module, leaf: bool, calls: list[Call], batch: int, counted: set[int]) -> Layer:
    own = [p for p in module.parameters(recurse=leaf) if id(p) not in counted]
    counted.update(id(p) for p in own)
    first = calls[0] if calls and leaf else None
    return Layer(
        path=path,
        type=type(module).__name__,
        input_shape=first.shapes[0] if first and first.shapes else (),
        output_shape=first.shape if first else (),
        parameters=sum(p.numel() for p in own),
        operations=sum(map(operations, calls)) // batch,
        calls=len(calls),
    )
