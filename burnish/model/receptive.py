"""How much of the input one output can see, followed from call to call.

Sizes follow the arithmetic of strides and kernels. Norms count as local, though their statistics are not. Of a pooling
written as a function only the shapes are known: its window is taken as the smallest that fits them.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
"""

from math import ceil
from typing import Any

from torch import nn

from burnish.model.flow import role
from burnish.model.roles import is_convolution
from burnish.model.tracing import Call, Trace

__all__ = ["receptive_fields"]

ALL = "all"
Field = tuple[tuple[float, ...], tuple[float, ...]]  # sizes, and steps between neighbours, both in inputs


def receptive_fields(trace: Trace, numbers: bool) -> dict[int, tuple[int, ...] | str]:
    """For each call the inputs one of its outputs depends on, per dimension, or `all`; {} for tables.

    Args:
        trace: Of the network.
        numbers: Whether the input holds numbers `(B, C, ...)`, rather than tokens `(B, T)`.
    """
    shape = trace.calls[0].shape
    places = len(shape) - (2 if numbers else 1)
    if places < 1:
        return {}
    fields: dict[int, Field | str] = {0: ((1.0,) * places, (1.0,) * places)}
    for call in trace.calls[1:]:
        sources = [fields[i] for i in call.inputs if i in fields]
        if sources:
            fields[call.index] = _through(call, _joined(sources), places, shape)
    return {
        index: field if isinstance(field, str) else tuple(int(size) for size in field[0])
        for index, field in fields.items()
    }


def _joined(fields: list[Field | str]) -> Field | str:
    known = [field for field in fields if not isinstance(field, str)]
    if len(known) < len(fields):
        return ALL
    return tuple(map(max, zip(*(k[0] for k in known), strict=True))), tuple(
        map(max, zip(*(k[1] for k in known), strict=True))
    )


def _through(call: Call, field: Field | str, places: int, shape: tuple[int, ...]) -> Field | str:
    """The field after `call`; once positions are gone or mixed it is everything."""
    if isinstance(field, str) or _mixes(call):
        return ALL
    if len(call.shape) != places + 2 and call.shape != shape:
        return ALL
    if is_convolution(call.module):
        return _slid(field, call.module)
    what = role(call)
    if what == "weights" and call.name.startswith("conv") and len(call.shapes) > 1:
        return _by_shapes(field, call, call.shapes[1][2:], places)
    if what == "pool":
        return _pooled(call, field, places)
    if isinstance(call.module, nn.Linear) or call.name == "linear":
        return field if len(call.shapes[0]) == len(call.shape) else ALL
    return field


def _mixes(call: Call) -> bool:
    return isinstance(call.module, nn.RNNBase | nn.MultiheadAttention) or role(call) == "mixing"


def _pooled(call: Call, field: Field, places: int) -> Field | str:
    if all(side == 1 for side in call.shape[2:]) and any(side > 1 for side in call.shapes[0][2:]):
        return ALL
    if call.module is not None and hasattr(call.module, "kernel_size"):
        return _slid(field, call.module)
    return _by_shapes(field, call, (), places)


def _by_shapes(field: Field, call: Call, kernel: tuple[int, ...], places: int) -> Field:
    """A window whose stride is only seen in the shapes."""
    before, after = call.shapes[0][-places:], call.shape[-places:]
    strides = [max(round(b / a), 1) for b, a in zip(before, after, strict=True)]
    smallest = [max(b - (a - 1) * s, 1) for b, a, s in zip(before, after, strides, strict=True)]
    return _grown(field, kernel or tuple(smallest), tuple(strides), (1,) * places)


def _slid(field: Field, module: Any) -> Field:
    """A window with its own kernel, stride and dilation."""
    places = len(field[0])
    kernel, stride, dilation = (
        _each(getattr(module, name, None) or default, places)
        for name, default in (("kernel_size", 1), ("stride", module.kernel_size), ("dilation", 1))
    )
    if getattr(module, "transposed", False):
        sizes = tuple(z + (ceil(k / s) - 1) * j for z, k, s, j in zip(field[0], kernel, stride, field[1], strict=True))
        return sizes, tuple(j / s for j, s in zip(field[1], stride, strict=True))
    return _grown(field, kernel, stride, dilation)


def _grown(field: Field, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Field:
    sizes, steps = field
    wider = tuple(z + (k - 1) * d * j for z, k, d, j in zip(sizes, kernel, dilation, steps, strict=True))
    return wider, tuple(j * s for j, s in zip(steps, stride, strict=True))


def _each(value: Any, places: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (int(value),) * places
