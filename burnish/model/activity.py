"""What the layers of a network do with real data: how long they take, what they give, what moves them."""

import copy
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from burnish.model.backward import backward
from burnish.model.flow import activation_name, role
from burnish.model.roles import BOUNDED, is_leaf
from burnish.model.tracing import Call, Trace, plain_attention

if TYPE_CHECKING:
    from burnish.losses import Loss

__all__ = ["Activity", "gradient_norms", "time_shares"]

REPEATS, WARM_UP = 5, 2
STUCK, MOSTLY = 0.95, 0.9  # a bounded activation this close to its limits, for this share of a unit's values
CARRIED = ("norm", "dropout", "same")  # what may stand between a layer and its activation


class Activity:
    """Collects statistics of what calls give, as an observer of a trace."""

    def __init__(self) -> None:
        self.moments: dict[int, tuple[float, float]] = {}
        self.moving: dict[int, dict[int, Tensor]] = {}
        self.stuck: dict[int, dict[int, Tensor]] = {}

    def note(self, call: Call, result: Tensor) -> None:
        """Mean and deviation of a result, which units of an activation ever change, and which are at a limit."""
        if not result.is_floating_point() or not result.numel():
            return
        values = result.detach().float()
        self.moments[call.index] = (float(values.mean()), float(values.std(correction=0)))
        if role(call) == "activation" and values.ndim > 1:
            self.moving[call.index] = {dim: _moving(values, dim) for dim in {1, values.ndim - 1}}
            if activation_name(call) in BOUNDED:
                centred = 2 * values - 1 if activation_name(call) == "sigmoid" else values
                self.stuck[call.index] = {dim: _stuck(centred, dim) for dim in {1, values.ndim - 1}}

    def by_path(self, trace: Trace) -> dict[str, dict[str, Any]]:
        """`mean, std` of each layer, and `units, dead, saturated` of each layer with an activation behind it."""
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        for call in trace.calls[1:]:
            if call.module is not None and call.index in self.moments and "mean" not in found[call.path]:
                found[call.path] |= dict(zip(("mean", "std"), self.moments[call.index], strict=True))
        for path, moving in _of_layers(trace, self.moving, torch.logical_or).items():
            found[path] |= {"units": len(moving), "dead": int((~moving).sum())}
        for path, stuck in _of_layers(trace, self.stuck, torch.logical_and).items():
            found[path]["saturated"] = int(stuck.sum())
        return dict(found)


def _of_layers(
    trace: Trace, told: dict[int, dict[int, Tensor]], joined: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Tensor]:
    """What is told of units, for the activation and for the layer before it; calls of one layer are joined."""
    found: dict[str, Tensor] = {}
    for index, by_dimension in told.items():
        call, source = trace.calls[index], _source(trace, index)
        units = by_dimension[_unit(source, call)]
        for path in {c.path for c in (call, source) if c is not None and c.module is not None}:
            before = found.get(path)
            found[path] = joined(before, units) if before is not None and len(before) == len(units) else units
    return found


def _stuck(values: Tensor, dim: int) -> Tensor:
    """Units, along `dim`, that are mostly at their limits, -1 and 1."""
    others = [d for d in range(values.ndim) if d != dim]
    return (values.abs() > STUCK).float().mean(others) >= MOSTLY


def _moving(values: Tensor, dim: int) -> Tensor:
    """Units, along `dim`, that are not one and the same value everywhere."""
    others = [d for d in range(values.ndim) if d != dim]
    return values.amax(others) > values.amin(others)


def _unit(source: Call | None, call: Call) -> int:
    """Channels come second behind a convolution, last behind anything else."""
    name = "" if source is None else source.name or type(source.module).__name__.lower()
    return 1 if name.startswith("conv") or len(call.shape) > 3 else len(call.shape) - 1


def _source(trace: Trace, index: int) -> Call | None:
    """The layer with weights whose result the activation takes, norms and dropout aside."""
    call = trace.calls[index]
    while True:
        before = trace.producers(call.index)
        if len(before) != 1:
            return None
        call = before[0]
        if role(call) == "weights":
            return call
        if role(call) not in CARRIED:
            return None


def gradient_norms(
    model: nn.Module, inputs: Tensor, targets: Tensor, loss: "Loss"
) -> tuple[float, dict[str, dict[str, float]]]:
    """The loss in train mode, and for each module the norms `gradient` and `weight` of its own parameters.

    Parameters of a layer that is looked at from outside, such as attention, count as its own.
    """
    network = copy.deepcopy(model).train().requires_grad_(True)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)  # of dropout
        value = loss(network(inputs), targets)
        backward(value, network)
    found: dict[str, dict[str, float]] = {}
    inside: tuple[str, ...] = ()
    for path, module in network.named_modules():
        if inside and path.startswith(inside):
            continue
        leaf = is_leaf(module)
        inside = (*inside, f"{path}.") if leaf and path else inside
        own = list(module.parameters(recurse=leaf))
        if own:
            gradients = [p.grad for p in own if p.grad is not None]
            found[path] = {"gradient": _norm(gradients), "weight": _norm([p.detach() for p in own])}
    return float(value.detach()), found


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.sqrt(sum((t.float() ** 2).sum() for t in tensors))) if tensors else 0.0  # type: ignore[arg-type]


def time_shares(model: nn.Module, inputs: Tensor) -> dict[str, float]:
    """Each module's own share of a forward pass in eval mode, by path: without what the modules in it take.

    The least of a few passes counts, layer by layer: the rest is the machine's.
    """
    network = copy.deepcopy(model).eval()
    passes: list[dict[str, float]] = []
    with plain_attention(), torch.inference_mode():
        for _ in range(WARM_UP + REPEATS):
            clock = _Clock(network)
            try:
                network(inputs)
            finally:
                clock.stop()
            passes.append(clock.own)
    least = {path: min(taken[path] for taken in passes[WARM_UP:]) for path in passes[-1]}
    total = sum(least.values()) or 1.0
    return {path: seconds / total for path, seconds in least.items()}


class _Clock:
    """Seconds of every watched module by path, its children's taken off."""

    def __init__(self, model: nn.Module) -> None:
        self.own: dict[str, float] = defaultdict(float)
        self.stack: list[list[float]] = []
        self.handles: list[Any] = []
        self.device = next((p.device for p in model.parameters()), torch.device("cpu"))
        inside: tuple[str, ...] = ()
        for path, module in model.named_modules():
            if inside and path.startswith(inside):
                continue
            inside = (*inside, f"{path}.") if is_leaf(module) and path else inside
            self.handles.append(module.register_forward_pre_hook(self._start))
            self.handles.append(module.register_forward_hook(partial(self._end, path)))

    def stop(self) -> None:
        for handle in self.handles:
            handle.remove()

    def _start(self, module: nn.Module, args: Any) -> None:
        self.stack.append([self._now(), 0.0])

    def _end(self, path: str, module: nn.Module, args: Any, result: Any) -> None:
        start, inner = self.stack.pop()
        taken = self._now() - start
        self.own[path] += taken - inner
        if self.stack:
            self.stack[-1][1] += taken

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
