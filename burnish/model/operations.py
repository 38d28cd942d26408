"""How many multiply-accumulates a call costs."""

from math import prod

from torch import nn

from burnish.model.roles import is_convolution, is_norm
from burnish.model.tracing import Call

__all__ = ["operations"]


def operations(call: Call) -> int:
    """Multiply-accumulates of one call, for its whole batch; activations, pooling and additions count as none."""
    return _of_layer(call) if call.module is not None else _of_function(call)


def _of_layer(call: Call) -> int:
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


def _of_function(call: Call) -> int:
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
