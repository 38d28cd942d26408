"""One fault at a time, planted in a healthy case. Each function gives a changed copy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from healthy import Setup
from torch import Tensor

from burnish.losses import Loss
from burnish.metrics import Metric
from burnish.plan import Plan
from burnish.tasks.classification import Classification
from burnish.tasks.regression import Regression

__all__ = ["FAULTS"]

Array = np.ndarray
SMALL_BATCH_ROWS = 1200
Plant = Callable[[Setup, np.random.Generator], Setup]


def flipped(share: float, case: Setup, rng: np.random.Generator) -> Setup:
    """Another class, at random, for a share of all rows."""
    codes, names = _codes(case)
    wrong = rng.random(len(codes)) < share
    codes = np.where(wrong, (codes + rng.integers(1, len(names), len(codes))) % len(names), codes)
    return replace(case, targets=names[codes])


def shuffled(case: Setup, rng: np.random.Generator) -> Setup:
    """Every target belongs to some other input."""
    return replace(case, targets=case.targets[rng.permutation(len(case.targets))])


def leaking_column(case: Setup, rng: np.random.Generator) -> Setup:
    """A column that was filled in after the answer was known."""
    frame = case.inputs.copy()
    if case.classes:
        codes, _ = _codes(case)
        known = rng.random(len(codes)) < 0.99
        frame["status_code"] = np.where(known, codes * 7 + 3, 3)
    else:
        frame["status_code"] = 3 + 2 * case.targets + 0.01 * case.targets.std() * rng.normal(size=len(case.targets))
    return replace(case, inputs=frame)


def leaking_token(case: Setup, rng: np.random.Generator) -> Setup:
    """A mark of the annotation tool that differs from class to class."""
    codes, _ = _codes(case)
    return replace(case, inputs=[f"{text} zq{code}" for text, code in zip(case.inputs, codes, strict=True)])


def duplicated(case: Setup, rng: np.random.Generator) -> Setup:
    """A quarter of the rows come twice, so that a random split puts copies on both sides."""
    n = len(case.targets)
    again = np.concatenate([np.arange(n), rng.choice(n, n // 4, replace=False)])
    return replace(case, inputs=case.rows(again), targets=case.targets[again])


def rare_class(case: Setup, rng: np.random.Generator) -> Setup:
    """The hardest thing to collect: one class is cut to 2 % of the rows."""
    codes, _ = _codes(case)
    mine = rng.permutation(np.flatnonzero(codes == 1))
    keep = max(8, round(0.02 * (len(codes) - len(mine))))
    kept = np.sort(np.concatenate([np.flatnonzero(codes != 1), mine[:keep]]))
    return replace(case, inputs=case.rows(kept), targets=case.targets[kept])


def few_rows(case: Setup, rng: np.random.Generator) -> Setup:
    """3 % of 5,000 rows to train on; validation as it was, and steps enough."""
    train, validation = _halves(case, rng)
    return replace(_with(case, train[:150], validation), epochs=2 * case.epochs, batch_size=16)


def shifted(case: Setup, rng: np.random.Generator) -> Setup:
    """Validation was collected otherwise than training: other light, other people, other words."""
    train, validation = _halves(case, rng)
    moved = _with(case, train, validation)
    inputs, targets = moved.validation  # type: ignore[misc]
    if case.modality == "image":
        inputs = (255 - 0.6 * inputs.astype(float)).clip(0, 255).astype(np.uint8)
    elif case.modality == "text":
        inputs = [" ".join(word + ("s" if len(word) > 3 else "") for word in text.split()) for text in inputs]
    else:
        inputs = inputs.copy()
        for name in list(inputs.select_dtypes("number").columns)[:3]:
            inputs[name] = inputs[name] + 1.5 * inputs[name].std()
    return replace(moved, validation=(inputs, targets))


def unnormalized(case: Setup, rng: np.random.Generator) -> Setup:
    """The user's own data set hands numbers over as they come."""
    if case.modality == "image":
        return replace(case, inputs=np.moveaxis(case.inputs, -1, 1).astype(np.float32), as_is=True)
    columns = case.inputs.select_dtypes("number")
    raw = columns.to_numpy(dtype=np.float32)
    if case.name == "kin8nm":  # its columns are angles; here in milliradians
        raw = 1000 * raw
    codes = _codes(case)[0] if case.classes else case.targets
    return replace(case, inputs=raw, targets=codes, as_is=True)


def rate(factor: float, case: Setup, rng: np.random.Generator) -> Setup:
    """A slip of the decimal point."""
    return replace(case, lr=case.lr * factor)


def formed(changes: dict[str, Any], case: Setup, rng: np.random.Generator) -> Setup:
    """Another network."""
    return replace(case, form=replace(case.form, **changes))


def tiny_batches(case: Setup, rng: np.random.Generator) -> Setup:
    """Batch normalization, and batches of two; of fewer rows, as every step is slow."""
    rows = np.sort(rng.choice(len(case.targets), min(len(case.targets), SMALL_BATCH_ROWS), replace=False))
    small = replace(case, inputs=case.rows(rows), targets=case.targets[rows])
    return replace(small, form=replace(case.form, norm=True, hidden=1), batch_size=2, epochs=2)


