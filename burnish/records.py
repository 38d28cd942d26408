"""Frozen results, and their way to JSON and back. Never imports torch.

Conventions: scores are fractions, times seconds, latencies milliseconds, sizes
bytes. Every *difference* is a gain: positive means better, whatever the
direction of the metric.
"""

import dataclasses
import json
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = [
    "Comparison",
    "CompressionStep",
    "Cost",
    "Effect",
    "Estimate",
    "Finding",
    "Run",
    "Verdict",
    "dumps",
    "from_json",
    "to_json",
]

T = TypeVar("T")
Json = dict[str, Any]


def shown_as_printed(self: Any, printer: Any, cycle: bool) -> None:
    """What notebooks call `_repr_pretty_`: a result shows itself there as `print` shows it."""
    printer.text(str(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: Point estimate.
        low: Lower end of the interval; None where no interval can be given.
        high: Upper end.
        n: How many examples, splits or seeds stand behind it.
        level: Coverage the interval is built for.
        unit: `fraction`, `seconds`, `ms`, `bytes`, `ratio`, or the target's own unit.
        of: What varies in the interval: `splits`, `seeds` or `examples`.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int = 1
    level: float = 0.95
    unit: str = "fraction"
    of: str = "examples"

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.4g} (n={self.n})"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] (n={self.n} {self.of})"

    _repr_pretty_ = shown_as_printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a network costs. `operations` are multiply-accumulates for one example."""

    parameters: int
    bytes: int
    operations: int | None = None
    train_seconds: float | None = None
    examples_per_second: float | None = None
    peak_memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one diagnosis rule measured.

    Attributes:
        rule: Identifier of the rule, such as `R6`.
        title: The symptom in a few words.
        state: `fires`, `clear` or `cannot tell`.
        measured: The quantity the rule looks at.
        threshold: Where it starts to fire.
        evidence: One or two sentences with the numbers.
        remedies: Names of techniques or actions, best first.
        cost_seconds: What the check took.
        source: Where rule and threshold come from.
        gain: What acting on it is expected to bring, as a share of the error of knowing nothing; None unless it fires.
        gain_basis: How that comes about, in words.
        cost_runs: What the check took, in trainings of the baseline.
        figure: Small data for a drawing, with a `kind`.
        detail: Further numbers, for JSON.
    """

    rule: str
    title: str
    state: str
    measured: float | None
    threshold: float | None
    evidence: str
    remedies: tuple[str, ...] = ()
    cost_seconds: float = 0.0
    source: str = ""
    gain: float | None = None
    gain_basis: str = ""
    cost_runs: float = 0.0
    figure: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        remedies = f"\n    try: {', '.join(self.remedies)}" if self.remedies and self.state == "fires" else ""
        gain = f" (expected gain {self.gain:.2g})" if self.gain is not None else ""
        return f"[{self.state}] {self.rule} {self.title}{gain}: {self.evidence}{remedies}"

    _repr_pretty_ = shown_as_printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One plan trained with one seed, measured from its saved weights.

    Attributes:
        id: Name of its directory in the ledger.
        stage: Stage of the main job it belongs to.
        techniques: `repr` of each applied technique, in order.
        seed: Seed of initialization, order and augmentation.
        split: Seed of the split; 0 is the split as loaded.
        status: `done`, `diverged` (loss not finite) or `failed`.
        scores: Validation metrics by name.
        train_scores: The same metrics on a training subset, measured the same clean way.
        readouts: Per readout (`EMA`, `EarlyStopping`) its validation metrics, cross-fitted where it selects.
        curves: One mapping per epoch: `epoch, train_loss, loss, <primary metric>`.
        cost: Size and training time.
        primary: Name of the metric decisions are made on.
        plan_key: Hash of all that the result depends on.
        data: Fingerprint of the data.
        error: Message of a failed run.
    """

    id: str
    stage: str
    techniques: tuple[str, ...]
    seed: int
    split: int
    status: str
    primary: str
    scores: dict[str, float] = field(default_factory=dict)
    train_scores: dict[str, float] = field(default_factory=dict)
    readouts: dict[str, dict[str, float]] = field(default_factory=dict)
    curves: tuple[dict[str, Any], ...] = ()
    cost: Cost | None = None
    epochs: int = 0
    plan_key: str = ""
    data: str = ""
    error: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The primary metric on validation; NaN when the run has none."""
        return self.scores.get(self.primary, math.nan)

    def __str__(self) -> str:
        what = f"{self.primary} {self.score:.4g}" if self.status == "done" else self.error or self.status
        took = f", {self.cost.train_seconds:.1f} s" if self.cost and self.cost.train_seconds else ""
        return f"{self.id}: {', '.join(self.techniques) or 'no technique'}, seed {self.seed}: {what}{took}"

    _repr_pretty_ = shown_as_printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two plans, or two runs, measured in pairs. `difference` is a gain: positive is better."""

    before: str
    after: str
    metric: str
    before_score: Estimate
    after_score: Estimate
    difference: Estimate
    verdict: str
    p_value: float | None = None
    time_ratio: float | None = None
    size_ratio: float | None = None
    pairs: tuple[tuple[float, float], ...] = ()
    note: str = ""

    def __str__(self) -> str:
        cost = "" if self.time_ratio is None else f", training time ×{self.time_ratio:.2f}"
        size = "" if self.size_ratio is None else f", size ×{self.size_ratio:.2f}"
        return (
            f"{self.verdict}: {self.metric} {self.before_score.value:.4g} -> {self.after_score.value:.4g}, "
            f"gain {self.difference}{cost}{size}"
        )

    _repr_pretty_ = shown_as_printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one technique does, at the recommended recipe and at the baseline.

    `word` is `helps`, `hurts`, `unclear` or `part of a bundle that helps`. `factor` is what the technique is a level
    of, such as normalization; `contrast` the ordinary average over the design, with its q-value after false-discovery
    control and `contrast_se`, its standard error, in the same unit.
    """

    technique: str
    at_recipe: Estimate | None
    at_baseline: Estimate | None
    p_helps: float | None
    time_ratio: float | None
    size_ratio: float | None
    word: str
    in_recipe: bool = False
    flags: tuple[str, ...] = ()
    contrast: Estimate | None = None
    q_value: float | None = None
    factor: str = ""
    contrast_se: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionStep:
    """One rung of the compression ladder; `metric` is the paired gain against its reference."""

    step: str
    metric: Estimate | None
    score: float | None
    latency_ms: Estimate | None
    bytes: int | None
    accepted: bool
    reason: str
    parameters: int | None = None
    operations: int | None = None
    latency_ratio: float | None = None
    file: str = ""
    lower_bound: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The last word.

    Attributes:
        case: `no_gain`, `still_poor` or `good`.
        text: In plain words.
        next: Commands, the most valuable first.
        evidence: What decided the case, then the findings that matter most.
        actions: For each command of `next` its reason, gain, chance, minutes and value.
        simple: What ships against simple models: name, score, gain over it, rows they saw, and a word.
    """

    case: str
    text: str
    next: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    actions: tuple[dict[str, Any], ...] = ()
    simple: tuple[dict[str, Any], ...] = ()


def to_json(value: Any) -> Any:
    """Return `value` as plain JSON types. Numbers that are not finite become None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # numpy scalars and arrays, without importing numpy
        return to_json(value.tolist())
    raise TypeError(f"cannot write a {type(value).__name__} to JSON")


def from_json(kind: type[T], value: Any) -> T:
    """Rebuild a record of type `kind` from what `to_json` gave."""
    return typing.cast(T, _restore(kind, value))


def dumps(value: Any) -> str:
    """Return strict, indented JSON of `value`."""
    return json.dumps(to_json(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _restore(kind: Any, value: Any) -> Any:
    if value is None:
        return math.nan if kind is float else None
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{k: _restore(hints[k], v) for k, v in value.items() if k in hints})
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _restore(next(a for a in args if a is not type(None)), value)
    if origin is tuple:
        inner = args[0] if len(args) == 2 and args[1] is Ellipsis else None
        return tuple(_restore(inner or part, item) for part, item in zip(args * len(value), value, strict=False))
    if origin is dict:
        return {key: _restore(args[1], item) for key, item in value.items()}
    return float(value) if kind is float else value
