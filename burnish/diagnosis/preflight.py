"""Bug checks with the untrained network, before anything is spent.

What makes every later number meaningless stops with an error: labels outside the range, a network that fails or has
the wrong width, numbers that are not finite, nothing to train, examples that see one another. Everything else is a
finding.

Source: Karpathy, "A Recipe for Training Neural Networks", 2019.
"""

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from burnish.data.data import Data
from burnish.diagnosis.batches import distinct_rows, seeded, some_rows, tensors
from burnish.diagnosis.rule import Rule
from burnish.errors import BurnishError, DataError, UsageError
from burnish.evaluation.predict import evaluating
from burnish.model.backward import backward
from burnish.model.build import check_output
from burnish.plan import Plan
from burnish.records import Finding

__all__ = ["BugError", "preflight"]

SOURCE = "Karpathy, A Recipe for Training Neural Networks, 2019"
MEND = "mend this first, then diagnose again"
ROWS, BATCH, MIXING_ROWS = 2048, 64, 6
TOLERANCE = 1e-4  # relative difference of outputs that rounding may make
LABELS = Rule(id="P1", title="labels out of range", source=SOURCE)
FORWARD = Rule(id="P2", title="forward pass fails or has the wrong width", source=SOURCE)
FINITE = Rule(id="P3", title="numbers not finite before any training", source=SOURCE)
GRADIENT = Rule(
    id="P4",
    title="parameters that are not trained",
    source=SOURCE,
    remedies=("look for requires_grad=False, for detach() or no_grad() in forward, and for layers that are not used",),
    chance=0.7,
)
MODES = Rule(
    id="P5",
    title="random in evaluation mode",
    source=SOURCE,
    remedies=("give functional dropout training=self.training, or use the nn.Dropout module",),
    chance=0.7,
)
MIXED = Rule(id="P6", title="examples that see one another", source=SOURCE)
IGNORED = Rule(
    id="P7",
    title="inputs ignored",
    source=SOURCE,
    remedies=("BatchNorm", "GroupNorm", "Activation", "check that forward uses its input"),
    chance=0.7,
)


class BugError(UsageError):
    """A bug that makes every training meaningless; `findings` holds it and what was looked at before."""

    findings: list[Finding]


def preflight(plan: Plan, *, seed: int = 0) -> list[Finding]:
    """Check data and the fresh network of `plan`; a finding for each check.

    Args:
        plan: What is going to be trained.
        seed: Seed of the network that is built for it.

    Raises:
        DataError: targets are out of range or not finite.
        BugError: the network cannot be trained or evaluated as it is; the message says why and what to change.
    """
    findings = [_timed(lambda: _check_labels(plan.data))]
    model = plan.build(seed)
    inputs, targets = tensors(plan.data, distinct_rows(plan.data, BATCH))
    checks: dict[Rule, Callable[[], Finding]] = {
        FORWARD: lambda: _check_forward(model, inputs, plan.data),
        FINITE: lambda: _check_finite(model, plan),
        GRADIENT: lambda: _check_gradients(model, inputs, targets, plan),
        MODES: lambda: _check_modes(model, inputs),
        MIXED: lambda: _check_apart(model, inputs),
        IGNORED: lambda: _check_ignored(model, inputs),
    }
    with seeded(seed):
        for rule, check in checks.items():
            try:
                findings.append(_timed(check))
            except BugError as bug:
                bug.findings += findings
                raise
            except UsageError as error:
                raise _bug(rule, error, findings) from error
    return findings


def _bug(rule: Rule, error: UsageError, before: list[Finding]) -> BugError:
    """The error as a finding too, for those who want to know what else there is."""
    found = BugError(str(error))
    all_of_it = (1.0, "of the error: no training means anything with this bug")
    finding = rule.fires(None, None, f"{error}.", lost=all_of_it, chance=1.0, remedies=(MEND,), stops=True)
    found.findings = [finding, *before]
    return found


def _timed(check: Callable[[], Finding]) -> Finding:
    start = time.perf_counter()
    finding = check()
    return dataclasses.replace(finding, cost_seconds=time.perf_counter() - start)


