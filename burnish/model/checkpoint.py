"""Weights from a file: safetensors, or a PyTorch file read as weights only. Nothing is ever unpickled."""

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from burnish.errors import UsageError

__all__ = ["file_hash", "load_state", "read_state"]

NESTED = ("state_dict", "model_state_dict", "model", "network", "net")  # where training scripts put the weights
PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before each name
SHOWN = 4  # names listed in a message


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in `path`: names to tensors, on the CPU.

    Raises:
        UsageError: there is no such file, it is neither safetensors nor weights only, or it holds no tensors.
    """
    if not path.is_file():
        raise UsageError(f"there is no checkpoint {path}")
    state = _unnested(_read(path), path)
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        held = ", ".join(map(str, list(state)[:SHOWN])) or "nothing"
        raise UsageError(f"{path} holds no state dict, it has {held}; save model.state_dict()")
    return _without_prefix(tensors)


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on pickle protocols, just before the file is refused
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if path.suffix == ".safetensors":
            raise UsageError(f"{path} is damaged or no safetensors file ({error}); copy or save it again") from error
        raise UsageError(
            f"{path} is neither safetensors nor a PyTorch file of weights only ({type(error).__name__}), and other "
            "pickled objects are never loaded; save it with safetensors.torch.save_file(model.state_dict(), path) or "
            "torch.save(model.state_dict(), path)"
        ) from error


def _unnested(state: Any, path: Path) -> Mapping[str, Any]:
    for key in NESTED:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            return state[key]
    if not isinstance(state, Mapping):
        raise UsageError(f"{path} holds a {type(state).__name__}, not a state dict; save model.state_dict()")
    return state


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def load_state(network: nn.Module, state: Mapping[str, Tensor], where: str) -> nn.Module:
    """Put `state` into `network`, in place; every name and every shape must fit.

    Raises:
        UsageError: names are missing or left over, or shapes differ; the message lists the first of them.
    """
    own = network.state_dict()
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    surplus = [n for n in state if n not in own]
    shapes = [
        f"{n}: {tuple(state[n].shape)} in the file, {tuple(own[n].shape)} in the network"
        for n in own
        if n in state and state[n].shape != own[n].shape
    ]
    problems = (("missing", missing), ("left over", surplus), ("of another shape", shapes))
    texts = [f"{len(names)} {what} ({'; '.join(names[:SHOWN])})" for what, names in problems if names]
    if texts:
        raise UsageError(f"{where} does not fit the network: {', '.join(texts)}; give the factory it was trained with")
    network.load_state_dict(dict(state), strict=False)
    return network


def file_hash(path: Path) -> str:
    """A hash of the file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]
