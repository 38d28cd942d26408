"""What a network is made of: layers, shapes, parameters, operations."""

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from torch import Tensor, nn

from burnish.errors import BurnishError, UsageError
from burnish.model.roles import is_convolution, is_leaf, is_norm
from burnish.model.tracing import Call, Trace, trace
from burnish.records import shown_as_printed

__all__ = ["Inspection", "Layer", "inspect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer, or one module's own parameters and functions.

    Attributes:
        path: Where it is in the network.
        type: Class of the module.
        input_shape: Of its first input when it is first called, batch included; empty when it is not called.
        output_shape: Of its first output.
        parameters: Own parameters; those shared with an earlier layer are counted there.
        operations: Multiply-accumulate operations for one example.
    """

    path: str
    type: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    operations: int

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self) | {"input_shape": list(self.input_shape), "output_shape": list(self.output_shape)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A network's layers in the order they are called, and the totals.

    Attributes:
        layers: Layers, and modules that hold parameters or multiply matrices themselves.
        parameters: Number of parameters, tied ones once.
        bytes: Size of parameters and buffers.
        operations: Multiply-accumulate operations for one example; additions of biases are left out.
    """

    layers: tuple[Layer, ...]
    parameters: int
    bytes: int
    operations: int

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self) | {"layers": [layer.to_json() for layer in self.layers]}

    def __str__(self) -> str:
        header = ("layer", "type", "input", "output", "parameters", "operations")
        rows = [header] + [
            (x.path, x.type, _shape(x.input_shape), _shape(x.output_shape), f"{x.parameters:,}", f"{x.operations:,}")
            for x in self.layers
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
        lines = ["  ".join(_aligned(row[i], widths[i], i) for i in range(len(header))).rstrip() for row in rows]
        batch = next((x.input_shape[0] for x in self.layers if x.input_shape), 1)
        note = f"shapes with a batch of {batch}; " if self.layers else ""
        total = (
            f"{note}{self.parameters:,} parameters, {self.bytes:,} bytes, {self.operations:,} operations per example"
        )
        return "\n".join([*lines, total])

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
    device = next((p.device for p in model.parameters()), example.device)
    try:
        seen = trace(model, example.to(device))
    except BurnishError:
        raise
    except Exception as error:
        raise UsageError(
            f"the network fails on a batch of shape {tuple(example.shape)}: {type(error).__name__}: {error}"
        ) from error
    tensors = [*model.parameters(), *model.buffers()]
    layers = _layers(model, seen, len(example))
    return Inspection(
        layers=layers,
        parameters=sum(p.numel() for p in model.parameters()),
        bytes=sum(t.numel() * t.element_size() for t in tensors),
        operations=sum(layer.operations for layer in layers),
    )


def _layers(model: nn.Module, seen: Trace, batch: int) -> tuple[Layer, ...]:
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
            found.append(layer)
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
        operations=sum(_operations(c) if c.module is not None else _function_operations(c) for c in calls) // batch,
    )


def _operations(call: Call) -> int:
    """Multiply-accumulates of one call of a layer, for its whole batch."""
    module, size = call.module, prod(call.shape)
    if is_convolution(module):
        transposed = bool(getattr(module, "transposed", False))
        channels = module.out_channels if transposed else module.in_channels  # type: ignore[union-attr]
        per_value = channels // module.groups * prod(module.kernel_size)  # type: ignore
        return per_value * (prod(call.shapes[0]) if transposed else size)
    if isinstance(module, nn.Linear):
        return size * module.in_features
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        weights = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
        steps = prod(call.shapes[0]) // module.input_size
        return steps * weights
    if isinstance(module, nn.MultiheadAttention):
        return _attention(module, call)
    return size if is_norm(module) else 0


def _attention(module: nn.MultiheadAttention, call: Call) -> int:
    """Four projections, the products of queries with keys and of weights with values."""
    query, key = call.shapes[0], call.shapes[min(1, len(call.shapes) - 1)]
    batched = len(query) == 3
    examples = (query[0] if module.batch_first else query[1]) if batched else 1
    queries, keys = prod(query[:-1]) // examples, prod(key[:-1]) // examples
    width = module.embed_dim
    key_width, value_width = module.kdim or width, module.vdim or width
    projections = 2 * queries * width * width + keys * width * (key_width + value_width)
    return examples * (projections + 2 * queries * keys * width)


def _function_operations(call: Call) -> int:
    """Multiply-accumulates of a product of matrices or a convolution written as a function."""
    shapes, size = call.shapes, prod(call.shape)
    if call.name in ("matmul", "bmm", "mm", "linear") and len(shapes) > 1:
        return size * shapes[0][-1]
    if call.name == "rmatmul" and len(shapes) > 1:
        return size * shapes[1][-1]
    if call.name in ("addmm", "baddbmm") and len(shapes) > 2:
        return size * shapes[1][-1]
    if call.name in ("conv1d", "conv2d", "conv3d") and len(shapes) > 1:
        return size * prod(shapes[1][1:])
    if call.name == "scaled_dot_product_attention":
        return prod(shapes[0]) * shapes[1][-2] + size * shapes[1][-2]
    return 0


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "-"


def _aligned(text: str, width: int, column: int) -> str:
    return text.rjust(width) if column >= 4 else text.ljust(width)
