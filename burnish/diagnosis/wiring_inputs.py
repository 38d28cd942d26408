"""P11: inputs on a scale that networks do not start well from."""

import numpy as np
from torch import nn

from burnish.diagnosis.batches import some_rows
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

ROWS, MOST_BARS, TINY = 2000, 20, 100.0
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
RULE = Rule(
    id="P11",
    title="inputs not normalized",
    source="LeCun et al., Efficient BackProp, 1998 (inputs near mean 0 and deviation 1); limits heuristic",
    remedies=(
        "subtract the mean and divide by the deviation of each channel or column",
        "BatchNorm as the first layer",
    ),
    chance=0.8,
)


def check(subject: Subject) -> Finding:
    """Root mean square of each channel or column as the network sees it, against 1."""
    if subject.data.modality == "text":
        return RULE.clear(None, None, "tokens have no scale.")
    values = subject.data.preparation.network_input(some_rows(subject.data.train, ROWS).inputs)
    values = np.moveaxis(values.reshape(*values.shape[:2], -1), 1, 0).reshape(values.shape[1], -1)
    size = np.sqrt(np.square(values, dtype=np.float64).mean(1))
    limit, largest = subject.thresholds.input_scale, float(size.max())
    said = f"{len(size)} channels or columns have root mean squares from {size.min():.2g} to {largest:.2g}"
    order = np.argsort(-size, kind="stable")[:MOST_BARS]
    figure = {"kind": "bars", "labels": [_name(subject, i) for i in order], "values": size[order].tolist()}
    figure |= {"unit": "root mean square", "log": True}
    if subject.plan is not None and _normalizes(subject.plan.probe()):
        return RULE.clear(largest, limit, f"{said}; the first layer normalizes them.", figure=figure)
    if largest <= limit and largest >= 1 / (TINY * limit):
        return RULE.clear(largest, limit, said + ".", figure=figure)
    lost = (0.7 * subject.left, "of the error, as much of it as a start far off keeps")
    return RULE.fires(largest, limit, f"{said}; about 1 is usual.", lost=lost, figure=figure)


def _name(subject: Subject, index: int) -> str:
    """The column a feature stems from, or the number of the channel."""
    preparation = subject.data.preparation
    for column, places in zip(preparation.columns, preparation.feature_groups, strict=True):
        if index in places:
            return column.name
    return f"channel {index}"


def _normalizes(model: nn.Module) -> bool:
    leaf = next((m for m in model.modules() if not list(m.children()) and not isinstance(m, nn.Flatten)), None)
    return isinstance(leaf, NORMS)
