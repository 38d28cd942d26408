"""Plan: everything one training run depends on, as one immutable value.

`plan.then(*techniques)` gives a changed copy. Each technique owns slots: `model`
and `data` edits apply in order; `batch`, `readouts` and `post` append; `loss`
is wrapped by its own methods; `optimizer` is a base with wrappers; `schedule`,
`average`, `stopping` and `clip` are set once.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from burnish.data.data import Data
from burnish.errors import Conflict, UsageError
from burnish.losses import Loss

if TYPE_CHECKING:
    import torch
    from torch import nn

    from burnish.model.account import Account
    from burnish.model.sources import ModelSource

PRECISIONS = ("float32", "bf16")

__all__ = ["PRECISIONS", "Averaging", "BatchTransform", "Optimizer", "Plan", "Schedule", "Stopping", "Technique"]


class Technique(Protocol):
    """A frozen, keyword-only dataclass that turns a plan into a plan."""

    def __call__(self, plan: "Plan") -> "Plan":
        """The changed plan.

        Raises:
            NotApplicable: there is nothing to do on this network or task; the message says why.
            Conflict: another technique holds the slot.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchContext:
    """What a batch transform may know.

    Attributes:
        generator: Source of all its randomness, on the CPU; seeded per run and epoch.
        outputs: Width of the network's output (number of classes).
        kind: Kind of the task.
        modality: Kind of the inputs.
        epoch: Epoch, from 0.
        progress: Share of the training that is done, from 0 to 1.
    """

    generator: "torch.Generator"
    outputs: int
    kind: str
    modality: str
    epoch: int = 0
    progress: float = 0.0


