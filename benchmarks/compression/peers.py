"""What other tools make of a trained network, each by its own documentation; every function writes an ONNX file."""

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import burnish as bu
from burnish.exporting.onnx import export_onnx
from burnish.plan import Schedule
from burnish.training import fit

ROWS = 256


class Rows:
    """Calibration rows one by one, as the quantizers ask for them."""

    def __init__(self, name: str, rows: np.ndarray) -> None:
        self.feeds = iter([{name: row[None]} for row in rows])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def calibration(plan: bu.Plan) -> np.ndarray:
    """Network inputs of training rows."""
    train = plan.data.train
    chosen = np.unique(np.linspace(0, len(train) - 1, ROWS).astype(int))
    return plan.data.preparation.network_input(train.take(chosen).inputs)


def onnx_runtime_ptq(plan: bu.Plan, float_file: Path, target: Path) -> None:
    """`quant_pre_process`, then `quantize_static` with its defaults; `quantize_dynamic` for text, as its guide says.

    Without the preparation where it fails: its shape inference does not get through every graph.
    """
    import onnx
    from onnxruntime.quantization import quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = target.with_suffix(".pre.onnx")
    try:
        quant_pre_process(str(float_file), str(ready))
    except Exception:  # whatever its inference runs into
        ready.write_bytes(float_file.read_bytes())
    if plan.data.modality == "text":
        quantize_dynamic(str(ready), str(target))
    else:
        name = onnx.load(str(ready)).graph.input[0].name
        quantize_static(str(ready), str(target), Rows(name, calibration(plan)))
    ready.unlink()


def nncf_ptq(plan: bu.Plan, float_file: Path, target: Path) -> None:
    """`nncf.quantize` on the ONNX file with its defaults."""
    import nncf
    import onnx

    model = onnx.load(str(float_file))
    name = model.graph.input[0].name
    dataset = nncf.Dataset([row[None] for row in calibration(plan)], lambda row: {name: row})
    onnx.save(nncf.quantize(model, dataset, subset_size=ROWS), str(target))


def torch_pruning(plan: bu.Plan, model: nn.Module, target: Path, *, epochs: int, ratio: float = 0.5) -> None:
    """The high-level pruner of its tutorial: group magnitude, the classifier left out, then fine-tuning."""
    import torch_pruning as tp

    network = copy.deepcopy(model)
    example = torch.from_numpy(calibration(plan)[:2])
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    pruner = tp.pruner.MagnitudePruner(
        network,
        example,
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        ignored_layers=[last],
        round_to=8,
    )
    pruner.step()
    tuned = fit(replace(plan, epochs=epochs, schedule=Schedule(kind="cosine", warmup=0.1)), seed=0, model=network)
    export_onnx(tuned.model, example, target)


@contextlib.contextmanager
def named_failure(name: str, failures: dict[str, str]) -> Iterator[None]:
    """A tool that fails on a network is a result, not the end of the benchmark."""
    try:
        yield
    except Exception as error:  # other people's tools raise whatever they like
        text: Any = str(error).strip().splitlines() or [repr(error)]
        failures[name] = text[0][:160]