def _check_labels(data: Data) -> Finding:
    for name, split in (("training", data.train), ("validation", data.validation)):
        targets = split.targets
        if not np.isfinite(targets).all():
            raise DataError(f"{name} targets are not all finite; remove the rows, or fill the values in")
        if data.task.kind == "classification":
            _check_classes(name, targets, data.task.outputs)
        elif targets.size != len(targets) * data.task.outputs:
            raise DataError(
                f"{name} targets have shape {targets.shape}, the task has {data.task.outputs} values to predict "
                f"({', '.join(data.task.names)}): name one column for each"
            )
    return LABELS.clear(None, None, f"{len(data.train)} training and {len(data.validation)} validation targets.")


def _check_classes(name: str, labels: np.ndarray, classes: int) -> None:
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{name} labels are stored as {labels.dtype}; expected whole numbers from 0")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"{name} labels run from {low} to {high}, the task has {classes} classes: expected labels from 0 to "
            f"{classes - 1}; number the classes from 0 without gaps"
        )


def _check_forward(model: nn.Module, inputs: Tensor, data: Data) -> Finding:
    check_output(model, inputs, data.task)
    try:
        check_output(model, inputs[:1], data.task)  # a squeeze() loses the batch of one that is served
    except UsageError:
        try:
            _check_apart(model, inputs)  # the better explanation, where it is one
        except UsageError as better:
            raise _bug(MIXED, better, []) from better
        raise
    return FORWARD.clear(data.task.outputs, None, f"{len(inputs)} examples give outputs {data.task.outputs} wide.")


def _check_finite(model: nn.Module, plan: Plan) -> Finding:
    data, worst = plan.data, 0.0
    split = some_rows(data.train, ROWS)
    with evaluating(model), torch.no_grad():
        for start in range(0, len(split), BATCH):
            part = split.take(np.arange(start, min(start + BATCH, len(split))))
            inputs, targets = tensors(data, part)
            outputs = model(inputs)
            bad = part.rows[~torch.isfinite(outputs).all(1).numpy()]
            loss = _loss(plan, outputs, targets)
            if len(bad) or not torch.isfinite(loss):
                raise UsageError(
                    "before any training the network gives numbers that are not finite"
                    + (f", first for row {int(bad[0])} of the data" if len(bad) else f" (loss {float(loss)})")
                    + ": look for a division by zero, a logarithm or root of 0, or inputs of a huge scale"
                )
            worst = max(worst, float(loss))
    return FINITE.clear(worst, None, f"largest loss of a batch, over {len(split)} rows: {worst:.3g}.")


def _check_gradients(model: nn.Module, inputs: Tensor, targets: Tensor, plan: Plan) -> Finding:
    wanted = {n: p for n, p in model.named_parameters() if p.requires_grad and not n.startswith(plan.freeze)}
    _backward(model, inputs, targets, plan)
    without = [name for name, parameter in wanted.items() if parameter.grad is None]
    endless = [n for n, p in wanted.items() if p.grad is not None and not torch.isfinite(p.grad).all()]
    model.zero_grad(set_to_none=True)
    if not wanted or len(without) == len(wanted):
        raise UsageError(
            f"none of the {len(list(model.parameters()))} parameters gets a gradient: there is nothing to train; look "
            "for requires_grad=False, detach() or torch.no_grad() in the network, or for a freeze that takes all"
        )
    if endless:
        raise UsageError(
            f"the gradient of {endless[0]} is not finite at the first step: look for a root or a norm of 0, or a "
            "division by zero in the network or the loss"
        )
    frozen = _frozen(model, plan)
    total = len(wanted) + len(frozen)
    said = f"{len(without)} of {len(wanted)} trainable parameters get no gradient"
    said += f", {len(frozen)} are frozen at their random start" if frozen else ""
    if without or frozen:
        lost = ((len(without) + len(frozen)) / total, "of the parameters, which learn nothing")
        evidence = f"{said}: {', '.join([*without, *frozen][:4])}."
        return GRADIENT.fires(len(without) + len(frozen), 0.0, evidence, lost=lost, parameters=without, frozen=frozen)
    return GRADIENT.clear(0, 0.0, said + ".")


def _frozen(model: nn.Module, plan: Plan) -> list[str]:
    """Parameters of layers that nobody said to freeze, in a network whose weights are random.

    A parameter of the network itself, such as a fixed table of positions, may well be meant to stay.
    """
    if plan.source.trained:
        return []
    layers = {name for name, module in model.named_modules() if type(module).__module__.startswith("torch.nn")}
    return [
        name
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad and not name.startswith(plan.freeze) and name.rpartition(".")[0] in layers
    ]


