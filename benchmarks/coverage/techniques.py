"""Every technique that edits the network, on one network of the table: applies or says why not, and what then holds."""

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

EXPORTED = 2  # rows that the export is compared on
CHECKED = 4  # rows of the forward and backward pass
IDENTITY = 1e-4  # largest difference, relative to the largest output, that counts as the same function

Record = dict[str, Any]


def editing() -> list[str]:
    """Techniques of the catalogue that change `plan.model`, as their docstrings say."""
    from burnish.techniques import catalogue

    return [entry["name"] for entry in catalogue() if "plan.model" in entry["changes"]]


def plan_of(network: Any, model: nn.Module) -> Any:
    """A plan for the trained network `model` and made-up data of its modality."""
    from burnish.data import load
    from burnish.plan import Plan

    generator, rows = np.random.default_rng(0), 40
    inputs = network.inputs(rows, seed=5).numpy()
    if network.modality == "image":
        inputs = generator.integers(0, 256, (rows, network.size, network.size, 3)).astype(np.uint8)
    elif network.modality == "text":
        inputs = inputs.astype(np.int32)
    labels = np.arange(rows) % 10
    return Plan(model=model, data=load((inputs, labels), modality=network.modality, task="classification", seed=0))


def tried(network: Any, model: nn.Module, name: str) -> Record:
    """What the technique called `name` does to `model`: the first of its settings that applies."""
    from burnish.errors import BurnishError
    from burnish.techniques import CATALOGUE

    kind, reason, start = CATALOGUE[name], "", time.process_time()
    for level in kind.levels:
        technique = kind(**level)
        try:
            edited = plan_of(network, model).then(technique).probe()
        except BurnishError as error:
            reason = reason or f"{type(error).__name__}: {error}"
            continue
        found = {"setting": repr(technique)} | examined(network, model, copy.deepcopy(edited))
        return found | {"seconds": round(time.process_time() - start, 1)}
    return {"refused": reason.removeprefix("NotApplicable: "), "seconds": round(time.process_time() - start, 1)}


def examined(network: Any, before: nn.Module, after: nn.Module) -> Record:
    """Weights, function at the start, gradients and export of an edited network."""
    fresh = network.inputs(CHECKED, seed=2)
    with torch.no_grad():
        given, expected = after.eval()(fresh), before.eval()(fresh)
    apart = float((given - expected).abs().max() / expected.abs().max())
    return {
        "parameters": sum(p.numel() for p in after.parameters()),
        "weights": weights(before, after),
        "difference": apart,
        "same_at_start": apart <= IDENTITY,
        "gradients": gradients(before, after, fresh),
        "onnx": exported(network, after),
    }


def tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, without the wrapping that surgery adds around a layer."""
    from burnish.model.account import plain_paths

    found = {}
    for path, module in plain_paths(model):
        for name, value in [*module._parameters.items(), *module._buffers.items()]:
            if value is not None:
                found[f"{path}.{name}"] = value.detach()
    return found


def weights(before: nn.Module, after: nn.Module) -> Record:
    """How many tensors are there to the bit, and which are altered, fitted in an exchanged layer, resized or gone."""
    old, new = tensors(before), tensors(after)
    exchanged = kinds(before).items() - kinds(after).items()
    paths = {path for path, _ in exchanged}
    found: Record = {
        "kept": 0,
        "altered": [],
        "refitted": [],
        "resized": [],
        "gone": [],
        "new": len(set(new) - set(old)),
    }
    for name, value in old.items():
        if name not in new:
            found["gone"].append(name)
        elif new[name].shape != value.shape:
            found["resized"].append(name)
        elif torch.equal(new[name], value):
            found["kept"] += 1
        else:
            found["refitted" if name.rpartition(".")[0] in paths else "altered"].append(name)
    return found


def kinds(model: nn.Module) -> dict[str, str]:
    """Classes of the modules by path."""
    from burnish.model.account import plain_paths

    return {path: type(module).__name__ for path, module in plain_paths(model)}


def gradients(before: nn.Module, after: nn.Module, inputs: torch.Tensor) -> Record:
    """Whether a backward pass in training mode gives every parameter that had a gradient a finite one."""
    without, broken = [], []
    used = {name for name, gradient in _backward(before, inputs).items() if gradient is not None}
    known = set(tensors(before))
    for name, gradient in _backward(after, inputs).items():
        if gradient is None:
            without += [name] if name in used or name not in known else []
        elif not torch.isfinite(gradient).all():
            broken.append(name)
    return {"missing": without, "not_finite": broken}


def _backward(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor | None]:
    network = copy.deepcopy(model).train()
    torch.manual_seed(0)
    by_storage = {p.data_ptr(): p for p in network.parameters()}
    network(inputs).float().square().mean().backward()
    return {name: by_storage[t.data_ptr()].grad for name, t in tensors(network).items() if t.data_ptr() in by_storage}


def exported(network: Any, model: nn.Module) -> Record:
    """The edited network in ONNX Runtime against PyTorch."""
    import tempfile
    from pathlib import Path

    from burnish.errors import BurnishError
    from burnish.exporting.onnx import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        try:
            result = export_onnx(model, network.inputs(EXPORTED, seed=3), Path(folder) / "model.onnx")
        except BurnishError as reason:
            return {"error": str(reason)[:300]}
    return {"exporter": result.exporter, "difference": result.max_abs_difference}


def missing(record: Record) -> list[str]:
    """Techniques that the record has no outcome of."""
    return [name for name in editing() if name not in record.get("techniques", {})]


def examine(
    network: Any, model: nn.Module, record: Record, save: Callable[[Record], None], again: Callable[[], None]
) -> None:
    """Add what is missing to `record`, saving it before and after each technique; `again` renews the time allowed."""
    outcomes = record.setdefault("techniques", {})
    for name in missing(record):
        save(record | {"underway": name})
        again()
        try:
            outcomes[name] = tried(network, model, name)
        except Exception as error:
            outcomes[name] = {"error": f"{type(error).__name__}: {error}"[:600]}
        save(record)
