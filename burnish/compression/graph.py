"""Small rewrites of ONNX graphs around quantization."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["pooled", "tidy"]

IMAGE_RANK = 4


def pooled(model: "ModelProto") -> "ModelProto":
    """`model` itself, with means over both image axes as `GlobalAveragePool`, which has an int8 kernel.

    Exporters write such means as `ReduceMean`, which would stay float between two conversions.
    """
    from onnx import helper, numpy_helper, shape_inference

    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inferred = shape_inference.infer_shapes(model).graph
    ranks = {v.name: len(v.type.tensor_type.shape.dim) for v in (*inferred.value_info, *inferred.input)}
    nodes = []
    for node in graph.node:
        if not _is_image_mean(node, constants, ranks):
            nodes.append(node)
            continue
        keeps = next((a.i for a in node.attribute if a.name == "keepdims"), 1)
        target = node.output[0] if keeps else f"{node.output[0]}_pooled"
        nodes.append(helper.make_node("GlobalAveragePool", [node.input[0]], [target], name=f"{node.name}_pool"))
        if not keeps:
            nodes.append(helper.make_node("Flatten", [target], [node.output[0]], name=f"{node.name}_flat", axis=1))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return model


def tidy(model: "ModelProto") -> "ModelProto":
    """`model` itself, importing only the operator sets it uses and without notes."""
    used = {node.domain or "" for node in model.graph.node}
    kept = [item for item in model.opset_import if (item.domain or "") in used]
    del model.opset_import[:]
    model.opset_import.extend(sorted(kept, key=lambda item: item.domain))
    for item in (model, model.graph, *model.graph.node):
        item.doc_string = ""
        del item.metadata_props[:]
    return model


def _is_image_mean(node: Any, constants: dict[str, np.ndarray], ranks: dict[str, int]) -> bool:
    if node.op_type != "ReduceMean" or ranks.get(node.input[0]) != IMAGE_RANK:
        return False
    given = constants.get(node.input[1]) if len(node.input) > 1 else None
    if given is None:
        given = next((np.array(a.ints) for a in node.attribute if a.name == "axes"), None)
    return given is not None and sorted(int(axis) % IMAGE_RANK for axis in given) == [2, 3]
