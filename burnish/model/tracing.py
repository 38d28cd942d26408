"""What happens, in order, when a network computes: which module or function, on what, and where its result goes.

The network is run once, on the probe, while hooks watch its modules and a function mode watches the
functions its `forward` calls. Nothing is symbolic, so control flow is no obstacle: what is seen is
the path the probe takes.
"""

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from burnish.model.roles import is_leaf

__all__ = ["Call", "Observer", "Trace", "plain_attention", "run_traced", "trace"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """One call of a layer, or of a function on tensors outside any layer.

    Attributes:
        index: Its place in the order of calls.
        name: The function's name without underscores (`relu`); empty for a layer.
        path: The layer's path, or the path of the module whose `forward` called the function.
        module: The layer, in the traced copy; None for a function.
        inputs: Calls whose results it takes.
        shapes: Shapes of the tensors it takes, parameters included.
        shape: Shape of its first result.
        weights: It takes parameters directly: it is a layer written as a function.
        inplace: It writes into its argument.
    """

    index: int
    name: str
    path: str
    module: nn.Module | None
    inputs: tuple[int, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    weights: bool = False
    inplace: bool = False


Observer = Callable[[Call, Tensor], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """All calls of one run of a network.

    Attributes:
        calls: In order; the first stands for the network's input.
        outputs: Calls that give the network's output.
        entries: For every module, by path, the calls that give its inputs, once per time it was called.
        exits: For every module, by path, the call that gives its output, once per time it was called; None where
            the output is not one tensor.
    """

    calls: tuple[Call, ...]
    outputs: frozenset[int]
    entries: dict[str, list[tuple[int, ...]]]
    exits: dict[str, list[int | None]]
    _consumers: dict[int, tuple[int, ...]]

    def consumers(self, index: int) -> tuple[Call, ...]:
        """Calls that take the result of call `index`."""
        return tuple(self.calls[i] for i in self._consumers.get(index, ()))

    def producers(self, index: int) -> tuple[Call, ...]:
        """Calls whose results call `index` takes."""
        return tuple(self.calls[i] for i in self.calls[index].inputs)

    def times(self, path: str) -> int:
        """How often the module at `path` was called."""
        return len(self.exits.get(path, ()))


def trace(model: nn.Module, inputs: Tensor) -> Trace:
    """Run a copy of `model` in eval mode on `inputs`, `(B, ...)`, and give the calls it made."""
    return run_traced(copy.deepcopy(model).eval(), inputs)


def run_traced(model: nn.Module, inputs: Tensor, observe: "Observer | None" = None) -> Trace:
    """The calls `model` itself makes on `inputs`, in the mode it is in; its hooks are put on and taken off.

    `observe` is told every call with its first result, as it is at that moment.
    """
    recorder = _Recorder(observe)
    with _watched(model, recorder), plain_attention(), torch.no_grad(), recorder:
        recorder.begin(inputs)
        output = model(inputs)
    return recorder.finished(output)


class _Recorder(TorchFunctionMode):
    """Collects calls. Tensors are kept alive while it runs, so that `id` tells them apart."""

    def __init__(self, observe: "Observer | None" = None) -> None:
        super().__init__()
        self.observe = observe
        self.calls: list[Call] = []
        self.origin: dict[int, int] = {}
        self.alive: list[Tensor] = []
        self.stack: list[str] = []
        self.leaf_depth = 0
        self.entries: dict[str, list[tuple[int, ...]]] = {}
        self.exits: dict[str, list[int | None]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.leaf_depth:
            return func(*args, **kwargs)
        taken = _tensors((args, kwargs))
        call = (self._origins(taken), tuple(tuple(t.shape) for t in taken))
        result = func(*args, **kwargs)
        given = _tensors(result)
        if given:
            raw = getattr(func, "__name__", "")
            weights = any(isinstance(t, nn.Parameter) for t in taken)
            inplace = _writes(raw) or bool(kwargs.get("inplace"))
            name = "property" if raw == "__get__" else raw.strip("_")
            path = self.stack[-1] if self.stack else ""
            self._record(given, *call, name=name, path=path, module=None, weights=weights, inplace=inplace)
        return result

    def begin(self, inputs: Tensor) -> None:
        """Call 0 stands for the network's input."""
        self._record([inputs], (), (), name="input", path="", module=None)

    def enter(self, path: str, leaf: bool, _module: nn.Module, args: Any, kwargs: Any) -> None:
        """Before a module's forward."""
        self.stack.append(path)
        self.leaf_depth += leaf
        self.entries.setdefault(path, []).append(self._origins(_tensors((args, kwargs))))

    def leave(self, path: str, leaf: bool, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        """After a module's forward."""
        self.stack.pop()
        self.leaf_depth -= leaf
        given, taken = _tensors(result), _tensors((args, kwargs))
        unseen = any(id(t) not in self.origin for t in given)
        if given and not self.leaf_depth and (leaf or unseen):
            shapes = tuple(tuple(t.shape) for t in taken)
            inplace = bool(getattr(module, "inplace", False))
            origins = self.entries[path][-1]
            self._record(given, origins, shapes, name="", path=path, module=module, inplace=inplace)
        self.exits.setdefault(path, []).append(self.origin.get(id(result)) if isinstance(result, Tensor) else None)

    def finished(self, output: Any) -> Trace:
        """The trace, once the network has returned `output`."""
        consumers: dict[int, list[int]] = {}
        for call in self.calls:
            for source in call.inputs:
                consumers.setdefault(source, []).append(call.index)
        return Trace(
            calls=tuple(self.calls),
            outputs=frozenset(self._origins(_tensors(output))),
            entries=self.entries,
            exits=self.exits,
            _consumers={source: tuple(places) for source, places in consumers.items()},
        )

    def _origins(self, tensors: list[Tensor]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.origin[id(t)] for t in tensors if id(t) in self.origin))

    def _record(
        self, given: list[Tensor], inputs: tuple[int, ...], shapes: tuple[Shape, ...], *, name: str, **rest: Any
    ) -> None:
        index = len(self.calls)
        self.calls.append(
            Call(index=index, name=name, inputs=inputs, shapes=shapes, shape=tuple(given[0].shape), **rest)
        )
        for tensor in given:
            self.origin[id(tensor)] = index
        self.alive.extend(given)
        if self.observe is not None:
            self.leaf_depth += 1  # what the observer computes is no part of the network
            self.observe(self.calls[-1], given[0])
            self.leaf_depth -= 1


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def _writes(name: str) -> bool:
    """Names of functions that write into their argument: `relu_`, `__iadd__`."""
    return (name.endswith("_") and not name.startswith("__")) or (name.startswith("__i") and name != "__invert__")


@contextmanager
def _watched(model: nn.Module, recorder: _Recorder) -> Iterator[None]:
    handles = []
    inside: tuple[str, ...] = ()
    for path, module in model.named_modules():
        if path.startswith(inside):
            continue
        leaf = is_leaf(module)
        if leaf and path:
            inside = (*inside, f"{path}.")
        enter, leave = functools.partial(recorder.enter, path, leaf), functools.partial(recorder.leave, path, leaf)
        handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(module.register_forward_hook(leave, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def plain_attention() -> Iterator[None]:
    """PyTorch's Transformer layers fuse everything in eval mode; the plain path shows their parts."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
