"""What an exported model costs whatever the machine: bytes, parameters, multiply-accumulates. Never imports torch."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.exporting.runtime import example_inputs, session

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["Footprint", "footprint"]

Shape = tuple[int, ...]
RECURRENT = ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")
PRODUCTS = ("Gemm", "MatMul", "MatMulInteger", "DynamicQuantizeMatMul")
CONVOLUTIONS = ("Conv", "ConvInteger", "ConvTranspose")
CONDITIONAL = ("If", "Loop", "Scan")  # their operations depend on values
INTEGER_RESULTS = ("MatMulInteger", "ConvInteger")
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Size and work of a model.

    Attributes:
        bytes: Size of the file.
        parameters: Stored weights and biases; scales and zero points of int8 are not among them.
        operations: Multiply-accumulates for one example; None where loops or branches decide.
    """

    bytes: int
    parameters: int
    operations: int | None


def footprint(path: Path | str) -> Footprint:
    """Size and work of the ONNX file.

    Raises:
        UsageError: there is no such file, or it cannot be loaded.
    """
    import onnx

    session(path)  # says what is wrong with it
    model = onnx.load(str(path))
    return Footprint(
        bytes=Path(path).stat().st_size, parameters=_parameters(model), operations=_operations(model, str(path))
    )


def _parameters(model: "ModelProto") -> int:
    from onnx import TensorProto

    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32)
    steps = {name for node in model.graph.node if node.op_type in CONVERSIONS for name in node.input[1:]}
    return sum(
        prod(tensor.dims)
        for tensor in model.graph.initializer
        if tensor.dims
        and tensor.data_type in kinds
        and tensor.name not in steps
        and not tensor.name.endswith(("_scale", "_zero_point"))
    )


def _operations(model: "ModelProto", path: str) -> int | None:
    if any(node.op_type in CONDITIONAL for node in model.graph.node):
        return None
    counted = [node for node in model.graph.node if node.op_type in (*RECURRENT, *PRODUCTS, *CONVOLUTIONS)]
    try:
        shapes = _shapes(model, counted)
    except Exception:  # an operator whose inputs are of a type that cannot be asked for
        return None
    return sum(_of_node(node, shapes) for node in counted)


def _shapes(model: "ModelProto", nodes: "list[NodeProto]") -> dict[str, Shape]:
    """Shapes of what `nodes` take and give, seen by running one example; those of stored tensors too."""
    from onnx import ModelProto, TensorProto, helper

    stored: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    wanted: dict[str, int] = {}
    for node in nodes:
        wanted[node.output[0]] = TensorProto.INT32 if node.op_type in INTEGER_RESULTS else TensorProto.FLOAT
        if node.op_type not in INTEGER_RESULTS:
            wanted |= {name: TensorProto.FLOAT for name in node.input[:2] if name and name not in stored}
    given = model.graph.input[0].name
    wanted.pop(given, None)
    asked = ModelProto()
    asked.CopyFrom(model)
    del asked.graph.output[:]
    asked.graph.output.extend(helper.make_tensor_value_info(name, kind, None) for name, kind in wanted.items())
    opened = session(asked.SerializeToString(), optimized=False)
    rows = example_inputs(opened, 1)
    results: dict[str, Any] = dict(zip(wanted, opened.run(list(wanted), {given: rows}), strict=True))
    return stored | {name: tuple(value.shape) for name, value in results.items()} | {given: tuple(rows.shape)}


def _of_node(node: "NodeProto", shapes: dict[str, Shape]) -> int:
    weight = shapes[node.input[1]]
    if node.op_type == "ConvTranspose":
        return prod(shapes[node.input[0]]) * prod(weight[1:])
    if node.op_type in CONVOLUTIONS:
        return prod(shapes[node.output[0]]) * prod(weight[1:])
    if node.op_type in RECURRENT:
        steps = prod(shapes[node.input[0]][:2])
        return steps * (prod(weight) + prod(shapes[node.input[2]]))
    turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return prod(shapes[node.output[0]]) * weight[-1 if turned or len(weight) == 1 else -2]
