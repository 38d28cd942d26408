"""The training loop, read top to bottom. It knows slots, not techniques.

Every epoch draws its randomness from (seed, epoch) alone, so a training that is
interrupted goes on bit for bit as if it had not been.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from burnish.data.data import Data
from burnish.data.tensors import network_tensor
from burnish.errors import UsageError
from burnish.evaluation.predict import predict
from burnish.model.backward import backward, sound_group_norms
from burnish.plan import Averaging, Plan
from burnish.training.averaging import Average, averager, reestimate_batch_norm
from burnish.training.checkpoint import load_checkpoint, save_checkpoint
from burnish.training.feed import batches, steps_per_epoch
from burnish.training.freezing import Thawing, frozen_norms
from burnish.training.optimizers import build_optimizer, multiplier, set_rate
from burnish.training.precision import lowered
from burnish.training.ranks import Group, current
from burnish.training.seeds import generator, seed_everything

__all__ = ["Fitted", "Objective", "calibration_batches", "device_for", "fit"]

State = dict[str, torch.Tensor]
Averages = dict[str, Average]  # by kind
# (outputs, targets, inputs) -> loss to minimize
Objective = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
CALIBRATION_ROWS = 2048


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A finished training.

    Attributes:
        model: The network, in eval mode: the last weights; the best on validation when the plan stops early;
            the average when the plan averages.
        shadows: Averages kept beside the weights, by kind: `ema`, `swa`.
        curves: Per epoch: `epoch, train_loss, loss` (validation) and the primary metric.
        epoch_outputs: Validation outputs after each epoch, `(epochs, n, k)`.
        status: `done`, or `diverged` when the loss stopped being finite.
        seconds: Time spent in training steps, validation excluded.
        examples: Examples seen.
    """

    model: nn.Module
    shadows: dict[str, nn.Module]
    curves: tuple[dict[str, Any], ...]
    epoch_outputs: np.ndarray
    status: str
    seconds: float
    examples: int


@dataclass(kw_only=True, eq=False)
class _Progress:
    """What changes from epoch to epoch, and is checkpointed."""

    epoch: int = 0
    curves: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[np.ndarray] = field(default_factory=list)
    best: State | None = None
    best_score: float = float("-inf")
    last_score: float = float("-inf")
    since_best: int = 0
    best_seconds: float = 0.0
    seconds: float = 0.0
    examples: int = 0
    status: str = "done"


