"""Quantize and retrain: the network is trained with the roundings of its int8 file, and converted by the same path.

The float network is its teacher. What was trained and what ships are compared, so that a retraining which the
conversion does not carry over shows. Calibration after training stays the other candidate: retraining may lose to it.

Source: Jacob et al. 2018, arXiv:1712.05877; the float network as teacher, Mishra and Marr, "Apprentice", ICLR 2018,
arXiv:1711.05852.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from burnish.compression.conversion import Layout, prepared, static
from burnish.compression.distill import distilled
from burnish.compression.placement import Placement, place
from burnish.compression.quantize import Candidate, Way, calibration_rows, candidate, histograms_of, ways
from burnish.compression.ranges import Histogram, Ranges, ranges_of
from burnish.compression.simulate import Simulated
from burnish.errors import BurnishError, NotApplicable
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run
from burnish.ledger.atomic import write_bytes
from burnish.plan import Plan, Schedule
from burnish.training import fit

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Retrained", "retrain", "simulated", "trainer"]

Array = np.ndarray
Train = Callable[[nn.Module], nn.Module]


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrained:
    """A network that was trained with the roundings of int8, and its file.

    Attributes:
        model: The retrained float network, in evaluation mode.
        path: The int8 ONNX file.
        kind: `retrained` and the way it is quantized.
        bytes: Size of the file.
        agreement: Share of rows on which the file gives the answer of the network as it was trained.
        difference: Root mean square of their difference, relative to the spread of the outputs.
        kernel_error: Difference between the optimized session and the file computed node by node.
        roundings: Roundings of the file that were trained with.
        unmatched: Roundings of the file that were not: no call of the network corresponds to them.
    """

    model: nn.Module
    path: str
    kind: str
    bytes: int
    agreement: float
    difference: float
    kernel_error: float
    roundings: int
    unmatched: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Exported:
    """A float file of a network and what its activations look like."""

    model: "ModelProto"
    histograms: dict[str, Histogram]
    reference: Array


def retrain(
    network: nn.Module,
    train: Train,
    out_path: Path,
    calibration: torch.Tensor,
    *,
    modality: str,
    judged: Array | None = None,
    freeze_after: int = 0,
) -> Retrained:
    """Train `network` with int8's roundings and write the int8 file it becomes.

    Args:
        network: A trained network. It is not modified.
        train: Trains what it is given, a network called like `network`, and returns it; the original as teacher
            (`distilled`) and a short schedule that ends at zero suit it.
        out_path: File to write.
        calibration: Network inputs of training rows.
        modality: `image`, `text`, `table` or `series`.
        judged: Network inputs on which the trained network and the file are compared; the calibration rows without.
        freeze_after: Training steps after which batch norm keeps its statistics.

    Raises:
        NotApplicable: no part of the network can be trained with int8's roundings: those of recurrent layers are fixed
            anew in each call.
    """
    rows = torch.from_numpy(calibration_rows(calibration.detach().cpu().numpy()))
    exported = _exported(network, rows)
    way, placement = _planned(network, exported, rows, modality)
    assert way.layout is not None
    simulation = Simulated(network, placement, limit=_limit(way.layout), freeze_after=freeze_after)
    trained = train(simulation)
    assert isinstance(trained, Simulated), "train must return the network it was given, trained"
    trained = trained.cpu().eval()
    model = trained.plain()
    judged = rows.numpy() if judged is None else judged
    made, content = _converted(trained, model, way, rows, judged)
    if made.error:
        raise NotApplicable(f"the retrained network cannot be quantized: {made.error}")
    write_bytes(Path(out_path), content)
    return Retrained(
        model=model,
        path=str(out_path),
        kind=f"retrained, {way.kind}",
        bytes=made.bytes,
        agreement=made.agreement,
        difference=made.relative_error,
        kernel_error=made.kernel_error,
        roundings=len(placement.activations) + len(placement.weights),
        unmatched=placement.unmatched,
    )


def trainer(plan: Plan, network: nn.Module, *, seed: int = 0, device: str = "auto", weight: float = 0.9) -> Train:
    """What `retrain` takes as `train`: the training loop with `plan`'s numbers and `network` as teacher.

    Args:
        plan: Data, loss, optimizer, epochs; its rate falls to zero, and neither early stopping nor averaging is used.
        network: The float network.
        seed: Seed of order and augmentation.
        device: Where to compute.
        weight: Share of the teacher in the loss.
    """
    assert plan.loss is not None
    shorter = replace(plan, schedule=Schedule(kind="cosine", warmup=0.1), stopping=None, average=None)
    objective = distilled(plan.loss, network, kind=plan.data.task.kind, weight=weight)

    def train(simulation: nn.Module) -> nn.Module:
        fitted = fit(shorter, seed=seed, model=simulation, device=device, objective=objective)
        if fitted.status != "done":
            raise BurnishError(f"training with int8's roundings {fitted.status}; give a smaller learning rate")
        return fitted.model

    return train


def simulated(model: nn.Module, inputs: Array, *, batch: int = 256) -> Array:
    """Outputs of a network for network inputs, in the mode it is in."""
    with torch.no_grad():
        parts = [model(torch.from_numpy(np.ascontiguousarray(part))) for part in _parts(inputs, batch)]
    return torch.cat(parts).float().numpy()


def _parts(inputs: Array, batch: int) -> list[Array]:
    return [inputs[start : start + batch] for start in range(0, len(inputs), batch)]


def _exported(network: nn.Module, rows: torch.Tensor) -> _Exported:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        export_onnx(network, rows, path)
        model, reference = prepared(path), run(path, rows.numpy())
    histograms = histograms_of(model, rows.numpy())
    if isinstance(histograms, Exception):
        raise NotApplicable(f"the network cannot be quantized with fixed ranges: {histograms}")
    return _Exported(model=model, histograms=histograms, reference=reference)


def _planned(network: nn.Module, exported: _Exported, rows: torch.Tensor, modality: str) -> tuple[Way, Placement]:
    """The way of quantizing whose calibrated file is closest to the float network, in the network's own calls."""
    signed = [way for way in ways(modality) if way.layout is not None and not way.layout.unsigned]
    tried = [candidate(way, exported.model, exported.histograms, rows.numpy(), exported.reference)[0] for way in signed]
    order = sorted((made.relative_error, index) for index, made in enumerate(tried) if not made.error)
    if not order:
        raise NotApplicable(f"the network cannot be quantized with fixed ranges: {tried[0].error}")
    way = signed[order[0][1]]
    assert way.layout is not None
    converted = static(exported.model, ranges_of(exported.histograms, way.method), way.layout)
    placement = place(network, exported.model, converted, rows)
    if not placement.weights:
        raise NotApplicable(
            "no weight of the int8 file could be found in the network's convolutions and linear layers, so there is "
            "nothing to retrain with int8's roundings; calibrate instead"
        )
    return way, placement


def _converted(
    trained: Simulated, model: nn.Module, way: Way, rows: torch.Tensor, judged: Array
) -> tuple[Candidate, bytes]:
    """The file of the retrained network with the ranges it learned, compared with the simulation."""
    exported = _exported(model, rows)
    assert way.layout is not None
    calibrated = ranges_of(exported.histograms, way.method)
    renamed = place(model, exported.model, static(exported.model, calibrated, way.layout), rows)
    learned: Ranges = renamed.by_tensor(trained.ranges())
    reference = simulated(trained, judged)
    return candidate(way, exported.model, exported.histograms, judged, reference, learned=learned)


def _limit(layout: Layout) -> int:
    """Largest weight in steps, as ONNX Runtime takes it."""
    return 64 if layout.reduced else 127
