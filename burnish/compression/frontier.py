"""What is left to choose from after compression: no other step is better at everything; and the choice itself."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.errors import RequirementNotMet, UsageError
from burnish.records import CompressionStep

__all__ = ["Requirement", "choose", "frontier", "parse_requirements", "ships"]

COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
SAME_SIZE = 1.01  # times as large, up to which two files hold the same shape: tables of numbers differ in length
NOTICED = 1.1  # times apart from which on two latencies differ: less is noise from one measuring process to the next
QUANTITIES = ("latency_ms", "bytes", "parameters", "operations", "score")
PATTERN = re.compile(r"^(\w+)\s*(<=|>=|<|>)\s*([0-9][0-9_]*\.?[0-9]*(?:[eE][-+]?[0-9]+)?)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """`quantity sign limit`, such as `latency_ms <= 2`."""

    quantity: str
    sign: str
    limit: float

    def met(self, step: CompressionStep) -> bool:
        """Whether `step` has the quantity and it is within the limit."""
        return self.excess(step) == 0

    def excess(self, step: CompressionStep) -> float:
        """By which share of the limit `step` misses it; 0 when it is met."""
        return self.excess_of(_quantity(step, self.quantity))

    def excess_of(self, value: float | None) -> float:
        """By which share of the limit `value` misses it; 0 when it is met, infinite for what was not measured."""
        if value is None:
            return float("inf")
        if COMPARE[self.sign](value, self.limit):
            return 0.0
        return max(abs(value - self.limit) / max(abs(self.limit), 1e-12), 1e-12)  # `<` is missed at the limit itself

    def __str__(self) -> str:
        return f"{self.quantity}{self.sign}{self.limit:.12g}"


def parse_requirements(text: str | None) -> tuple[Requirement, ...]:
    """Requirements separated by commas; none for an empty text.

    Raises:
        UsageError: a part is not `quantity<=number`.

    Example:
        >>> [str(r) for r in parse_requirements("latency_ms<=2, bytes<=500_000")]
        ['latency_ms<=2', 'bytes<=500000']
    """
    found = []
    for part in filter(None, (part.strip() for part in (text or "").split(","))):
        match = PATTERN.match(part)
        if not match or match[1] not in QUANTITIES:
            raise UsageError(
                f"cannot read the requirement {part!r}; expected a quantity ({', '.join(QUANTITIES)}), one of "
                f"{' '.join(COMPARE)} and a number, such as 'latency_ms<=2, bytes<=500_000'"
            )
        found.append(Requirement(quantity=match[1], sign=match[2], limit=float(match[3])))
    return tuple(found)


def frontier(steps: Sequence[CompressionStep], *, greater_is_better: bool = True) -> list[dict[str, Any]]:
    """Each step with whether it is on the frontier of score, latency and size.

    A step is off the frontier when another is at least as good at all three and better at one. Quantities that
    were not measured for every step do not count.
    """
    points = [_point(step, greater_is_better) for step in steps]
    measured = [axis for axis in range(3) if all(point[axis] is not None for point in points)]
    known = [tuple(point[axis] for axis in measured) for point in points]
    return [
        {
            "step": step.step,
            "score": step.score,
            "latency_ms": _quantity(step, "latency_ms"),
            "bytes": step.bytes,
            "accepted": step.accepted,
            "on_frontier": not any(_dominates(other, mine) for other in known),
        }
        for step, mine in zip(steps, known, strict=True)
    ]


def choose(steps: Sequence[CompressionStep], requirements: Sequence[Requirement] = ()) -> CompressionStep:
    """The fastest accepted step that meets all requirements; the smallest of those whose times cannot be told apart.

    Of networks cut to one shape, which are equally fast and large but for noise, the best on validation.

    Raises:
        RequirementNotMet: none does; the message names the nearest accepted step and what it misses.
        UsageError: there is no accepted step.
    """
    accepted = [step for step in steps if step.accepted]
    if not accepted:
        raise UsageError("no step was accepted, not even the uncompressed model; pass the reference as first step")
    fitting = [step for step in accepted if all(requirement.met(step) for requirement in requirements)]
    if fitting:
        fastest = min(fitting, key=_cost)
        level = (step for step in fitting if _overlaps(step, fastest))
        smallest = min(level, key=lambda step: (step.bytes or 0, _cost(step)))
        return max(
            (step for step in fitting if _alike(step, smallest)), key=lambda step: (_gain(step), step is smallest)
        )
    nearest = min(accepted, key=lambda step: (sum(r.excess(step) for r in requirements), _cost(step)))
    missed = ", ".join(f"{r} (it has {_shown(nearest, r.quantity)})" for r in requirements if not r.met(nearest))
    raise RequirementNotMet(
        f"no accepted model meets {', '.join(map(str, requirements))}; the nearest, {nearest.step!r}, misses {missed}. "
        "Allow a larger --max-drop, relax the requirement, or start from a smaller network"
    )


def ships(steps: Sequence[CompressionStep]) -> tuple[CompressionStep, str]:
    """What ships when nothing was asked for, with a word on a smaller file that was passed over for its latency.

    Smaller and faster: a step that is clearly slower than the first does not ship, however small it is. Among the
    others one is better where the product of bytes and latency is less; latencies that are not clearly apart count as
    equal, so that bytes decide, which are the same in every sitting. Clearly means that the paired intervals are
    apart by more than a tenth.

    Args:
        steps: The reference first; latencies from one interleaved measurement.

    Example:
        >>> from burnish.records import Estimate
        >>> def step(name, size, ratio):
        ...     found = {"latency_ratio": {"value": ratio, "low": ratio, "high": ratio}}
        ...     return CompressionStep(step=name, metric=None, score=0.9, latency_ms=Estimate(value=ratio), bytes=size,
        ...                            accepted=True, reason="", latency_ratio=ratio, detail=found)
        >>> steps = [step("float", 100, 1.0), step("pruned", 60, 0.7), step("int8", 30, 1.5)]
        >>> ships(steps)[0].step
        'pruned'
    """
    usable = [step for step in steps if step.accepted and _against(step)[0] <= NOTICED] or list(steps[:1])
    best, *larger = sorted(usable, key=lambda step: step.bytes or 0)
    for step in larger:
        times = _against(best)[0] / max(_against(step)[1], 1e-12)
        if times > NOTICED and times > (step.bytes or 0) / max(best.bytes or 0, 1):
            best = step
    return best, _passed_over(steps, best)


def _passed_over(steps: Sequence[CompressionStep], best: CompressionStep) -> str:
    """A word on the smallest accepted step, where it is not the one that ships."""
    accepted = [step for step in steps if step.accepted and step.bytes is not None]
    smallest = min(accepted, key=lambda step: step.bytes or 0, default=best)
    if (smallest.bytes or 0) >= (best.bytes or 0) or smallest.latency_ratio is None:
        return ""
    return (
        f"{smallest.step} is smaller ({smallest.bytes:,} bytes), but slower: {smallest.latency_ratio:.2f} times the "
        f'uncompressed model\'s time; --require "bytes<={smallest.bytes}" takes it'
    )


def _against(step: CompressionStep) -> tuple[float, float]:
    """Interval of the time relative to the reference, paired by rounds; 1 for what was not measured."""
    value = 1.0 if step.latency_ratio is None else step.latency_ratio
    found = step.detail.get("latency_ratio")
    if not isinstance(found, Mapping):  # of a step that was not stored yet
        found = {side: getattr(found, side, None) for side in ("low", "high")}
    low, high = found.get("low"), found.get("high")
    return (value if low is None else low), (value if high is None else high)


def _alike(step: CompressionStep, other: CompressionStep) -> bool:
    """Whether two steps have one shape, to judge by size and time."""
    sizes = (step.bytes or 0) <= SAME_SIZE * (other.bytes or 0)
    return step is other or (sizes and _cost(step)[0] <= NOTICED * _cost(other)[0] < math.inf)


def _gain(step: CompressionStep) -> float:
    """Against the reference, which itself has none."""
    return step.metric.value if step.metric else 0.0


def _overlaps(step: CompressionStep, fastest: CompressionStep) -> bool:
    """Whether the times of two steps cannot be told apart: paired by rounds, as a busy machine slows both alike."""
    if step.latency_ratio is None or fastest.latency_ratio is None:
        return step is fastest
    return step is fastest or _against(step)[0] <= _against(fastest)[1]


def _quantity(step: CompressionStep, name: str) -> float | None:
    if name == "latency_ms":
        return step.latency_ms.value if step.latency_ms else None
    return getattr(step, name)


def _shown(step: CompressionStep, name: str) -> str:
    value = _quantity(step, name)
    return "not measured" if value is None else f"{value:.6g}"


def _cost(step: CompressionStep) -> tuple[float, float]:
    latency = _quantity(step, "latency_ms")
    return (float("inf") if latency is None else latency, float("inf") if step.bytes is None else step.bytes)


def _point(step: CompressionStep, greater_is_better: bool) -> tuple[float | None, float | None, float | None]:
    """All three turned so that smaller is better."""
    score = None if step.score is None else (-step.score if greater_is_better else step.score)
    return score, _quantity(step, "latency_ms"), step.bytes


def _dominates(other: tuple[Any, ...], mine: tuple[Any, ...]) -> bool:
    return all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine
