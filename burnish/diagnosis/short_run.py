"""A few steps of the plan on a fresh network, watched: losses, step sizes, gradients and activations."""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from burnish.diagnosis.batches import quiet_copy, seeded, some_rows, tensors
from burnish.diagnosis.subject import Subject
from burnish.losses import Loss
from burnish.model.backward import backward
from burnish.plan import Plan
from burnish.training.feed import batches, steps_per_epoch
from burnish.training.loop import device_for
from burnish.training.optimizers import build_optimizer

__all__ = ["ShortRun", "gradient_sizes", "short_price", "short_run", "short_steps"]

Array = np.ndarray
MOST_STEPS, LEAST_STEPS = 100, 40
LOOKED_AT = 64  # training rows whose gradients and activations are measured before and after


@dataclass(frozen=True, kw_only=True)
class ShortRun:
    """What a few steps at one learning rate show.

    Attributes:
        losses: Training loss of each step; it ends early with one that is not finite.
        updates: For each weight matrix, the size of a step against that of the weights: median of the last half.
        gradients: Name and size of each weight matrix's gradient after the steps, in the order of the layers.
        drift: For each hidden layer, the deviation of its outputs after the steps against that before.
    """

    losses: tuple[float, ...]
    updates: dict[str, float]
    gradients: tuple[tuple[str, float], ...]
    drift: dict[str, float]

    @property
    def loss(self) -> float:
        """Mean of the last quarter; infinite where a loss was not finite."""
        return float(np.mean(self.losses[-max(len(self.losses) // 4, 1) :])) if self.finite else math.inf

    @property
    def finite(self) -> bool:
        """Whether all losses are."""
        return all(map(math.isfinite, self.losses))


def short_steps(plan: Plan, rows: int) -> int:
    """No more steps than a training has, but enough to see something."""
    return int(np.clip(steps_per_epoch(rows, plan.batch_size) * plan.epochs, LEAST_STEPS, MOST_STEPS))


def short_price(subject: Subject) -> float:
    """What `short_run` costs, in trainings of the baseline; nothing once it is done."""
    if subject.plan is None or ("short_run", 1.0) in subject.cache:
        return 0.0
    rows, plan = len(subject.data.train_rows), subject.plan
    return short_steps(plan, rows) / (steps_per_epoch(rows, plan.batch_size) * plan.epochs)


def short_run(subject: Subject, factor: float = 1.0) -> ShortRun | None:
    """A fresh network trained for a few steps at `factor` times the plan's rate; None without a plan.

    Without the plan's batch transforms, whose randomness would hide the effect of the rate.
    """
    if subject.plan is None:
        return None
    key: Any = ("short_run", factor)
    if key not in subject.cache:
        plan = replace(subject.plan, batch=(), data=subject.data)
        subject.cache[key] = _watched(plan, plan.optimizer.lr * factor, subject.device)
    return cast(ShortRun, subject.cache[key])


def gradient_sizes(model: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> list[tuple[str, float]]:
    """Size of the gradient of each weight matrix, in the order in which layers are declared; embeddings left out.

    An embedding's gradient is spread over the few words of the batch and is no measure of depth.
    """
    model.zero_grad(set_to_none=True)
    backward(loss(model(inputs), targets), model)
    return [(name, float(p.grad.square().mean().sqrt())) for name, p in _matrices(model) if p.grad is not None]


def _watched(plan: Plan, rate: float, device: str) -> ShortRun:
    place, losses, sizes = device_for(device), list[float](), list[list[float]]()
    steps = short_steps(plan, len(plan.data.train_rows))
    with seeded():
        network = plan.build(0).to(place).train()
        optimizer = build_optimizer(replace(plan.optimizer, lr=rate), network, plan.freeze)
        inputs, targets = tensors(plan.data, some_rows(plan.data.train, LOOKED_AT), place)
        before = _deviations(network, inputs)
        weights = [(name, p) for name, p in _matrices(network) if p.requires_grad]
        epochs = (batches(plan, plan.data, seed=0, epoch=e, device=place) for e in itertools.count())
        for x, y in itertools.islice(itertools.chain.from_iterable(epochs), steps):
            kept = [p.detach().clone() for _, p in weights]
            losses.append(_step(plan, network, optimizer, x, y))
            sizes.append([_moved(p, old) for (_, p), old in zip(weights, kept, strict=True)])
            if not math.isfinite(losses[-1]):
                return ShortRun(losses=tuple(losses), updates={}, gradients=(), drift={})
        after = _deviations(network, inputs)
        gradients = gradient_sizes(quiet_copy(network), inputs, targets, Loss(name=plan.data.task.default_loss))
    middle = np.median(np.array(sizes[len(sizes) // 2 :]), axis=0) if weights else ()
    return ShortRun(
        losses=tuple(losses),
        updates={name: float(value) for (name, _), value in zip(weights, middle, strict=True)},
        gradients=tuple(gradients),
        drift={name: after[name] / size for name, size in before.items() if name in after and size > 0},
    )


def _matrices(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [
        (f"{path}.{name}".lstrip("."), parameter)
        for path, module in model.named_modules()
        if not isinstance(module, nn.Embedding | nn.EmbeddingBag)
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim > 1
    ]


def _moved(parameter: Tensor, old: Tensor) -> float:
    return float((parameter.detach() - old).norm() / old.norm().clamp_min(1e-12))


def _deviations(network: nn.Module, inputs: Tensor) -> dict[str, float]:
    """Standard deviation of the output of each layer with weights, but for the last, whose outputs are to grow."""
    found: dict[str, float] = {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                found[name] = float(output.std())

        return hook

    looked_at, handles = quiet_copy(network), []
    for name, module in looked_at.named_modules():
        if any(p.ndim > 1 for p in module.parameters(recurse=False)) and not isinstance(module, nn.Embedding):
            handles.append(module.register_forward_hook(note(name)))
    with torch.no_grad():
        looked_at(inputs)
    return dict(list(found.items())[:-1])


def _step(plan: Plan, network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> float:
    loss_function = plan.loss
    assert loss_function is not None

    def closure() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(network(x), y)
        backward(loss, network)
        if plan.clip is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        return loss

    return float(cast(Tensor, optimizer.step(cast(Any, closure))).detach())
