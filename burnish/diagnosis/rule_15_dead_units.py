"""R15: rectified units that are zero on every example compute nothing and can no longer learn."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from burnish.data.tensors import network_tensor
from burnish.diagnosis.batches import device_of, some_rows
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.predict import evaluating
from burnish.records import Finding

__all__ = ["check", "dead_units"]

LOST = "of the error, as far as units are dead"
BATCH = 256
RECTIFIERS = ("relu", "relu_", "relu6")
MAPS = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
VECTORS = ("linear", "matmul", "__matmul__", "bmm", "addmm", "einsum")
RULE = Rule(
    id="R15",
    title="dead rectified units",
    source="CS231n, Neural Networks 1 (as much as 40 %)",
    remedies=("Activation", "BatchNorm", "Schedule", "a lower learning rate", "remove them: Prune"),
    chance=0.4,
    symptom_of=("R12", "P11"),
)
DEAD_ROWS, DEAD_LEAST_ROWS = 2048, 100


def check(subject: Subject) -> Finding:
    """Share of the units behind a ReLU whose output is zero on all rows looked at, of validation and of training."""
    model = subject.model if subject.model is not None or subject.plan is None else subject.plan.probe()
    if model is None:
        return RULE.cannot_tell("there is no network to look at.")
    batches = _batches(subject, model)
    seen = sum(map(len, batches))
    if seen < DEAD_LEAST_ROWS:
        return RULE.cannot_tell(f"{seen} rows are too few to call a unit dead.")
    layers = dead_units(model, batches)
    total = sum(units for _, units in layers)
    if not total:
        return RULE.cannot_tell("the network has no ReLU that can be seen.")
    dead = sum(count for count, _ in layers)
    worst = max(range(len(layers)), key=lambda i: layers[i][0] / layers[i][1])
    share = dead / total
    said = (
        f"{dead} of {total} units ({share:.0%}) are zero on {seen} rows; "
        f"most in ReLU {worst + 1} of {len(layers)}: {layers[worst][0]} of {layers[worst][1]}."
    )
    limits = subject.thresholds
    detail: dict[str, Any] = {"layers": [list(layer) for layer in layers], "severe": share > limits.dead_severe}
    detail["figure"] = {
        "kind": "bars",
        "labels": [f"ReLU {i}" for i in range(1, len(layers) + 1)],
        "values": [dead / units for dead, units in layers],
        "unit": "share of dead units",
    }
    if share <= limits.dead_warn:
        return RULE.clear(share, limits.dead_warn, said, **detail)
    return RULE.fires(share, limits.dead_warn, said, lost=(subject.left * share, LOST), **detail)


def dead_units(model: nn.Module, batches: list[torch.Tensor]) -> list[tuple[int, int]]:
    """For each ReLU in the order of the computation: dead units and all units.

    Modules and function calls are seen alike. A unit is a channel behind a convolution, else a place in the last
    dimension.

    Args:
        model: The network; evaluated in evaluation mode and left as it was.
        batches: Network inputs.
    """
    alive: list[torch.Tensor] = []
    with evaluating(model), torch.no_grad():
        for inputs in batches:
            with _Rectified() as seen:
                model(inputs)
            if not alive:
                alive = seen.alive
            elif len(alive) == len(seen.alive):
                alive = [a | b for a, b in zip(alive, seen.alive, strict=True)]
    return [(int((~units).sum()), len(units)) for units in alive]


def _batches(subject: Subject, model: nn.Module) -> list[torch.Tensor]:
    """Validation rows, and training rows where those are fewer than 2,048: a unit may wait for a rare example."""
    data, first = subject.data, some_rows(subject.data.validation, DEAD_ROWS)
    parts = [first, some_rows(data.train, DEAD_ROWS - len(first))]
    inputs = [network_tensor(data.preparation, part.inputs, device_of(model)) for part in parts if len(part)]
    return [batch for part in inputs for batch in part.split(BATCH)]


class _Rectified(TorchFunctionMode):
    """Watches every torch function called inside it and notes which units of each ReLU are ever above zero."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: list[torch.Tensor] = []
        self.behind_map = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in MAPS or name in VECTORS:
            self.behind_map = name in MAPS
        elif name in RECTIFIERS and isinstance(result, torch.Tensor) and result.ndim > 1:
            unit = 1 if self.behind_map else result.ndim - 1
            others = [d for d in range(result.ndim) if d != unit]
            self.alive.append((result > 0).sum(others) > 0)
        return result
