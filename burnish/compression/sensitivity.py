"""Which layers suffer from int8, measured, and the fewest of them kept float.

Each layer is made int8 alone, and the error at the network's outputs is measured: that is what the layer is
ranked by. A layer that hurts most goes back to float first, until the outputs are good enough.

Source: mixed precision by measured sensitivity, Wu et al., "Integer Quantization for Deep Learning Inference",
2020, arXiv:2004.09602, section 6.2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from burnish.compression.conversion import WEIGHTED_OPERATORS, Layout, static
from burnish.compression.ranges import Ranges
from burnish.data.spacing import spaced
from burnish.exporting.runtime import run

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Sensitivity", "fall_back", "relative_error", "sensitivities"]

Array = np.ndarray
MOST = 96  # layers looked at one by one, the largest first: each costs a conversion and a session
ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What one layer costs in int8.

    Attributes:
        layer: Name of the node in the float ONNX file.
        operator: `Conv`, `Gemm`, ...
        weights: Number of its weights.
        error: Error at the outputs when this layer alone is int8, relative to the spread of the outputs.
    """

    layer: str
    operator: str
    weights: int
    error: float


def sensitivities(model: "ModelProto", ranges: Ranges, layout: Layout, rows: Array) -> tuple[Sensitivity, ...]:
    """Layers with weights, the one that causes most error first.

    Args:
        model: The float model, as `prepared` gives it.
        ranges: Of its activations.
        layout: How it is quantized.
        rows: Network inputs to measure on; at most 64 are used, evenly spaced.
    """
    few = rows[spaced(len(rows), ROWS)]
    reference = run(model.SerializeToString(), few)
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    layers = [
        (sizes[node.input[1]], node)
        for node in model.graph.node
        if node.op_type in WEIGHTED_OPERATORS and len(node.input) > 1 and node.input[1] in sizes
    ]
    largest = sorted(layers, key=lambda item: -item[0])[:MOST]
    found = []
    for weights, node in largest:
        alone = static(model, ranges, replace(layout, only=(node.name,)))
        error = relative_error(run(alone.SerializeToString(), few), reference)
        found.append(Sensitivity(layer=node.name, operator=node.op_type, weights=weights, error=error))
    return tuple(sorted(found, key=lambda item: (-item.error, item.layer)))


def fall_back(
    model: "ModelProto",
    ranges: Ranges,
    layout: Layout,
    ranked: Sequence[Sensitivity],
    within: Callable[["ModelProto"], bool],
) -> "tuple[ModelProto, tuple[str, ...]] | None":
    """The int8 model with the fewest of the `ranked` layers kept float that is `within` bounds, and those layers.

    Layers fall back in their order. How many it takes is bracketed by doubling and then bisected.

    Returns:
        None where even all but one of them do not bring it within bounds.
    """

    def mixed(count: int) -> "ModelProto":
        names = tuple(item.layer for item in ranked[:count])
        return static(model, ranges, replace(layout, excluded=(*layout.excluded, *names)))

    failed, found, most = 0, None, len(ranked) - 1
    for count in dict.fromkeys(min(2**power, most) for power in range(most.bit_length() + 1) if most > 0):
        tried = mixed(count)
        if within(tried):
            found = (count, tried)
            break
        failed = count
    while found is not None and found[0] - failed > 1:
        middle = (failed + found[0]) // 2
        tried = mixed(middle)
        if within(tried):
            found = (middle, tried)
        else:
            failed = middle
    return None if found is None else (found[1], tuple(item.layer for item in ranked[: found[0]]))


def relative_error(outputs: Array, reference: Array) -> float:
    """Root mean square of the difference, relative to the spread of the reference over the rows."""
    exact = reference.astype(np.float64)  # squares of a collapsed network's outputs overflow float32
    spread = max(float(np.sqrt(((exact - exact.mean(0)) ** 2).mean())), 1e-12)
    return float(np.sqrt(((outputs - exact) ** 2).mean())) / spread
