"""Weights to a safetensors file and back. Nothing is ever unpickled."""

import json
from pathlib import Path

import torch
from torch import nn

from burnish.errors import UsageError
from burnish.ledger.atomic import write_bytes

__all__ = ["load_weights", "read_weights", "save_weights"]

State = dict[str, torch.Tensor]


def save_weights(model: nn.Module, path: Path) -> Path:
    """Write the state of `model` to `path`, whole or not at all. Equal weights give equal bytes.

    Tied tensors are written once; the file remembers their other names.

    Raises:
        UsageError: the state holds something that is no tensor.
        LedgerError: the disk is full or cannot be written.
    """
    from safetensors.torch import save

    kept: State = {}
    tied: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise UsageError(f"the state {name!r} is a {type(value).__name__}; only tensors can be saved safely")
        place = (value.data_ptr(), value.shape, value.stride(), value.dtype)
        first = seen.setdefault(place, name) if value.numel() else name
        if first != name:
            tied[name] = first
        else:
            kept[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    write_bytes(Path(path), save(kept, metadata={"tied": json.dumps(tied, sort_keys=True)}))
    return Path(path)


def read_weights(path: Path) -> State:
    """The tensors of a safetensors file by name, tied ones under each of their names.

    Raises:
        UsageError: there is no such file, or it is not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise UsageError(f"there is no file {str(path)!r}; give the path of a safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            tied = json.loads((file.metadata() or {}).get("tied", "{}"))
    except SafetensorError as error:
        raise UsageError(
            f"{path} is not a safetensors file, or damaged: {error}; where it belongs to a run, delete its folder and "
            "run the command again"
        ) from error
    return state | {name: state[first] for name, first in tied.items()}


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """`model` itself, with the weights of `path`.

    Raises:
        UsageError: the weights do not fit; the message names what is missing, unexpected or of another shape.
    """
    state = read_weights(path)
    own = model.state_dict()
    faults = [f"missing {name}" for name in own if name not in state]
    faults += [f"unexpected {name}" for name in state if name not in own]
    faults += [
        f"{name} is {tuple(state[name].shape)} in the file and {tuple(value.shape)} in the network"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise UsageError(
            f"the weights in {path} do not fit the network: {'; '.join(faults[:5])}{more}. "
            "Build the network with the same factory, techniques and pruning they were saved from"
        )
    model.load_state_dict(state)
    return model