class BatchTransform(Protocol):
    """`(inputs, targets, context) -> (inputs, targets)` on a whole batch, on its device; training only."""

    def __call__(
        self, inputs: "torch.Tensor", targets: "torch.Tensor", context: BatchContext
    ) -> "tuple[torch.Tensor, torch.Tensor]": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """Which optimizer, with what; `wrappers` are callables `(optimizer, model) -> optimizer` such as SAM's."""

    name: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    wrappers: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Multiplier of the learning rate over the training: `constant`, `cosine`, `linear` or `one_cycle`.

    `warmup` is the share of the training spent rising linearly to the full rate; with `cycles`, the whole starts again
    so many times, each cycle with its own warm-up.
    """

    kind: str = "constant"
    warmup: float = 0.0
    cycles: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Averaging:
    """An average of the weights is the network that is evaluated and saved.

    `ema` moves after each step and keeps `decay` of itself; `swa` is the plain mean of the weights after each epoch
    from the share `start` of the training on.
    """

    decay: float = 0.99
    kind: str = "ema"
    start: float = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """When training ends before its last epoch; the best weights are the ones that stay.

    After `patience` epochs or `seconds` of training without improvement by `min_delta`, once the primary metric is as
    good as `threshold`, or as bad as `divergence`.
    """

    patience: int = 5
    min_delta: float = 0.0
    threshold: float | None = None
    divergence: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """One training run, but for its seed.

    Attributes:
        model: A source of networks: a factory, a module, a zoo name, or whatever `as_source` takes; kept as a
            `ModelSource`, which `source` gives.
        data: What to train on.
        epochs: Passes over the training rows.
        batch_size: Examples per step.
        edits: Model surgery `(model, probe) -> model`, replayed in order on every fresh initialization.
        batch: Batch transforms, in order.
        loss: What is minimized: a `Loss`, the name of one, or a function `(outputs, targets) -> tensor` of yours; None
            takes the task's own.
        sampling: How often rows of each class are drawn, relative to one another; None draws each row once an epoch.
        optimizer, schedule, average, stopping, clip: As named.
        freeze: Prefixes of parameter names that are not trained; normalization in them keeps its statistics.
        thaw: `(prefix, epoch)`: parameters that are frozen until that epoch begins.
        rates: `(prefix, factor)`: parameters whose learning rate is multiplied; the longest prefix counts.
        precision: `float32`, or `bf16`: forward passes of the training in bfloat16 where that is safe, with weights,
            losses and evaluation in float32.
        readouts: Techniques evaluated both ways on the finished run.
        post: Techniques carried out after training.
        applied: The techniques so far.
    """

    model: Any
    data: Data
    epochs: int = 20
    batch_size: int = 64
    edits: tuple[Any, ...] = ()
    batch: tuple[Any, ...] = ()
    loss: Any = None
    sampling: tuple[float, ...] | None = None
    optimizer: Optimizer = Optimizer()
    schedule: Schedule | None = None
    average: Averaging | None = None
    stopping: Stopping | None = None
    clip: float | None = None
    freeze: tuple[str, ...] = ()
    thaw: tuple[tuple[str, int], ...] = ()
    rates: tuple[tuple[str, float], ...] = ()
    precision: str = "float32"
    readouts: tuple[Any, ...] = ()
    post: tuple[Any, ...] = ()
    applied: tuple[Technique, ...] = ()

    def __post_init__(self) -> None:
        from burnish.model.sources import as_source

        if not isinstance(self.data, Data):
            raise UsageError(f"data must be what load returns, got {self.data!r}; write data=load({self.data!r})")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.precision not in PRECISIONS:
            raise UsageError(f"precision {self.precision!r} is unknown; one of {', '.join(PRECISIONS)}")
        object.__setattr__(self, "model", as_source(self.model, self.data))
        wanted = self.data.task.default_loss if self.loss is None else self.loss
        object.__setattr__(self, "loss", Loss.of(wanted))

    # -- changing ---------------------------------------------------------------------------------

    def then(self, *techniques: Technique) -> "Plan":
        """A copy with `techniques` applied in order.

        Raises:
            NotApplicable: a technique has nothing to do here.
            Conflict: two techniques exclude one another or claim one slot.
            UsageError: what is given is no technique.
        """
        plan = self
        for technique in techniques:
            if isinstance(technique, type) or not callable(technique):
                name = getattr(technique, "__name__", repr(technique))
                raise UsageError(f"{name} is no technique; give an instance, such as Mixup(alpha=0.2)")
            plan._check_conflicts(technique)
            changed = technique(plan)
            plan = replace(changed, applied=(*plan.applied, technique))
            if plan.edits != self.edits:
                plan.probe()
        return plan

    def edit_model(self, edit: Callable[..., "nn.Module"]) -> "Plan":
        """Append surgery `(model, probe) -> model`, before edits that say they are to stay the `last`."""
        late = tuple(e for e in self.edits if getattr(e, "last", False))
        return replace(self, edits=(*self.edits[: len(self.edits) - len(late)], edit, *late))

    def edit_batch(self, transform: BatchTransform) -> "Plan":
        """Append a batch transform; those that mix examples stay last, whatever the order they are appended in."""
        return replace(self, batch=tuple(sorted((*self.batch, transform), key=lambda t: getattr(t, "mixes", False))))

    def set_once(self, **slots: Any) -> "Plan":
        """Fill slots that hold one value each.

        Raises:
            Conflict: a slot is taken.
        """
        for name, value in slots.items():
            before = getattr(self, name)
            if before is not None:
                raise Conflict(f"{name} is already {before!r}; it cannot also be {value!r}: drop one of the two")
        return replace(self, **slots)

    def declare(self, *, readout: Any = None, post: Any = None) -> "Plan":
        """Append a readout or a post technique, which the pipeline carries out."""
        readouts = self.readouts if readout is None else (*self.readouts, readout)
        return replace(self, readouts=readouts, post=self.post if post is None else (*self.post, post))

    def _check_conflicts(self, technique: Technique) -> None:
        name = type(technique).__name__
        for other in self.applied:
            other_name = type(other).__name__
            if name == other_name:
                raise Conflict(f"{technique!r} after {other!r}: each technique is applied once; drop one of the two")
            if other_name in getattr(technique, "conflicts", ()) or name in getattr(other, "conflicts", ()):
                raise Conflict(f"{technique!r} and {other!r} exclude one another; drop one of the two")

    @property
    def source(self) -> "ModelSource":
        """Where the plan's networks come from."""
        return self.model

    # -- building ---------------------------------------------------------------------------------

    def build(self, seed: int) -> "nn.Module":
        """A fresh network for `seed`, with all edits replayed."""
        from burnish.model.build import build

        return build(self.source, self.data, self.edits, seed)

    def probe(self) -> "nn.Module":
        """The network of seed 0, built once and kept: for looking at, not for training."""
        from burnish.model.build import probed

        return probed(self.source, self.data, self.edits)

    def account(self) -> "tuple[Account, ...]":
        """What each technique that edits the network did to it: what is changed, and what was left and why."""
        from burnish.model.build import accounts

        edits = iter(self.edits)
        bare = Plan(model=self.model, data=self.data, epochs=self.epochs)
        steps = [(repr(t), [next(edits) for _ in t(bare).edits]) for t in self.applied]
        return accounts(self.source, self.data, [(text, own) for text, own in steps if own])

    # -- identity ---------------------------------------------------------------------------------

    @property
    def techniques(self) -> tuple[str, ...]:
        """The applied techniques in their one notation."""
        return tuple(repr(t) for t in self.applied)

    def recipe(self) -> dict[str, Any]:
        """All but network and data, as plain types."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "loss": repr(self.loss),
            "sampling": self.sampling,
            "optimizer": re.sub(r" at 0x[0-9a-fA-F]+", "", repr(self.optimizer)),  # addresses of wrappers
            "schedule": repr(self.schedule),
            "average": repr(self.average),
            "stopping": repr(self.stopping),
            "clip": self.clip,
            "freeze": list(self.freeze),
            "thaw": [list(pair) for pair in self.thaw],
            "rates": [list(pair) for pair in self.rates],
            "precision": self.precision,
            "techniques": list(self.techniques),
        }

    @property
    def loss_identity(self) -> str:
        """Changes when the text of an own loss does; empty for a named one."""
        from burnish.model.locate import source_hash

        return source_hash(self.loss.function) if self.loss.function is not None else ""

    @property
    def key(self) -> str:
        """Hash of network, data, loss, techniques and recipe, and of files that surgery reads."""
        parts = [self.source.identity(), self.data.fingerprint, self.recipe()]
        parts += [self.loss_identity] if self.loss_identity else []
        parts += [edit.digest for edit in self.edits if hasattr(edit, "digest")]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        steps = "".join(f", {t}" for t in self.techniques)
        return f"Plan({self.source.name}, {self.data.name}, epochs={self.epochs}{steps})"
