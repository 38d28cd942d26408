"""Which weights of a layer belong to which of its channels.

Silencing a channel, weighing it and cutting it all ask the same question of a layer. A new kind of layer is one more
entry here.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

__all__ = ["channels_of", "depthwise", "owners", "partition", "resize", "units_of"]

Owners = list[tuple[str, Tensor]]
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def owners(module: nn.Module, side: str) -> Owners:
    """By parameter or buffer of `module`, the channel of `side` that each of its elements belongs to.

    Args:
        module: A layer.
        side: `in` or `out`; layers that work channel by channel have the same on both.

    Returns:
        Index tensors that broadcast to the shapes of the parameters; empty for layers without channels. A name may
        come twice: a recurrent weight belongs to the unit that speaks and to the one that hears.
    """
    for kinds, describe in _KINDS:
        if isinstance(module, kinds):
            return [item for item in describe(module, side) if getattr(module, item[0], None) is not None]
    return []


def resize(module: nn.Module, gone: dict[str, int]) -> None:
    """Set the attributes of a layer whose weights have been cut; `gone` counts its lost channels by side."""
    out, inner = gone.get("out", 0), gone.get("in", 0)
    either = max(out, inner)
    if isinstance(module, _ConvNd):
        _resize_conv(module, out, inner)
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, _NormBase):
        module.num_features -= either
    elif isinstance(module, nn.GroupNorm):
        module.num_channels -= either
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = (module.normalized_shape[0] - either,)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif isinstance(module, nn.Embedding | nn.EmbeddingBag):
        module.embedding_dim = module.weight.shape[1]
    elif isinstance(module, nn.RNNBase):
        module.input_size -= inner
        module.hidden_size -= out // (module.num_layers * _directions(module))
        module.flatten_parameters()


def partition(module: nn.Module, side: str) -> tuple[int, int]:
    """Number of consecutive blocks of channels that must lose equally many, and their size; `(1, 0)` for none."""
    if isinstance(module, _ConvNd) and module.groups > 1 and not depthwise(module):
        width = module.out_channels if side == "out" else module.in_channels
        return module.groups, width // module.groups
    if isinstance(module, nn.GroupNorm):
        return module.num_groups, module.num_channels // module.num_groups
    if isinstance(module, nn.RNNBase) and side == "out":
        return module.num_layers * _directions(module), module.hidden_size
    return 1, 0


def depthwise(module: object) -> bool:
    """Whether each channel is convolved by itself, one in and one out."""
    return isinstance(module, _ConvNd) and module.groups == module.in_channels == module.out_channels > 1


def channels_of(module: nn.Module) -> int:
    """Number of channels that a layer puts out; of a recurrent one the units of all its layers."""
    if isinstance(module, nn.RNNBase):
        return units_of(module)
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return module.embedding_dim
    return int(module.out_features if isinstance(module, nn.Linear) else module.out_channels)  # type: ignore[arg-type]


def units_of(module: nn.RNNBase) -> int:
    """Number of hidden units over all layers and directions; they are numbered layer, direction, unit."""
    return module.num_layers * _directions(module) * module.hidden_size


# -- layers ---------------------------------------------------------------------------------------


def _linear(module: nn.Linear, side: str) -> Owners:
    if side == "in":
        return [("weight", torch.arange(module.in_features)[None, :])]
    return [("weight", torch.arange(module.out_features)[:, None]), ("bias", torch.arange(module.out_features))]


def _conv(module: _ConvNd, side: str) -> Owners:
    rows, columns = module.weight.shape[:2]
    if side == ("in" if isinstance(module, _ConvTransposeNd) else "out"):
        index = torch.arange(rows)[:, None]
    else:
        group = torch.arange(rows)[:, None] // (rows // module.groups)
        index = group * columns + torch.arange(columns)[None, :]
    found = [("weight", index.view(*index.shape, *[1] * (module.weight.ndim - 2)))]
    if side == "out" or depthwise(module):
        found.append(("bias", torch.arange(module.out_channels)))
    return found


def _scale(module: nn.Module, side: str) -> Owners:
    values = [(name, getattr(module, name, None)) for name in ("weight", "bias", "running_mean", "running_var")]
    return [(name, torch.arange(len(v))) for name, v in values if isinstance(v, Tensor) and v.ndim == 1 and len(v) > 1]


def _embedding(module: nn.Embedding | nn.EmbeddingBag, side: str) -> Owners:
    return [("weight", torch.arange(module.embedding_dim)[None, :])]


def _recurrent(module: nn.RNNBase, side: str) -> Owners:
    """Inputs are columns of the first layer. Units are rows of all gates, and columns wherever they are heard."""
    directions, width = _directions(module), module.hidden_size
    suffixes = [
        (layer, direction, f"l{layer}" + "_reverse" * direction)
        for layer in range(module.num_layers)
        for direction in range(directions)
    ]
    if side == "in":
        columns = torch.arange(module.input_size)[None, :]
        return [(f"weight_ih_{suffix}", columns) for layer, _, suffix in suffixes if layer == 0]
    found = []
    for layer, direction, suffix in suffixes:
        units = torch.arange(width) + (layer * directions + direction) * width
        rows = units.repeat(GATES[module.mode])
        found += [(f"{name}_{suffix}", rows) for name in ("bias_ih", "bias_hh")]
        found += [(f"{name}_{suffix}", rows[:, None]) for name in ("weight_ih", "weight_hh")]
        if module.proj_size:  # units stay inside; what leaves the layer is their projection
            found.append((f"weight_hr_{suffix}", units[None, :]))
            continue
        found.append((f"weight_hh_{suffix}", units[None, :]))
        if layer:
            below = torch.arange(directions * width) + (layer - 1) * directions * width
            found.append((f"weight_ih_{suffix}", below[None, :]))
    return found


def _resize_conv(module: _ConvNd, out: int, inner: int) -> None:
    if depthwise(module):
        out = inner = max(out, inner)
    module.out_channels -= out
    module.in_channels -= inner
    width = module.out_channels if isinstance(module, _ConvTransposeNd) else module.in_channels
    module.groups = width // module.weight.shape[1]


def _directions(module: nn.RNNBase) -> int:
    return 2 if module.bidirectional else 1


_KINDS: tuple[tuple[type | tuple[type, ...], Callable[..., Owners]], ...] = (
    (nn.Linear, _linear),
    (_ConvNd, _conv),
    ((_NormBase, nn.GroupNorm, nn.LayerNorm, nn.PReLU), _scale),
    ((nn.Embedding, nn.EmbeddingBag), _embedding),
    (nn.RNNBase, _recurrent),
)
