"""What kind of layer a module is, and what a function's name says it does."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.dropout import _DropoutNd

__all__ = [
    "ACTIVATIONS",
    "BOUNDED",
    "dimensions",
    "is_batch_norm",
    "is_convolution",
    "is_leaf",
    "is_norm",
    "role_of_function",
    "role_of_module",
]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": nn.CELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
}
BOUNDED = ("sigmoid", "tanh")  # may be gates or the network's last word, which must not be swapped

_OTHER_ACTIVATIONS = (nn.PReLU, nn.RReLU, nn.Hardtanh, nn.Hardsigmoid, nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.GLU)
_RESHAPING = (nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle)
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
_WEIGHTED = (_ConvNd, nn.Linear, nn.Bilinear, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
_WHOLE = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)  # looked at from outside only
_FUNCTIONS = {
    "weights": {"linear", "bilinear", "conv1d", "conv2d", "conv3d"}
    | {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"},
    "norm": {"batch_norm", "group_norm", "layer_norm", "instance_norm", "rms_norm"},
    "activation": {*ACTIVATIONS, "prelu", "rrelu", "hardtanh", "hardsigmoid", "softplus", "softsign", "logsigmoid"}
    | {"glu", "clamp_min", "clamp", "sin"},
    "pool": {"mean", "amax", "max", "sum", "amin", "interpolate", "upsample"},
    "reshape": {"flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "clone"}
    | {"unflatten", "getitem", "chunk", "split", "to", "type", "float", "property", "swapaxes", "movedim", "narrow"}
    | {"select", "expand", "view_as", "reshape_as", "unbind", "detach", "ravel", "t", "type_as", "pad"},
    "add": {"add", "radd", "iadd", "sub", "isub", "rsub", "cat", "concat", "stack", "hstack", "concatenate"},
    "product": {"mul", "rmul", "imul", "multiply", "div", "truediv", "idiv", "itruediv"},
    "mixing": {"matmul", "rmatmul", "bmm", "mm", "einsum", "addmm", "baddbmm", "scaled_dot_product_attention"},
}
_BY_NAME = {name: role for role, names in _FUNCTIONS.items() for name in names}


def is_leaf(module: nn.Module) -> bool:
    """Layers of PyTorch itself, and what behaves like one; containers and users' own modules are looked into."""
    if isinstance(module, (*_WEIGHTED, *_NORMS, *_WHOLE)):
        return True
    own = type(module).__module__.startswith("torch.nn.")
    return not any(True for _ in module.children()) and (own or _named_norm(module))


def is_batch_norm(module: nn.Module | None) -> bool:
    """Batch normalization of any dimension."""
    return isinstance(module, _BatchNorm)


def is_convolution(module: nn.Module | None) -> bool:
    """A convolution or transposed convolution of any dimension."""
    return isinstance(module, _ConvNd | _ConvTransposeNd)


def is_norm(module: nn.Module | None) -> bool:
    """A normalization, known by type or, for a module without children, by the word in its class name."""
    return isinstance(module, _NORMS) or (module is not None and _named_norm(module))


def dimensions(module: nn.Module) -> int:
    """Number of spatial dimensions of a convolution; 0 for anything else."""
    return len(module.kernel_size) if isinstance(module, _ConvNd) else 0


def role_of_module(module: nn.Module) -> str:
    """`weights`, `norm`, `activation`, `dropout`, `pool`, `reshape`, `embedding`, `same` or `other`."""
    name = type(module).__name__.lower()
    kinds = (
        ("weights", isinstance(module, _WEIGHTED)),
        ("norm", is_norm(module)),
        ("activation", isinstance(module, (*ACTIVATIONS.values(), *_OTHER_ACTIVATIONS))),
        ("dropout", isinstance(module, _DropoutNd)),
        ("embedding", isinstance(module, nn.Embedding | nn.EmbeddingBag)),
        ("same", isinstance(module, nn.Identity)),
        ("reshape", isinstance(module, _RESHAPING)),
        ("pool", "pool" in name or isinstance(module, nn.Upsample)),
    )
    return next((role for role, fits in kinds if fits), "other")


def role_of_function(name: str, *, weights: bool, tensors: int) -> str:
    """The same for a function by its name; also `add`, `product` and `mixing`.

    Args:
        name: Its name without underscores.
        weights: It takes parameters.
        tensors: How many results of other calls it takes.
    """
    if "pool" in name or name == "boolean_dispatch":
        return "pool"
    if "dropout" in name:
        return "dropout"
    role = _BY_NAME.get(name, "other")
    if role in ("add", "product") and tensors < 2:
        return "same"  # with a number, a constant or a parameter of its own: a scale or shift
    if role == "mixing" and weights:
        return "weights"
    return role


def _named_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and not any(True for _ in module.children())