def device_for(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` takes a GPU when there is one.

    Raises:
        UsageError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(name)
        torch.zeros(1, device=place).cpu()
    except Exception as error:  # every backend raises its own
        here = "auto, cpu" + (", cuda" if torch.cuda.is_available() else "")
        raise UsageError(f"--device {name!r} cannot be used here; there are {here}") from error
    return place


def fit(
    plan: Plan,
    *,
    seed: int = 0,
    data: Data | None = None,
    model: nn.Module | None = None,
    device: str = "auto",
    shadows: Sequence[Averaging] = (),
    objective: Objective | None = None,
    checkpoint: Path | None = None,
    every: float = 0.0,
    on_step: Callable[[nn.Module], None] | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> Fitted:
    """Train `plan` once.

    Args:
        plan: What to train.
        seed: Seed of initialization, order, augmentation and dropout.
        data: The split to use; the plan's own by default.
        model: Start from this network (it is not modified) instead of a fresh one.
        device: `auto`, `cpu`, `cuda`, ...
        shadows: Keep these averages beside the weights, as readouts; a plan that averages keeps its own only.
        objective: Replaces the plan's loss; sees the inputs too, as distillation needs.
        checkpoint: File to go on from, and to write after an epoch.
        every: Seconds of work worth a checkpoint; a training that takes less never writes one.
        on_step: Called with the network after each step of the optimizer; it may change weights.
        on_epoch: Called with each new line of the curves.

    Example:
        >>> from burnish.data import load
        >>> from burnish.plan import Plan
        >>> fitted = fit(Plan(model="cnn", data=load("digits"), epochs=1), seed=0)
        >>> fitted.status, len(fitted.curves)
        ('done', 1)
    """
    data, place, group = data or plan.data, device_for(device), current()
    seed_everything(seed, "start")
    network = copy.deepcopy(model) if model is not None else plan.build(seed)
    network = group.prepared(_placed(network, data, place), place)
    optimizer = build_optimizer(plan.optimizer, network, plan.freeze, plan.rates)
    thawing = Thawing(network, plan.freeze, plan.thaw)
    kinds = [plan.average] if plan.average else list(shadows)
    averages = {averaging.kind: averager(network, averaging) for averaging in kinds}
    progress = _restore(checkpoint, network, optimizer, averages, group)
    step_loss = objective or _plain(plan)
    kept = time.monotonic()

    while progress.epoch < plan.epochs and progress.status == "done" and not _stopped(plan, progress):
        seed_everything(seed, "epoch", progress.epoch, *([] if group.first else [group.rank]))
        start = time.perf_counter()
        now = (step_loss, seed, progress.epoch, place, group, thawing, on_step)
        with sound_group_norms():
            train_loss = _epoch(plan, data, network, optimizer, averages, *now)
        for average in averages.values():
            average.after_epoch(network, (progress.epoch + 1) / plan.epochs)
        progress.seconds += time.perf_counter() - start
        progress.examples += len(data.train)
        _note(plan, data, network, averages, train_loss, progress, group)
        if on_epoch:
            on_epoch(progress.curves[-1])
        progress.epoch += 1
        if checkpoint and group.first and time.monotonic() - kept >= every:
            _keep(checkpoint, network, optimizer, averages, progress)
            kept = time.monotonic()
    return _finished(plan, data, network, averages, progress, place)


def _epoch(
    plan: Plan,
    data: Data,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    averages: Averages,
    step_loss: Objective,
    seed: int,
    epoch: int,
    place: torch.device,
    group: Group,
    thawing: Thawing,
    on_step: Callable[[nn.Module], None] | None = None,
) -> float:
    """One pass over the training rows; the mean loss of its steps."""
    network.train()
    thawing.begin(epoch)
    forward = group.forward(network)
    steps, total = steps_per_epoch(len(data.train), plan.batch_size), 0.0
    for step, (x, y) in enumerate(batches(plan, data, seed=seed, epoch=epoch, device=place)):
        x, y, share = group.part(x, y)
        set_rate(optimizer, plan.optimizer.lr * multiplier(plan.schedule, (epoch + step / steps) / plan.epochs))

        def closure(x: torch.Tensor = x, y: torch.Tensor = y, share: float = share) -> torch.Tensor:
            optimizer.zero_grad(set_to_none=True)
            with lowered(plan.precision, place):
                outputs = forward(x)
            loss = step_loss(outputs.float(), y, x) * share
            backward(loss, network)
            if plan.clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
            return loss

        loss = group.mean(cast(torch.Tensor, optimizer.step(cast(Any, closure))))
        if not np.isfinite(loss):
            return loss
        total += loss
        if on_step:
            on_step(network)
        for average in averages.values():
            average.after_step(network)
    return total / steps


def _note(
    plan: Plan,
    data: Data,
    network: nn.Module,
    averages: Averages,
    train_loss: float,
    progress: _Progress,
    group: Group,
) -> None:
    """Measure on validation, remember the best weights, notice divergence."""
    judged = averages[plan.average.kind].network(network) if plan.average else network
    place = str(next(network.parameters()).device)
    outputs = group.from_first(lambda: predict(judged, data.validation, data.preparation, device=place))
    finite = np.isfinite(train_loss) and bool(np.isfinite(outputs).all())
    line: dict[str, Any] = {"epoch": progress.epoch + 1, "train_loss": train_loss}
    if not finite:
        progress.status = "diverged"
        progress.curves.append(line)
        return
    task, targets = data.task, data.validation.targets
    score = task.primary(task.decode(outputs), targets)
    line |= {"loss": _loss_of(plan, data, outputs), task.primary.name: score}
    progress.curves.append(line)
    progress.outputs.append(outputs.astype(np.float32))
    oriented = score if task.primary.greater_is_better else -score
    if plan.stopping:
        better = oriented > progress.best_score + plan.stopping.min_delta
        progress.since_best = 0 if better else progress.since_best + 1
        if better:
            progress.best_seconds = progress.seconds
            progress.best = {k: v.detach().cpu().clone() for k, v in judged.state_dict().items()}
    progress.best_score, progress.last_score = max(progress.best_score, oriented), oriented


def _loss_of(plan: Plan, data: Data, outputs: np.ndarray) -> float:
    targets = torch.from_numpy(data.task.encode(data.validation.targets))
    assert plan.loss is not None
    return float(plan.loss(torch.from_numpy(np.asarray(outputs, dtype=np.float32)), targets))


def _plain(plan: Plan) -> Objective:
    loss = plan.loss
    assert loss is not None
    return lambda outputs, targets, inputs: loss(outputs, targets)


def _stopped(plan: Plan, progress: _Progress) -> bool:
    """Whether the plan ends the training here: no improvement for long, good enough, or bad enough."""
    rule = plan.stopping
    if rule is None or progress.epoch == 0:
        return False
    sign = 1 if plan.data.task.primary.greater_is_better else -1
    return (
        progress.since_best >= rule.patience
        or (rule.seconds is not None and progress.seconds - progress.best_seconds >= rule.seconds)
        or (rule.threshold is not None and progress.last_score >= sign * rule.threshold)
        or (rule.divergence is not None and progress.last_score <= sign * rule.divergence)
    )


def _placed(network: nn.Module, data: Data, place: torch.device) -> nn.Module:
    network = network.to(place)
    # Channels-last is how image batches arrive; the kernels then need no reordering.
    return network.to(memory_format=torch.channels_last) if data.modality == "image" else network  # type: ignore[call-overload]


def _finished(
    plan: Plan, data: Data, network: nn.Module, averages: Averages, progress: _Progress, place: torch.device
) -> Fitted:
    shadows = {}
    if progress.status == "done":
        shadows = {kind: average.network(network).eval() for kind, average in averages.items() if average.steps}
        frozen = frozen_norms(network, plan.freeze)
        for averaged in shadows.values():
            reestimate_batch_norm(averaged, calibration_batches(data, plan.batch_size, place), keep=frozen)
    final = network
    if plan.stopping and progress.best is not None:
        final = copy.deepcopy(network)
        final.load_state_dict(progress.best)
    elif plan.average and plan.average.kind in shadows:
        final = shadows.pop(plan.average.kind)
    width = data.task.outputs
    outputs = np.stack(progress.outputs) if progress.outputs else np.zeros((0, len(data.validation), width), np.float32)
    return Fitted(
        model=final.eval(),
        shadows=shadows,
        curves=tuple(progress.curves),
        epoch_outputs=outputs,
        status=progress.status,
        seconds=progress.seconds,
        examples=progress.examples,
    )


def calibration_batches(data: Data, batch_size: int, place: torch.device) -> list[torch.Tensor]:
    """Training inputs to estimate batch statistics on, as they are without augmentation.

    Drawn at random: rows are often sorted by class, and statistics of batches of one class are wrong for all others.
    """
    order = torch.randperm(len(data.train), generator=generator(0, "calibration")).numpy()
    rows = data.train.rows[order[:CALIBRATION_ROWS]]
    size = max(batch_size, 2)
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    return [network_tensor(data.preparation, data.inputs[part], place) for part in parts if len(part) > 1]


def _keep(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, averages: Averages, progress: _Progress
) -> None:
    state = {key: value for key, value in vars(progress).items() if key != "outputs"}
    state |= {
        "outputs": [torch.from_numpy(o) for o in progress.outputs],
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "averages": {kind: (average.steps, average.state) for kind, average in averages.items()},
    }
    save_checkpoint(path, state)


def _restore(
    path: Path | None, network: nn.Module, optimizer: torch.optim.Optimizer, averages: Averages, group: Group
) -> _Progress:
    state = group.from_first(lambda: load_checkpoint(path)) if path else None
    if state is None:
        return _Progress()
    network.load_state_dict(state.pop("network"))
    optimizer.load_state_dict(state.pop("optimizer"))
    for kind, kept in state.pop("averages").items():
        averages[kind].steps, averages[kind].state = kept
    state["outputs"] = [o.numpy() for o in state["outputs"]]
    return _Progress(**state)
