"""Compression step by step: a step counts only if the data show that it costs no more than was allowed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.evaluation.paired import one_sided_lower, paired_examples
from burnish.exporting.latency import Latency, ratio
from burnish.metrics import Metric
from burnish.records import CompressionStep, Estimate

__all__ = ["LEVEL", "Rung", "allowed_drop", "ladder", "promise", "smallest_resolvable_drop", "step"]

Array = np.ndarray
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Rung:
    """A model to be judged, as it is deployed.

    Attributes:
        name: Such as `float`, `int8` or `pruned 50% int8`.
        predictions: Decoded predictions of the deployed file for the judging examples.
        bytes: Size of the file.
        latency: Time of one call, measured together with the reference.
        parameters: Number of parameters.
        operations: Multiply-accumulates for one example.
        file: Name of the file.
        detail: More to be recorded.
    """

    name: str
    predictions: Array
    bytes: int | None = None
    latency: Latency | None = None
    parameters: int | None = None
    operations: int | None = None
    file: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


def ladder(
    reference: Rung, rungs: Iterable[Rung], *, metric: Metric, targets: Array, max_drop: float, seed: int = 0
) -> list[CompressionStep]:
    """All rungs judged against `reference`, which comes first and is always accepted."""
    first = _record(reference, reference, metric, targets, {})
    steps = [step(rung, reference, metric=metric, targets=targets, max_drop=max_drop, seed=seed) for rung in rungs]
    return [CompressionStep(**first, metric=None, accepted=True, reason="the uncompressed model"), *steps]


def step(
    rung: Rung, reference: Rung, *, metric: Metric, targets: Array, max_drop: float, seed: int = 0
) -> CompressionStep:
    """Judge one rung on the same examples as its reference.

    It is accepted when the one-sided 95 % lower bound of the paired gain is above minus the allowed drop, and the
    model is smaller or faster.

    Args:
        rung: The compressed model.
        reference: The model it was made from.
        metric: What must not drop.
        targets: Stored targets of the judging examples.
        max_drop: Largest drop allowed: in units of the metric for scores, as a share of the reference's value for
            errors without a bound such as RMSE.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: `max_drop` is negative.
        UsageError: predictions and targets do not belong together, or latencies come from two measurements.
    """
    allowed = allowed_drop(metric, metric(reference.predictions, targets), max_drop)
    gain = paired_examples(metric, reference.predictions, rung.predictions, targets, level=LEVEL, seed=seed)
    lower = one_sided_lower(metric, reference.predictions, rung.predictions, targets, level=LEVEL, seed=seed)
    accepted, reason = _verdict(gain.value, lower, allowed)
    if accepted and not _pays(rung, reference):
        accepted, reason = False, "it costs no quality, but it is neither smaller nor faster"
    more = {"allowed_drop": allowed, "smallest_resolvable_drop": max(gain.value - lower, 0.0)}
    record = _record(rung, reference, metric, targets, more)
    return CompressionStep(**record, metric=gain, accepted=accepted, reason=reason, lower_bound=lower)


def allowed_drop(metric: Metric, reference_score: float, max_drop: float) -> float:
    """`max_drop` in the metric's own units: a share of the reference for errors without a bound.

    Raises:
        ValueError: `max_drop` is negative.

    Example:
        >>> from burnish.metrics import metric
        >>> allowed_drop(metric("accuracy"), 0.9, 0.01), allowed_drop(metric("rmse"), 20.0, 0.01)
        (0.01, 0.2)
    """
    if max_drop < 0:
        raise ValueError(f"max_drop must be 0 or more, got {max_drop}")
    relative = not metric.bounded and not metric.greater_is_better
    return max_drop * abs(reference_score) if relative else max_drop


def promise(gain: Estimate, allowed: float) -> str:
    """Whether what was promised on the judging examples held on others.

    Args:
        gain: Paired gain on examples that had no part in the choice.
        allowed: Largest drop allowed, in the metric's own units.

    Example:
        >>> promise(Estimate(value=0.002, low=-0.006, high=0.01, n=10_000), 0.01)
        'it costs no more than the allowed 0.01'
        >>> promise(Estimate(value=-0.015, low=-0.021, high=-0.009, n=10_000), 0.01)  # doctest: +ELLIPSIS
        'it cost more than the allowed 0.01 on these 10,000 examples, which leave open whether it does in general; ...'
    """
    if gain.value >= -allowed:
        return f"it costs no more than the allowed {allowed:.4g}"
    where = f" on these {gain.n:,} examples, which leave open whether it does in general"
    clear = gain.high is not None and gain.high < -allowed
    return (
        f"it cost more than the allowed {allowed:.4g}{'' if clear else where}; a bound on validation fails in one case "
        "of twenty, and by less with more validation examples"
    )


def smallest_resolvable_drop(
    metric: Metric, predictions: Array, targets: Array, *, disagreement: float = 0.02, seed: int = 0
) -> float:
    """The smallest allowed drop, in the metric's own units, under which a harmless step could be accepted.

    It is how far the one-sided 95 % lower bound lies below the gain for a model that differs from the reference on
    the share `disagreement` of the examples, as compressed models do: those examples exchange their predictions.

    Args:
        metric: What must not drop.
        predictions: Decoded predictions of the reference.
        targets: Stored targets.
        disagreement: Share of examples with another prediction.
        seed: Seed of the choice and of the bootstrap.
    """
    changed = np.array(predictions, copy=True)
    count = min(len(targets), max(2, round(disagreement * len(targets))))
    chosen = np.random.default_rng(seed).permutation(len(targets))[:count]
    changed[chosen] = changed[np.roll(chosen, 1)]
    gain = metric.gain(metric(predictions, targets), metric(changed, targets))
    return max(gain - one_sided_lower(metric, predictions, changed, targets, level=LEVEL, seed=seed), 0.0)


def _record(rung: Rung, reference: Rung, metric: Metric, targets: Array, more: dict[str, Any]) -> dict[str, Any]:
    """What is known of a rung whatever the verdict."""
    speed = _speed(rung, reference)
    detail = rung.detail | more | {"greater_is_better": metric.greater_is_better}
    if rung.latency:
        detail["p99_ms"] = rung.latency.p99
    if speed:
        detail["latency_ratio"] = speed
    return {
        "step": rung.name,
        "score": metric(rung.predictions, targets),
        "latency_ms": rung.latency.p50 if rung.latency else None,
        "bytes": rung.bytes,
        "parameters": rung.parameters,
        "operations": rung.operations,
        "latency_ratio": speed.value if speed else None,
        "file": rung.file,
        "detail": detail,
    }


def _speed(rung: Rung, reference: Rung) -> Estimate | None:
    """Time relative to the reference, paired by rounds: below one is faster."""
    if rung.latency is None or reference.latency is None:
        return None
    return ratio(reference.latency, rung.latency)


def _pays(rung: Rung, reference: Rung) -> bool:
    """Whether the rung is smaller, or faster beyond the noise of the measurement; true where neither is known."""
    speed = _speed(rung, reference)
    faster = speed is not None and (speed.high if speed.high is not None else speed.value) < 1
    if rung.bytes is None or reference.bytes is None:
        return faster or speed is None
    return faster or rung.bytes < reference.bytes


def _verdict(gain: float, lower: float, allowed: float) -> tuple[bool, str]:
    margin = gain - lower
    if lower > -allowed:
        return True, f"with 95 % confidence it costs less than {allowed:.4g} (gain {gain:+.4g}, at least {lower:+.4g})"
    if gain > -allowed and margin > allowed:
        return False, (
            f"these examples only resolve drops above {margin:.4g}, more than the allowed {allowed:.4g}: the gain is "
            f"{gain:+.4g}, but may be {lower:+.4g}; more validation examples or a larger allowed drop would decide"
        )
    return False, f"it may cost up to {-lower:.4g}, more than the allowed {allowed:.4g} (gain {gain:+.4g})"
