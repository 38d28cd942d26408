"""Where an int8 file rounds, said in the calls of the network it was exported from.

Exporters rename, fold and reorder. So tensors of the file and results of calls are matched by their values on real
inputs, weights by their direction, since folding a batch norm only scales each output channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from burnish.compression.calls import Calls, marked, watched
from burnish.compression.ranges import outputs_of

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Placement", "place"]

Array = np.ndarray
RENAMED = "_QuantizeLinear_Input"  # what ONNX Runtime appends to the name of an output it rounds
VALUES, DIRECTIONS = 1e-4, 1e-4
ROWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The roundings of an int8 file.

    Attributes:
        activations: By call: name of the tensor in the file, and both ends of its range. `input` is the network's.
        weights: By call: which axis of the weight has a step of its own.
        unmatched: Tensors and weights of the file that no call corresponds to; they are rounded in the file only.
    """

    activations: dict[str, tuple[str, float, float]]
    weights: dict[str, int]
    unmatched: tuple[str, ...] = ()

    def by_tensor(self, ranges: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        """`ranges` by call as ranges by tensor of the file."""
        return {tensor: ranges[key] for key, (tensor, _, _) in self.activations.items() if key in ranges}


def place(network: nn.Module, model: "ModelProto", converted: "ModelProto", rows: Tensor) -> Placement:
    """Match the roundings of `converted` with the calls of `network`.

    Args:
        network: The network, with the weights that were exported. It is not modified.
        model: The float file, as `prepared` gave it.
        converted: The int8 file made of `model`.
        rows: Network inputs; four are used.
    """
    few = rows[:ROWS].detach().cpu()
    results, weights = _recorded(network, few)
    ends, names = _roundings(converted)
    computed = outputs_of(model, few.numpy(), list(ends))
    activations: dict[str, tuple[str, float, float]] = {}
    missing = []
    for tensor, (low, high) in ends.items():
        key = "input" if tensor == model.graph.input[0].name else _same_value(computed.get(tensor), results)
        if key is None:
            missing.append(tensor)
        else:
            activations.setdefault(key, (tensor, low, high))
    found, absent = _matched_weights(model, names, weights)
    return Placement(activations=activations, weights=found, unmatched=(*missing, *absent))


def _recorded(network: nn.Module, rows: Tensor) -> tuple[dict[str, Array], dict[str, Array]]:
    """Results and weights of all calls in evaluation mode."""
    import copy

    results: dict[str, Array] = {}
    weights: dict[str, Array] = {}

    def value(key: str, result: Tensor) -> Tensor:
        results[key] = result.detach().numpy().copy()  # a later call may write into it
        return result

    def weight(key: str, given: Tensor) -> Tensor:
        weights[key] = given.detach().numpy()
        return given

    watching = marked(copy.deepcopy(network).cpu().eval())
    with torch.no_grad(), watched(Calls(value=value, weight=weight)):
        watching(rows)
    return results, weights


def _roundings(converted: "ModelProto") -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Ranges of the activations the file rounds, and names of the weights it holds as int8."""
    from onnx import TensorProto, numpy_helper

    stored = {tensor.name: tensor for tensor in converted.graph.initializer}
    ends, weights = {}, []
    for node in converted.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in stored:
            scale, zero = (numpy_helper.to_array(stored[name]) for name in node.input[1:3])
            if scale.ndim == 0:
                low = -float(zero) * float(scale)
                ends[node.input[0].removesuffix(RENAMED)] = (low, low + 255 * float(scale))
        elif node.op_type == "DequantizeLinear" and node.input[0] in stored:
            weights.append(node.input[0])
    whole = [name for name in weights if stored[name].data_type == TensorProto.INT8]
    return ends, [name.removesuffix("_quantized") for name in dict.fromkeys(whole)]


def _same_value(wanted: Array | None, results: Mapping[str, Array]) -> str | None:
    """The first call that gave `wanted`; axes of length one do not count."""
    if wanted is None:
        return None
    flat = wanted.squeeze()
    allowed = VALUES * max(float(np.abs(flat).max()), 1e-6)
    for key, result in results.items():
        given = result.squeeze()
        if given.shape == flat.shape and np.abs(given - flat).max() <= allowed:
            return key
    return None


def _matched_weights(
    model: "ModelProto", names: list[str], weights: Mapping[str, Array]
) -> tuple[dict[str, int], list[str]]:
    from onnx import numpy_helper

    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    kinds = {name: node.op_type for node in model.graph.node for name in node.input}
    found: dict[str, int] = {}
    missing = []
    for name in names:
        if name not in stored:
            missing.append(name)
            continue
        value = numpy_helper.to_array(stored[name])
        keys = [
            key
            for key, weight in weights.items()
            for turned in ((value, value.T) if kinds[name] in ("MatMul", "Gemm") else (value,))
            if _same_direction(weight, turned, _axis(key))
        ]
        found |= {key: _axis(key) for key in keys}
        missing += [] if keys else [name]
    return found, missing


def _axis(key: str) -> int:
    return 1 if "/conv_transpose" in key else 0


def _same_direction(weight: Array, value: Array, axis: int) -> bool:
    """Whether each slice of `value` is a multiple of the slice of `weight`."""
    if weight.shape != value.shape:
        return False
    a, b = (np.moveaxis(item, axis, 0).reshape(item.shape[axis], -1).astype(np.float64) for item in (weight, value))
    products, sizes = np.abs((a * b).sum(1)), np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return bool((products >= (1 - DIRECTIONS) * sizes).all() and (sizes > 0).any())
