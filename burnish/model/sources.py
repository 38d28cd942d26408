"""Where networks come from: a factory, a trained module, a checkpoint, a name of the zoo.

An architecture is created anew for every seed; a trained network is copied with its weights.
A source travels to other processes by name (factory), or as a file in our own temporary
folder (module handed over).
"""

import contextlib
import copy
import functools
import hashlib
import inspect
import io
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from burnish.errors import UsageError
from burnish.model import zoo
from burnish.model.checkpoint import file_hash, load_state, read_state
from burnish.model.factories import bound_text, call_factory, offered
from burnish.model.locate import find, load_file, locate, refer, source_hash

if TYPE_CHECKING:
    from burnish.data.data import Data

__all__ = ["ModelSource", "as_source", "with_checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelSource:
    """One way to make a network.

    Attributes:
        name: For people: `cnn`, `net.py:make_net`, `ResNet`.
        factory: Creates a network with fresh weights; None for a module handed over.
        module: A trained network; it is copied, never trained itself.
        arguments: Keyword arguments fixed for the factory.
        checkpoint: Weights put into what the factory creates.
    """

    name: str
    factory: Callable[..., nn.Module] | None = None
    module: nn.Module | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None

    @property
    def trained(self) -> bool:
        """Weights are kept; seeds differ in the order of training only."""
        return self.module is not None or self.checkpoint is not None

    def create(self, inputs: tuple[int, ...], outputs: int, data_info: dict[str, Any] | None = None) -> nn.Module:
        """A network for one example of shape `inputs` and `outputs` outputs; the caller seeds.

        Args:
            inputs: Shape of one example, as the network sees it.
            outputs: Width of the output.
            data_info: `vocabulary`, the number of tokens, for text.

        Raises:
            UsageError: the factory fails, wants something unknown, or the checkpoint does not fit.
        """
        if self.module is not None:
            return copy.deepcopy(self.module)
        assert self.factory is not None
        facts = offered(inputs, outputs, (data_info or {}).get("vocabulary", 0))
        network = call_factory(self.factory, self.arguments, facts, self.name)
        if self.checkpoint is not None:
            load_state(network, read_state(self.checkpoint), str(self.checkpoint))
        return network

    def identity(self) -> str:
        """Changes when the network may change: name with the source file's text, or the state."""
        if self.module is not None:
            return f"{_qualified(type(self.module))}#{_state_hash(self.module)}"
        assert self.factory is not None
        weights = f"#{file_hash(self.checkpoint)}" if self.checkpoint else ""
        arguments = json.dumps(self.arguments, sort_keys=True, default=repr) if self.arguments else ""
        return f"{_qualified(self.factory)}#{source_hash(self.factory)}{bound_text(self.factory)}{arguments}{weights}"

    @property
    def portable(self) -> bool:
        """Another process can make the same network."""
        if self.module is not None:
            return _picklable(self.module)
        assert self.factory is not None
        return refer(self.factory) is not None and _plain(self.arguments)

    def to_json(self) -> dict[str, Any]:
        """Plain types. A module handed over is described, not contained: `save` writes it too."""
        if self.module is not None:
            return {"kind": "module", "name": self.name, "class": _qualified(type(self.module)), "trained": True}
        assert self.factory is not None
        return {
            "kind": "factory",
            "name": self.name,
            "factory": refer(self.factory),
            "arguments": self.arguments if _plain(self.arguments) else {},
            "checkpoint": str(self.checkpoint) if self.checkpoint else None,
            "trained": self.trained,
        }

    def save(self, directory: Path) -> dict[str, Any]:
        """Write what `from_json` needs in another process, into a folder of our own, and say what it is.

        Raises:
            UsageError: the source is not `portable`.
        """
        if not self.portable:
            raise UsageError(
                f"{self.name} is defined where other processes cannot find it (in a notebook, the main script or a "
                "function): move it to a file and name it file.py:factory, or run it in this process"
            )
        value = self.to_json()
        if self.module is not None:
            directory.mkdir(parents=True, exist_ok=True)
            torch.save(self.module, directory / "module.pt")
            value |= {"saved": str(directory / "module.pt"), "files": _class_files(self.module)}
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ModelSource":
        """The source that `to_json` or `save` wrote.

        Raises:
            UsageError: the factory is gone, or the module was described only.
        """
        if value["kind"] == "module":
            return cls(name=value["name"], module=_saved_module(value))
        if not value.get("factory"):
            raise UsageError(f"{value['name']} was no function of a file or package: give the network again")
        checkpoint = Path(value["checkpoint"]) if value.get("checkpoint") else None
        factory = find(value["factory"])
        return cls(name=value["name"], factory=factory, arguments=value["arguments"], checkpoint=checkpoint)


def as_source(model: Any, data: "Data | None" = None) -> ModelSource:
    """A source from whatever names a network.

    Args:
        model: A source, a factory, a module (trained, its weights are kept), `file.py:factory`,
            `package.module:factory`, `timm:NAME`, a name of the zoo, or None for the default on `data`.
        data: Decides the default.

    Raises:
        UsageError: nothing is found under the name, or it is no network.

    Example:
        >>> as_source("cnn").name, as_source(torch.nn.Linear(2, 2)).trained
        ('cnn', True)
    """
    if isinstance(model, ModelSource):
        return model
    if model is None and data is not None:
        model = zoo.default_name(data)
    if isinstance(model, str):
        return _named(model)
    if isinstance(model, nn.Module):
        return ModelSource(name=type(_unwrapped(model)).__name__, module=_unwrapped(model))
    if isinstance(model, functools.partial):
        inner = as_source(model.func)
        given = inspect.signature(model.func).bind_partial(*model.args, **model.keywords)
        return replace(inner, arguments=inner.arguments | given.arguments)
    if callable(model):
        return ModelSource(name=getattr(model, "__qualname__", type(model).__name__), factory=model)
    raise UsageError(
        f"{model!r} is no network; give a torch.nn.Module, a function that returns one, file.py:function, "
        f"package.module:function, or one of {', '.join(zoo.ZOO)}"
    )


def with_checkpoint(source: ModelSource, path: str | Path) -> ModelSource:
    """`source` with the weights in `path` (safetensors, or PyTorch weights only) as a trained network.

    Raises:
        UsageError: the file cannot be read, or does not fit the module.
    """
    path = Path(path).expanduser().resolve()
    state = read_state(path)
    if source.module is not None:
        return replace(source, module=load_state(copy.deepcopy(source.module), state, str(path)))
    return replace(source, checkpoint=path)


def _named(text: str) -> ModelSource:
    if text in zoo.ZOO:
        return replace(as_source(zoo.ZOO[text]), name=text)
    if text.startswith("timm:"):
        return ModelSource(name=text, factory=zoo.timm_network, arguments={"architecture": text[5:]})
    if text.endswith(".py"):
        raise UsageError(f"{text!r} names no function: write {text}:FUNCTION, the function that returns the network")
    if ":" not in text:
        raise UsageError(
            f"unknown network {text!r}; the zoo has {', '.join(zoo.ZOO)}; your own is written file.py:function or "
            "package.module:function"
        )
    file, _, attribute = text.rpartition(":")
    return replace(as_source(locate(text)), name=f"{Path(file).name if file.endswith('.py') else file}:{attribute}")


def _unwrapped(model: nn.Module) -> nn.Module:
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return model.module
    return getattr(model, "_orig_mod", model)


def _qualified(thing: Any) -> str:
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    module = getattr(thing, "__module__", type(thing).__module__)
    return f"{Path(sys.modules[module].__file__ or '').name if module.startswith('burnish_file_') else module}:{name}"


def _state_hash(module: nn.Module) -> str:
    digest = hashlib.sha256(repr(module).encode())
    for name, tensor in sorted(module.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return digest.hexdigest()[:16]


def _plain(arguments: dict[str, Any]) -> bool:
    try:
        return json.loads(json.dumps(arguments)) == arguments
    except (TypeError, ValueError):
        return False


def _classes(module: nn.Module) -> Iterator[type]:
    return iter({type(m) for m in module.modules()})


def _picklable(module: nn.Module) -> bool:
    if any(c.__module__ == "__main__" or "<" in c.__qualname__ for c in _classes(module)):
        return False
    with contextlib.suppress(Exception):
        pickle.Pickler(io.BytesIO()).dump(module)
        return True
    return False


def _class_files(module: nn.Module) -> list[str]:
    """Files that were loaded by path and define classes of `module`."""
    homes = {sys.modules[c.__module__] for c in _classes(module) if c.__module__.startswith("burnish_file_")}
    return sorted(str(home.__file__) for home in homes)


def _saved_module(value: dict[str, Any]) -> nn.Module:
    if "saved" not in value:
        raise UsageError(f"{value['name']} was handed over as a module and is not contained here: give it again")
    for file in value["files"]:
        load_file(Path(file))
    return torch.load(value["saved"], map_location="cpu", weights_only=False)  # our own file, never a user's
