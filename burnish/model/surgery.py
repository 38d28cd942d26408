"""Surgery on networks that somebody else wrote: layers replaced or added, the network given left as it was.

Every function works on a deep copy. Modules that are used in several places stay one module, tied
weights stay tied, and what is put in takes over mode, device, type and hooks of what it replaces.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Probe", "Wrapped", "inputs_at", "outputs_at", "replaced", "wrapped"]

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """What an edit may look at.

    Attributes:
        inputs: At most 64 training rows as network input, `(B, *input_shape)`.
        trained: The network's weights are to be kept, so an edit should start close to its function.
    """

    inputs: Tensor
    trained: bool = False

    @classmethod
    def of(cls, value: "Probe | Tensor") -> "Probe":
        """A probe as it is; a batch of inputs alone is one for a network whose weights are to be kept."""
        return value if isinstance(value, Probe) else cls(inputs=value, trained=True)

    @property
    def few(self) -> Tensor:
        """The first 8 rows: enough to see what a network does, in an eighth of the time."""
        return self.inputs[:8]


class Wrapped(nn.Module):
    """A layer with something before or after it, called like the layer.

    Attributes of the layer (`weight`, `out_channels`) can be read through it, so that code that looks at
    its layers goes on working.
    """

    def __init__(self, layer: nn.Module, *, before: nn.Module | None = None, after: nn.Module | None = None) -> None:
        super().__init__()
        if before is not None:
            self.before = before
        self.layer = layer
        if after is not None:
            self.after = after
        self.training = layer.training

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        modules = self._modules
        if "before" in modules:
            x = self.before(x)
        result = self.layer(x, *args, **kwargs)
        return self.after(result) if "after" in modules else result

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            layer = self.__dict__.get("_modules", {}).get("layer")
            if layer is None or name in ("before", "after") or name.startswith("__"):
                raise
            return getattr(layer, name)


def replaced(
    model: nn.Module,
    kind: type[nn.Module] | tuple[type[nn.Module], ...] | Callable[[str, nn.Module], bool],
    convert: Callable[[nn.Module], nn.Module],
) -> tuple[nn.Module, tuple[str, ...]]:
    """A copy of `model` with every module of `kind` exchanged for what `convert` makes of it.

    Args:
        model: Any network. It is not modified.
        kind: Module classes, or a function `(path, module) -> bool`; a module used twice has two paths.
        convert: Called once for each module, shared ones included. What is inside an exchanged module is left alone.

    Returns:
        The copy, and the paths at which something was exchanged.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> replaced(network, nn.ReLU, lambda old: nn.Tanh())
        (Sequential(
          (0): Linear(in_features=2, out_features=2, bias=True)
          (1): Tanh()
        ), ('1',))
    """
    chosen = (lambda path, module: isinstance(module, kind)) if isinstance(kind, type | tuple) else kind
    network = copy.deepcopy(model)
    paths: list[str] = []
    made: dict[int, nn.Module] = {}
    root = _exchange(network, "", chosen, convert, made, paths)
    return root, tuple(paths)


def _exchange(
    module: nn.Module,
    path: str,
    chosen: Callable[[str, nn.Module], bool],
    convert: Callable[[nn.Module], nn.Module],
    made: dict[int, nn.Module],
    paths: list[str],
) -> nn.Module:
    if id(module) in made or chosen(path, module):
        paths.append(path)
        if id(module) not in made:
            made[id(module)] = _inherit(module, convert(module), None)
        return made[id(module)]
    for name, child in module._modules.items():
        if child is not None:
            module._modules[name] = _exchange(child, f"{path}.{name}".lstrip("."), chosen, convert, made, paths)
    return module


def _inherit(old: nn.Module, new: nn.Module, otherwise: Tensor | None) -> nn.Module:
    """Mode, device, type (those of `otherwise` where the old module has no numbers) and, unless it lives on, hooks."""
    if new is old:
        return new
    own = {id(m) for m in old.modules()}
    kept = {id(p) for m in old.modules() for p in (*m.parameters(), *m.buffers())}
    reference = _floating(old) if _floating(old) is not None else otherwise
    for module in new.modules():
        if id(module) in own:
            continue
        module.training = old.training
        if reference is not None and not any(id(t) in kept for t in (*module.parameters(), *module.buffers())):
            module.to(device=reference.device, dtype=reference.dtype)
    if id(old) not in {id(m) for m in new.modules()}:
        for name in _HOOKS:
            getattr(new, name).update(getattr(old, name))
    return new


def _floating(module: nn.Module) -> Tensor | None:
    return next((t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()), None)


def wrapped(
    model: nn.Module,
    after: Mapping[str, Callable[[nn.Module], nn.Module]] | None = None,
    before: Mapping[str, Callable[[nn.Module], nn.Module]] | None = None,
) -> nn.Module:
    """A copy of `model` with a layer put after, or before, each module at the given paths.

    Args:
        model: Any network. It is not modified.
        after: Path of a module -> a function of that module that makes the layer to follow it.
        before: The same for a layer that its first argument goes through.

    Raises:
        KeyError: there is no module at a path.
    """
    after, before = after or {}, before or {}
    modules = dict(model.named_modules(remove_duplicate=False))
    missing = [path for path in (*after, *before) if path not in modules]
    if missing:
        raise KeyError(f"no module at {', '.join(missing)}")
    by_identity = {id(modules[path]): path for path in (*after, *before)}
    copies: dict[int, str] = {}
    network = copy.deepcopy(model)
    for path, module in network.named_modules(remove_duplicate=False):
        if id(modules[path]) in by_identity:
            copies[id(module)] = by_identity[id(modules[path])]
    return _wrap_inside(network, after, before, copies, {}, _floating(network))


def _wrap_inside(
    module: nn.Module,
    after: Mapping[str, Callable[[nn.Module], nn.Module]],
    before: Mapping[str, Callable[[nn.Module], nn.Module]],
    chosen: Mapping[int, str],
    made: dict[int, nn.Module],
    otherwise: Tensor | None,
) -> nn.Module:
    """Wrap from the inside out, so that a block and a layer in it can both be chosen."""
    if id(module) in made:
        return made[id(module)]
    made[id(module)] = module
    for name, child in module._modules.items():
        if child is not None:
            module._modules[name] = _wrap_inside(child, after, before, chosen, made, otherwise)
    path = chosen.get(id(module))
    if path is not None:
        first = before[path](module) if path in before else None
        last = after[path](module) if path in after else None
        made[id(module)] = _inherit(module, Wrapped(module, before=first, after=last), otherwise)
    return made[id(module)]


def outputs_at(model: nn.Module, paths: Iterable[str], inputs: Tensor) -> dict[str, Tensor]:
    """What the modules at `paths` give when a copy of `model` computes `inputs` in eval mode; the last call counts.

    What is no tensor is left out.
    """
    return _seen_at(model, paths, inputs, lambda given, result: result)


def inputs_at(model: nn.Module, paths: Iterable[str], inputs: Tensor) -> dict[str, Tensor]:
    """What the modules at `paths` are given as first argument; otherwise as `outputs_at`."""
    return _seen_at(model, paths, inputs, lambda given, result: given)


def _seen_at(
    model: nn.Module, paths: Iterable[str], inputs: Tensor, pick: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Tensor]:
    network = copy.deepcopy(model).eval()
    seen: dict[str, Tensor] = {}

    def keep(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, result: Any) -> None:
            value = pick(args[0], result)
            if isinstance(value, Tensor):
                seen[path] = value.detach().clone()

        return hook

    modules = dict(network.named_modules(remove_duplicate=False))
    for path in paths:
        modules[path].register_forward_hook(keep(path))
    with torch.no_grad():
        network(inputs)
    return seen
