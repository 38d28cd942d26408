"""What pruning did, as plain JSON types, and a fresh network cut to the same shape without tracing it again."""

from typing import Any

import torch
from torch import nn

from burnish.compression.attention import FewerHeads
from burnish.errors import UsageError

__all__ = ["pruning_history", "rebuild_pruned"]


def pruning_history(before: nn.Module, after: nn.Module, removed: dict[str, list[int]]) -> dict[str, Any]:
    """The difference in shape between a network and its pruned copy.

    Returns:
        `removed` (channels by group, in the old numbering), `shapes` (of the parameters and buffers that changed),
        `attributes` (such as `out_channels`, by layer) and `freed` (attentions that were made free in their heads).
    """
    freed = [path for path, module in after.named_modules() if isinstance(module, FewerHeads)]
    old = {**dict(before.named_parameters()), **dict(before.named_buffers())}
    new = {**dict(after.named_parameters()), **dict(after.named_buffers())}
    modules = dict(after.named_modules())
    originals = {path: FewerHeads(m) if _native(m, path, freed) else m for path, m in before.named_modules()}
    attributes = {path: _changed(module, modules[path]) for path, module in originals.items()}
    return {
        "removed": {root: list(positions) for root, positions in removed.items()},
        "shapes": {name: list(value.shape) for name, value in new.items() if value.shape != old[name].shape},
        "attributes": {path: values for path, values in attributes.items() if values},
        "freed": freed,
    }


def rebuild_pruned(model: nn.Module, history: dict[str, Any]) -> nn.Module:
    """`model` itself, cut to the shape `history` describes; the weights are then to be loaded.

    Args:
        model: A network built from the same factory with the same techniques as the one that was pruned.
        history: What `Pruned.history` gives.

    Raises:
        UsageError: the network is another one.
    """
    for path in history.get("freed", ()):
        parent, _, leaf = path.rpartition(".")
        source = dict(model.named_modules()).get(path)
        if isinstance(source, nn.MultiheadAttention):
            setattr(model.get_submodule(parent), leaf, FewerHeads(source).train(source.training))
    modules = dict(model.named_modules())
    for name, shape in history["shapes"].items():
        path, _, leaf = name.rpartition(".")
        value = getattr(modules.get(path), leaf, None)
        if value is None or value.ndim != len(shape) or any(n > m for n, m in zip(shape, value.shape, strict=True)):
            found = "is absent" if value is None else f"has shape {tuple(value.shape)}"
            raise UsageError(
                f"the network is not the one that was pruned: {name} {found}, and should be cut to {tuple(shape)}. "
                "Build it with the same factory and techniques"
            )
        part = value.detach()[tuple(slice(n) for n in shape)].clone()
        if isinstance(value, nn.Parameter):
            setattr(modules[path], leaf, nn.Parameter(part, requires_grad=value.requires_grad))
        else:
            setattr(modules[path], leaf, part)
    for path, values in history["attributes"].items():
        for key, value in values.items():
            setattr(modules[path], key, tuple(value) if isinstance(value, list) else value)
    return model


def _native(module: nn.Module, path: str, freed: list[str]) -> bool:
    return path in freed and isinstance(module, nn.MultiheadAttention)


def _changed(before: nn.Module, after: nn.Module) -> dict[str, Any]:
    """Plain attributes that pruning changed, such as widths and group counts."""
    changed = {}
    for key, value in vars(after).items():
        sizes = isinstance(value, tuple | torch.Size) and all(isinstance(item, int) for item in value)
        if key.startswith("_") or key == "training" or not (sizes or type(value) is int):
            continue
        if getattr(before, key, None) != value:
            changed[key] = list(value) if sizes else value
    return changed
