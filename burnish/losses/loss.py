"""What is minimized, as one immutable value."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from burnish.errors import NotApplicable, UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LOSSES", "Loss"]

LOSSES: dict[str, tuple[str, ...]] = {
    "classification": ("cross_entropy", "bce", "focal", "binary_focal", "brier"),
    "multilabel": ("bce", "binary_focal"),
    "regression": ("mse", "mae", "huber"),
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Loss:
    """A loss `(outputs, targets) -> scalar`, the mean over the batch.

    Outputs are `(batch, outputs)`: logits for classes, standardized values for regression. Targets are class
    indices `(batch,)`, class probabilities `(batch, classes)`, or values of the shape of the outputs. All that
    changes a class target meets here: with `t` the class probabilities of an example, mixed or not, its loss is
    `(weights @ t) * loss(outputs, smooth(t, smoothing))`. None of it depends on which technique came first.

    Attributes:
        name: One of `LOSSES`, or the name of `function`.
        smoothing: Share of the target spread evenly over all classes.
        weights: Weight of each class; None weighs all alike. They are not normalized.
        gamma: How much `focal` and `binary_focal` discount easy examples.
        delta: Where `huber` turns from squared to absolute, in deviations of the targets.
        function: Instead of a named loss: `(outputs, targets) -> Tensor`, of shape `(batch,)` or a scalar mean.

    Raises:
        UsageError: an unknown name, or `function` cannot be called.
        ValueError: a value out of range.

    Example:
        >>> Loss(name="cross_entropy", smoothing=0.1)
        Loss(name='cross_entropy', smoothing=0.1)
    """

    name: str = "cross_entropy"
    smoothing: float = 0.0
    weights: tuple[float, ...] | None = None
    gamma: float = 2.0
    delta: float = 1.0
    function: Callable[..., "Tensor"] | None = None

    def __post_init__(self) -> None:
        known = [name for names in LOSSES.values() for name in names]
        if self.function is None and self.name not in known:
            raise UsageError(f"unknown loss {self.name!r}; one of {', '.join(known)}")
        if self.function is not None and not callable(self.function):
            raise UsageError(f"a loss is a function (outputs, targets) -> tensor, got {self.function!r}")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing must be in [0, 1), got {self.smoothing}")
        if not (isfinite(self.gamma) and self.gamma >= 0):
            raise ValueError(f"gamma must be 0 or more, got {self.gamma}")
        if not (isfinite(self.delta) and self.delta > 0):
            raise ValueError(f"delta must be above 0 and finite, got {self.delta}")
        if self.weights is not None and not all(isfinite(w) and w >= 0 for w in self.weights):
            raise ValueError(f"weights must be finite and 0 or more, got {self.weights}")
        if (self.smoothing or self.weights) and self.kind == "regression":
            raise ValueError(f"smoothing and weights need a loss of classes, not {self.name!r}")

    @classmethod
    def of(cls, what: "Loss | str | Callable[..., Tensor]") -> "Loss":
        """The loss that `what` stands for: one already, its name, or a function `(outputs, targets) -> Tensor`.

        Raises:
            UsageError: there is no loss of this name, or it is none of these.

        Example:
            >>> Loss.of("huber")
            Loss(name='huber')
        """
        if isinstance(what, Loss):
            return what
        if isinstance(what, str):
            return cls(name=what)
        return cls(name=getattr(what, "__name__", type(what).__name__), function=what)

    @property
    def kind(self) -> str | None:
        """`classification` or `regression`; None for a function, which may be either."""
        if self.function is not None:
            return None
        return next(kind for kind, names in LOSSES.items() if self.name in names)

    def __call__(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """The mean over the batch.

        Raises:
            UsageError: outputs and targets do not fit together.
        """
        return self._losses(outputs, targets).mean()

    def per_example(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """The loss of each example `(batch,)`; their mean is the loss.

        Raises:
            UsageError: as for the call, or `function` only gives a mean.
        """
        losses = self._losses(outputs, targets)
        if losses.ndim == 0:
            raise UsageError(f"the loss {self.name!r} gives one number for the batch; let it return one per example")
        return losses

    def with_smoothing(self, alpha: float) -> "Loss":
        """A copy that smooths the targets by `alpha`."""
        return replace(self, smoothing=alpha)

    def with_weights(self, weights: tuple[float, ...]) -> "Loss":
        """A copy that weighs the classes."""
        return replace(self, weights=tuple(weights))

    def check_soft_targets(self, classes: int) -> None:
        """See that the loss takes class probabilities, as smoothing and mixing make them.

        Raises:
            NotApplicable: it does not: `function` only takes class indices, or it is a loss of values.
        """
        import torch

        try:
            self(torch.zeros(2, classes), torch.full((2, classes), 1 / classes))
        except Exception as error:  # a user's function may raise anything
            raise NotApplicable(
                f"soft targets are class probabilities (batch, {classes}), which the loss {self!r} does not take: "
                f"{type(error).__name__}: {error}"
            ) from error

    def check_per_example(self, outputs: int) -> None:
        """See that the loss gives one number for each example, as class weights need.

        Raises:
            NotApplicable: `function` gives only their mean, or fails.
        """
        import torch

        try:
            self.per_example(torch.zeros(2, outputs), torch.zeros(2, dtype=torch.int64))
        except UsageError as error:
            raise NotApplicable(f"class weights need the loss of each example: {error}") from error

    def _losses(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        self._check(outputs, targets)
        hard = targets
        if self.smoothing:
            from burnish.losses.targets import as_probabilities, smooth

            targets = smooth(as_probabilities(targets, outputs.shape[1]).to(outputs.dtype), self.smoothing)
        losses = self._function()(outputs, targets) if self.function is None else self._own(outputs, targets)
        return losses if self.weights is None else self._weighed(losses, outputs, hard)

    def _own(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """What the user's function gives; its errors say what it was called with."""
        assert self.function is not None
        given = f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} of type {targets.dtype}"
        try:
            losses = self.function(outputs, targets)
        except Exception as error:  # a user's function may raise anything
            raise UsageError(f"the loss {self.name!r} fails on {given}: {type(error).__name__}: {error}") from error
        shape = getattr(losses, "shape", None)
        if shape is None or tuple(shape) not in ((), (len(outputs),)):
            got = f"a tensor {tuple(shape)}" if shape is not None else f"a {type(losses).__name__}"
            raise UsageError(
                f"the loss {self.name!r} gives {got} for {given}; it has to give one loss for each example, "
                f"({len(outputs)},), or their mean, ()"
            )
        return losses

    def _weighed(self, losses: "Tensor", outputs: "Tensor", targets: "Tensor") -> "Tensor":
        if losses.ndim == 0:
            raise UsageError(f"class weights need one loss for each example; {self.name!r} gives their mean")
        return losses * self._example_weights(outputs, targets)

    def _check(self, outputs: "Tensor", targets: "Tensor") -> None:
        if not hasattr(outputs, "ndim"):
            raise UsageError(
                f"the network gave the loss a {type(outputs).__name__}, where one tensor (batch, outputs) is needed: "
                "return the logits alone, also in training mode, or wrap the network in a module that picks them"
            )
        if outputs.ndim != 2 or len(outputs) != len(targets):
            raise UsageError(
                f"the network gave outputs of shape {tuple(outputs.shape)} for targets of shape "
                f"{tuple(targets.shape)}; the loss needs outputs (batch, outputs) with one row for each target"
            )
        if self.kind == "classification":
            from burnish.losses.targets import check_classes

            check_classes(targets, outputs.shape[1])

    def _function(self) -> Callable[..., "Tensor"]:
        from burnish.losses import functions

        own = {"focal": {"gamma": self.gamma}, "binary_focal": {"gamma": self.gamma}, "huber": {"delta": self.delta}}
        return partial(getattr(functions, self.name), **own.get(self.name, {}))

    def _example_weights(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        from burnish.losses.targets import as_probabilities

        classes = outputs.shape[1]
        if self.weights is None or len(self.weights) != classes:
            raise UsageError(f"weights {self.weights} for {classes} classes; give one for each class")
        return as_probabilities(targets, classes).to(outputs) @ outputs.new_tensor(self.weights)

    def __repr__(self) -> str:
        shown = [f for f in fields(self) if f.name == "name" or getattr(self, f.name) != f.default]
        parts = [f"{f.name}={_text(getattr(self, f.name))}" for f in shown]
        return f"Loss({', '.join(parts)})"


def _text(value: Any) -> str:
    """`repr`, but without the memory addresses that make a function's differ from run to run."""
    if isinstance(value, partial):
        inner = [_text(value.func), *map(repr, value.args), *(f"{k}={v!r}" for k, v in sorted(value.keywords.items()))]
        return f"partial({', '.join(inner)})"
    if not callable(value):
        return repr(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    # a module loaded from a path carries a hash of that path, which is another one on another machine
    home = re.sub(r"^burnish_file_(.*)_[0-9a-f]{12}$", r"\1", named.__module__)
    return f"{home}.{named.__qualname__}"
