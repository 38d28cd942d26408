"""Recurrent layers as exporters write them, without the small operations around them.

PyTorch makes the zeros a recurrent layer starts from, and reshapes what it gives by computed shapes. ONNX has zeros as
default and one operator for the shape. On a small LSTM each of the twenty little nodes costs as much as a matrix
product. Never imports torch.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["lean"]

STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}  # which inputs are the states to start from
SAME_VALUES = ("Expand", "Slice", "Reshape", "Unsqueeze", "Squeeze", "Transpose", "Identity", "Tile")
BATCH_BEFORE_DIRECTION = [0, 2, 1, 3]


def lean(model: "ModelProto") -> "ModelProto":
    """`model` itself, its recurrent layers without zero states and with one operator behind those of one direction.

    A model without recurrent layers is not touched.
    """
    from onnx import numpy_helper

    graph = model.graph
    layers = [node for node in graph.node if node.op_type in STATES]
    if not layers:
        return model
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for layer in layers:
        for place in STATES[layer.op_type]:
            if len(layer.input) > place and _zero(layer.input[place], makers, constants):
                layer.input[place] = ""
        while layer.input and not layer.input[-1]:
            del layer.input[-1]
        _squeeze(graph, layer, makers)
    _drop_unused(graph)
    return model


def _zero(name: str, makers: Mapping[str, "NodeProto"], constants: Mapping[str, np.ndarray]) -> bool:
    """Whether the values called `name` are zeros whatever the inputs are."""
    if name in constants:
        return not constants[name].any()
    node = makers.get(name)
    if node is None:
        return False
    if node.op_type == "ConstantOfShape":
        return all(_empty(attribute) for attribute in node.attribute)
    return node.op_type in SAME_VALUES and _zero(node.input[0], makers, constants)


def _empty(attribute: Any) -> bool:
    from onnx import numpy_helper

    return attribute.name != "value" or not numpy_helper.to_array(attribute.t).any()


def _squeeze(graph: Any, layer: "NodeProto", makers: Mapping[str, "NodeProto"]) -> None:
    """Replace transposing and reshaping `(time, direction, batch, units)` by leaving the one direction out."""
    from onnx import helper, numpy_helper

    if any(a.name == "direction" and a.s == b"bidirectional" for a in layer.attribute):
        return
    for position, node in enumerate(graph.node):
        turned = makers.get(node.input[0]) if node.op_type == "Reshape" else None
        if turned is None or turned.op_type != "Transpose" or list(turned.input) != [layer.output[0]]:
            continue
        order = next((list(a.ints) for a in turned.attribute if a.name == "perm"), [])
        if order != BATCH_BEFORE_DIRECTION or not _joins_last(node.input[1], turned.output[0], makers):
            continue
        axis = f"{node.output[0]}_direction"
        graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), axis))
        squeezed = helper.make_node("Squeeze", [layer.output[0], axis], list(node.output), name=f"{node.name}_squeezed")
        graph.node.remove(node)
        graph.node.insert(position, squeezed)


def _joins_last(shape: str, of: str, makers: Mapping[str, "NodeProto"]) -> bool:
    """Whether `shape` is that of the tensor `of` with its last two sizes multiplied."""
    joined = makers.get(shape)
    if joined is None or joined.op_type != "Concat" or len(joined.input) != 3:
        return False
    *kept, last = (_operations(name, of, makers) for name in joined.input)
    return all(part == {"Slice"} or part == {"Gather"} for part in kept) and "Mul" in last


def _operations(name: str, of: str, makers: Mapping[str, "NodeProto"]) -> set[str]:
    """The operations that make `name` out of the shape of `of`; `another` among them where it is of something else."""
    node = makers.get(name)
    if node is None:
        return set()
    if node.op_type == "Shape":
        return set() if node.input[0] == of else {"another"}
    return {node.op_type}.union(*(_operations(part, of, makers) for part in node.input))


def _drop_unused(graph: Any) -> None:
    """Remove nodes and initializers that nothing asks for any more."""
    wanted, kept = {output.name for output in graph.output}, []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    tensors = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(tensors)
