"""The layers of an exported model: channels and precision of each. Never imports torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

__all__ = ["layer_changes", "layers"]

# Where an operator keeps its weights, and which axis of them counts the outputs.
WEIGHTS = {
    "Conv": (1, 0),
    "ConvTranspose": (1, 1),
    "Gemm": (1, 0),
    "MatMul": (1, -1),
    "Gather": (0, 1),
    "LSTM": (1, 1),
    "GRU": (1, 1),
    "DynamicQuantizeLSTM": (1, 2),
    "MatMulInteger": (1, -1),
    "DynamicQuantizeMatMul": (1, -1),
}
GATES = {"LSTM": 4, "DynamicQuantizeLSTM": 4, "GRU": 3}
PRECISIONS = {1: "float32", 2: "uint8", 3: "int8", 10: "float16", 16: "bfloat16"}
SUFFIXES = ("_quantized", "_QuantizeLinear", ".weight")

Json = dict[str, Any]


def layers(path: Path | str) -> list[Json]:
    """Each layer with weights of the ONNX file, in order: `layer, operator, channels, precision`."""
    import onnx

    model = onnx.load(str(path))
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    found = []
    for node in model.graph.node:
        if node.op_type not in WEIGHTS:
            continue
        position, axis = WEIGHTS[node.op_type]
        tensor = _stored(node.input[position], known, makers)
        if tensor is not None and len(tensor.dims) > 1:
            found.append(
                {
                    "layer": _layer(tensor.name),
                    "operator": node.op_type,
                    "channels": _channels(node, tensor, axis),
                    "precision": PRECISIONS.get(tensor.data_type, "other"),
                }
            )
    return found


def layer_changes(before: Path | str, after: Path | str) -> list[Json]:
    """The layers of `before` with what is left of them in `after`: `layer, operator, before, after, precision`.

    Layers are matched by the names of their weights; where a file renames them, by their order when there are
    equally many. `after` is None for what cannot be matched.
    """
    old, new = layers(before), layers(after)
    by_name = {item["layer"]: item for item in new}
    matched = [by_name.get(item["layer"]) for item in old]
    if not all(matched) and len(old) == len(new):
        matched = list(new)
    return [
        {
            "layer": item["layer"],
            "operator": item["operator"],
            "before": item["channels"],
            "after": left and left["channels"],
            "precision": left and left["precision"],
        }
        for item, left in zip(old, matched, strict=True)
    ]


def _stored(name: str, known: "dict[str, TensorProto]", makers: "dict[str, NodeProto]") -> "TensorProto | None":
    """The initializer behind input `name`, through conversions and changes of form."""
    while name not in known:
        maker = makers.get(name)
        if maker is None or maker.op_type not in ("DequantizeLinear", "QuantizeLinear", "Transpose", "Reshape", "Cast"):
            return None
        name = maker.input[0]
    return known[name]


def _channels(node: "NodeProto", tensor: "TensorProto", axis: int) -> int:
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "Gemm":
        axis = 0 if attributes.get("transB") else 1
    width = int(tensor.dims[axis])
    if node.op_type == "ConvTranspose":
        width *= attributes.get("group", 1)
    return width // GATES.get(node.op_type, 1)


def _layer(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
