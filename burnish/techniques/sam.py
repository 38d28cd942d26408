"""Sharpness-aware minimization: steps by the gradient at the worst point nearby.

Two minima may fit the training data equally well; the flat one generalizes better, for the true loss is a shifted
copy of the training loss. Each step first climbs a distance `rho` along the gradient, takes the gradient there,
returns, and descends by it. It costs a second forward and backward pass for each step and nothing at inference.

Helps: small data and long trainings, where a gain is worth twice the time.
Does not: time is short: the same time can be spent on more epochs.
Costs: twice the time of every step; nothing in serving.

Source: Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving
Generalization", ICLR 2021, arXiv:2010.01412.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from burnish.plan import Plan

__all__ = ["SAM", "SharpnessAware", "sharpness_aware"]


class SharpnessAware:
    """An optimizer whose `step(closure)` evaluates the closure twice; all else is the wrapped optimizer's.

    Both passes draw the same random numbers (dropout masks), so they see one function. Only the first updates
    buffers such as the running statistics of batch norm: the second sees displaced weights.

    Attributes:
        optimizer: Takes the step.
        model: Owner of the buffers to protect.
        rho: Length of the climb, over all parameters together.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, model: nn.Module, rho: float) -> None:
        self.optimizer = optimizer
        self.model = model
        self.rho = rho

    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        """Take one step.

        Args:
            closure: Clears the gradients, computes the loss, calls `backward`, returns the loss.

        Returns:
            The loss at the weights before the step.
        """
        before = _random_state(self._devices())
        loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        kept = [p.detach().clone() for p in parameters]
        buffers = {name: value.clone() for name, value in self.model.named_buffers()}
        self._climb(parameters)
        _set_random_state(before)
        closure()
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)
            for name, buffer in self.model.named_buffers():
                if name in buffers:
                    buffer.copy_(buffers[name])
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def _climb(self, parameters: list[Tensor]) -> None:
        gradients = [p.grad for p in parameters]
        length = torch.nn.utils.get_total_norm(gradients)  # type: ignore[arg-type]
        # a zero gradient leads nowhere: the small term keeps 0 / 0 out
        scale = self.rho / (length + 1e-12)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            assert gradient is not None
            parameter.add_(gradient * scale.to(gradient.device))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients."""
        self.optimizer.zero_grad(set_to_none=set_to_none)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The wrapped optimizer's groups; learning rates are set here."""
        return self.optimizer.param_groups

    @property
    def state(self) -> Any:
        """The wrapped optimizer's state."""
        return self.optimizer.state

    def state_dict(self) -> dict[str, Any]:
        """The wrapped optimizer's; the climb itself has no state."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self.optimizer.load_state_dict(state)

    def _devices(self) -> set[torch.device]:
        return {p.device for group in self.param_groups for p in group["params"]}


def sharpness_aware(
    optimizer: torch.optim.Optimizer, model: nn.Module, *, rho: float = 0.05
) -> torch.optim.Optimizer | SharpnessAware:
    """Wrap `optimizer`, which trains `model`, so that each step minimizes the worst loss within `rho`.

    Call the result with a closure: `optimizer.step(closure)`.

    Raises:
        ValueError: `rho` is negative.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Linear(2, 1)
        >>> optimizer = sharpness_aware(torch.optim.SGD(net.parameters(), lr=0.1), net, rho=0.05)
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = net(torch.ones(4, 2)).square().mean()
        ...     loss.backward()
        ...     return loss
        >>> first = optimizer.step(closure)
        >>> bool(closure() < first)
        True
    """
    if not (isfinite(rho) and rho >= 0):
        raise ValueError(f"rho must be 0 or more, got {rho}")
    return SharpnessAware(optimizer, model, rho) if rho else optimizer


def _random_state(devices: set[torch.device]) -> dict[torch.device, Tensor]:
    states = {torch.device("cpu"): torch.get_rng_state()}
    for device in devices:
        if device.type != "cpu":
            states[device] = torch.get_device_module(device).get_rng_state(device)
    return states


def _set_random_state(states: dict[torch.device, Tensor]) -> None:
    for device, state in states.items():
        if device.type == "cpu":
            torch.set_rng_state(state)
        else:
            torch.get_device_module(device).set_rng_state(state, device)


@dataclass(frozen=True, slots=True, kw_only=True)
class SAM:
    """Steps by the gradient at the worst point nearby; training takes twice as long. Changes: `plan.optimizer`.

    Attributes:
        rho: Distance to the worst point, over all weights together; 0 changes nothing.
    """

    rho: float = 0.05

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, float], ...]] = ({"rho": 0.05}, {"rho": 0.1}, {"rho": 0.02})
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Foret et al. 2021, arXiv:2010.01412"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (isfinite(self.rho) and self.rho >= 0):
            raise ValueError(f"rho must be 0 or more, got {self.rho}")

    def __call__(self, plan: Plan) -> Plan:
        if self.rho == 0:
            return plan
        wrappers = (*plan.optimizer.wrappers, partial(sharpness_aware, rho=float(self.rho)))
        return replace(plan, optimizer=replace(plan.optimizer, wrappers=wrappers))