def wrong_direction(case: Setup, rng: np.random.Generator) -> Setup:
    """The metric is marked as smaller-is-better, or an error as larger-is-better."""

    def last(plan: Plan) -> Plan:
        task: Any = plan.data.task
        kind = _WrongClasses if case.classes else _WrongValues
        values = {name: getattr(task, name) for name in type(task).__dataclass_fields__}
        return replace(plan, data=replace(plan.data, task=kind(**values)))

    return replace(case, last=last)


class _WrongClasses(Classification):
    """Accuracy as something to make small."""

    __slots__ = ()

    @property
    def primary(self) -> Metric:
        return replace(super().primary, greater_is_better=False)


class _WrongValues(Regression):
    """Error as something to make large."""

    __slots__ = ()

    @property
    def primary(self) -> Metric:
        return replace(super().primary, greater_is_better=True)


def class_changing(case: Setup, rng: np.random.Generator) -> Setup:
    """An augmentation that takes away, or turns round, what the class is told by."""
    return replace(case, batch=(_Spoil(case.modality),))


@dataclass(frozen=True)
class _Spoil:
    """Turns images upside down, keeps a tenth of the words, swaps most values of a table between rows."""

    modality: str

    def __call__(self, inputs: Tensor, targets: Tensor, context: Any) -> tuple[Tensor, Tensor]:
        draw = partial(torch.rand, generator=context.generator)
        if self.modality == "image":
            turned = (draw(len(inputs)) < 0.7).view(-1, 1, 1, 1)
            order = torch.randperm(inputs.shape[-1], generator=context.generator)
            return torch.where(turned, inputs.flip(-2)[..., order], inputs), targets
        if self.modality == "text":
            return torch.where(draw(inputs.shape) < 0.9, torch.zeros_like(inputs), inputs), targets
        other = inputs[torch.randperm(len(inputs), generator=context.generator)]
        return torch.where(draw(inputs.shape) < 0.85, other, inputs), targets


def wrong_axis(case: Setup, rng: np.random.Generator) -> Setup:
    """A softmax over the batch instead of the classes."""
    return replace(case, loss=Loss(name="own", function=_over_batch))


def _over_batch(outputs: Tensor, targets: Tensor) -> Tensor:
    if targets.is_floating_point():  # regression: averages over the batch before it compares
        return (outputs.mean(0) - targets.mean(0)).square().mean()
    return -outputs.log_softmax(0)[torch.arange(len(targets)), targets].mean()


def _codes(case: Setup) -> tuple[Array, Array]:
    names, codes = np.unique(
        case.targets.astype(str) if case.targets.dtype == object else case.targets, return_inverse=True
    )
    return codes, names.astype(case.targets.dtype)


def _halves(case: Setup, rng: np.random.Generator) -> tuple[Array, Array]:
    order = rng.permutation(len(case.targets))
    cut = round(2 * len(order) / 3)
    return order[:cut], order[cut:]


def _with(case: Setup, train: Array, validation: Array) -> Setup:
    return replace(
        case,
        inputs=case.rows(train),
        targets=case.targets[train],
        validation=(case.rows(validation), case.targets[validation]),
    )


FAULTS: dict[str, Plant] = {
    "labels_flipped_5": partial(flipped, 0.05),
    "labels_flipped_20": partial(flipped, 0.2),
    "labels_flipped_40": partial(flipped, 0.4),
    "labels_shuffled": shuffled,
    "leak_in_column": leaking_column,
    "leak_in_token": leaking_token,
    "duplicates_across_splits": duplicated,
    "class_cut_to_2_percent": rare_class,
    "rate_x30": partial(rate, 30),
    "rate_/300": partial(rate, 1 / 300),
    "sigmoid_stack": partial(formed, {"activation": "sigmoid", "hidden": 7, "flat": True}),
    "dead_relus": partial(formed, {"dead": 0.6}),
    "batch_norm_batches_of_2": tiny_batches,
    "network_too_small": partial(formed, {"width": 1, "hidden": 0}),
    "network_too_large": partial(formed, {"width": 256, "hidden": 2, "flat": True}),
    "data_3_percent": few_rows,
    "inputs_not_normalized": unnormalized,
    "shift_to_validation": shifted,
    "metric_direction": wrong_direction,
    "augmentation_changes_class": class_changing,
    "layers_frozen": partial(formed, {"frozen": "requires_grad"}),
    "layers_detached": partial(formed, {"frozen": "detach"}),
    "softmax_twice": partial(formed, {"softmax": True}),
    "loss_on_wrong_axis": wrong_axis,
    "dropout_in_evaluation": partial(formed, {"always_training": "dropout"}),
    "batch_norm_in_evaluation": partial(formed, {"always_training": "batch_norm", "norm": True}),
}