def _backward(model: nn.Module, inputs: Tensor, targets: Tensor, plan: Plan) -> None:
    """One training step's gradients; buffers such as running statistics are put back."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.train()
    try:
        loss = _loss(plan, model(inputs), targets)
        if loss.requires_grad:
            backward(loss, model)
    except BurnishError:
        raise
    except Exception as error:
        raise UsageError(
            f"the network fails in training mode on a batch of shape {tuple(inputs.shape)}: "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in kept:
                    buffer.copy_(kept[name])


def _loss(plan: Plan, outputs: Tensor, targets: Tensor) -> Tensor:
    assert plan.loss is not None
    try:
        return plan.loss(outputs, targets)
    except BurnishError:
        raise
    except Exception as error:
        raise UsageError(
            f"the loss {plan.loss!r} fails on outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_modes(model: nn.Module, inputs: Tensor) -> Finding:
    with evaluating(model), torch.no_grad():
        apart = _apart(model(inputs), model(inputs))
    if apart > TOLERANCE:
        said = "the same inputs give different outputs in evaluation mode, so no prediction can be repeated."
        return MODES.fires(apart, TOLERANCE, said, lost=(0.5, "of the error, or more: every prediction is a lottery"))
    return MODES.clear(apart, TOLERANCE, "the same inputs give the same outputs in evaluation mode.")


def _check_apart(model: nn.Module, inputs: Tensor) -> Finding:
    """Outputs of one example must not depend on the others: no gradient from it to them, or no change with them."""
    batch = inputs[:MIXING_ROWS]
    if len(batch) < 2:
        return MIXED.cannot_tell("there are fewer than two different training inputs.")
    with evaluating(model):
        leak = _gradient_leak(model, batch) if batch.is_floating_point() else None
        leak = _change_leak(model, batch) if leak is None else leak
    if leak:
        raise UsageError(
            "in evaluation mode the network's output for one example depends on the other examples of the batch: look "
            "for a reshape that mixes up the dimensions, a mean or softmax over dimension 0, or a batch normalization "
            "without running statistics"
        )
    return MIXED.clear(0.0, 0.0, "in evaluation mode no output depends on another example.")


def _gradient_leak(model: nn.Module, batch: Tensor) -> bool | None:
    """Whether an output has a gradient with respect to another example; None where inputs get no gradient at all."""
    batch = batch.clone().requires_grad_()
    outputs = model(batch)
    if not outputs.requires_grad:
        return None
    weights = torch.linspace(-1, 1, outputs.shape[1]) + 0.3  # a plain sum of probabilities would have no gradient
    for example in (0, len(batch) - 1):
        (gradient,) = torch.autograd.grad(
            (outputs[example] * weights).sum(), batch, retain_graph=True, allow_unused=True
        )
        if gradient is None:
            return None
        others = torch.arange(len(batch)) != example
        if (gradient[others] != 0).any():
            return True
    return False


def _change_leak(model: nn.Module, batch: Tensor) -> bool:
    """Whether the output of the first example changes when all the others are replaced by copies of it."""
    same = batch[:1].expand_as(batch).contiguous()
    with torch.no_grad(), seeded():
        before = model(batch)[0]
    with torch.no_grad(), seeded():
        after = model(same)[0]
    return _apart(before, after) > TOLERANCE


def _check_ignored(model: nn.Module, inputs: Tensor) -> Finding:
    if len(inputs) < 2:
        return IGNORED.cannot_tell("there are fewer than two different training inputs.")
    with evaluating(model), torch.no_grad():
        outputs = model(inputs)
    spread = float(outputs.std(0).max() / outputs.abs().max().clamp_min(1e-12))
    said = f"over {len(inputs)} different inputs the outputs vary by {spread:.2g} of their size"
    if spread <= TOLERANCE / 100:
        lost = (1.0, "of the error, with a constant answer")
        return IGNORED.fires(spread, TOLERANCE / 100, said + ": all inputs look alike to the network.", lost=lost)
    return IGNORED.clear(spread, TOLERANCE / 100, said + ".")


def _apart(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max() / first.abs().max().clamp_min(1e-6))
