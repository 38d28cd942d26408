"""The calls a network makes while it runs, each with a name that stays the same from run to run.

A name tells the module whose `forward` makes the call, which of its uses it is, the function, and which of that
module's calls of the function. So functions are found as well as modules, and each use of a shared module has
its own name; training mode, which makes more calls of its own, does not change the names of the others.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["Calls", "marked", "unmarked", "watched"]

WEIGHTED = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear")
_running = threading.local()


@dataclass(kw_only=True, eq=False)
class Calls:
    """What is done with the calls of one run.

    Attributes:
        value: `(name, result) -> result`, for each floating-point tensor a call gives.
        weight: `(name, weight) -> weight`, for the weight of each convolution and linear map.
    """

    value: Callable[[str, Tensor], Tensor]
    weight: Callable[[str, Tensor], Tensor]
    inside: list[str] = field(default_factory=lambda: [""])
    counts: Counter[str] = field(default_factory=Counter)

    def numbered(self, text: str) -> str:
        """`text` with how often it came before in this run."""
        self.counts[text] += 1
        return f"{text}#{self.counts[text] - 1}"


@dataclass(frozen=True, slots=True)
class _Enter:
    """Hook at the start of the module at `path`; plain data, so that networks carrying it can be copied and saved."""

    path: str

    def __call__(self, module: nn.Module, args: Any) -> None:
        calls: Calls | None = getattr(_running, "calls", None)
        if calls is not None:
            calls.inside.append(calls.numbered(self.path))


@dataclass(frozen=True, slots=True)
class _Leave:
    """Hook at its end."""

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        calls: Calls | None = getattr(_running, "calls", None)
        if calls is not None:
            calls.inside.pop()


class _Mode(TorchFunctionMode):
    """Sees every function of torch that is called, with modules' own among them."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self.calls = calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, calls = kwargs or {}, self.calls
        function = getattr(func, "__name__", type(func).__name__)
        if function in WEIGHTED:
            name = calls.numbered(f"{calls.inside[-1]}/{function}.weight")
            if "weight" in kwargs:
                kwargs = kwargs | {"weight": calls.weight(name, kwargs["weight"])}
            else:
                args = (args[0], calls.weight(name, args[1]), *args[2:])
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and result.is_floating_point():
            return calls.value(calls.numbered(f"{calls.inside[-1]}/{function}"), result)
        return result


@contextmanager
def watched(calls: Calls) -> Iterator[None]:
    """Hand the calls made meanwhile to `calls`."""
    before = getattr(_running, "calls", None)
    _running.calls = calls
    try:
        with _Mode(calls):
            yield
    finally:
        _running.calls = before


def marked(network: nn.Module) -> nn.Module:
    """`network` itself, whose modules say when they start and end, as `watched` needs it."""
    for path, module in network.named_modules():
        module.register_forward_pre_hook(_Enter(path))
        module.register_forward_hook(_Leave())
    return network


def unmarked(network: nn.Module) -> nn.Module:
    """`network` itself without what `marked` added."""
    for module in network.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key in [key for key, hook in hooks.items() if isinstance(hook, _Enter | _Leave)]:
                del hooks[key]
    return network
