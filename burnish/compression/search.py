"""Which compressed networks are worth training, decided before any is trained.

Latency and size do not depend on the weights. So the lightest cut that meets a requirement is found by bisection
over untrained copies, and only what fits is trained; of that, the worse half is given up after a short training.

Source: successive halving: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", AISTATS 2016, arXiv:1502.07943.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from burnish.compression.choosing import RATIOS
from burnish.compression.criteria import CRITERIA
from burnish.compression.frontier import Requirement
from burnish.errors import UsageError
from burnish.records import CompressionStep

__all__ = [
    "DEPTHS",
    "FORMS",
    "GRID",
    "SIZES",
    "Shape",
    "Trial",
    "Ways",
    "affordable",
    "deepest",
    "distinct",
    "lightest",
    "longer",
    "long_ways",
    "nearest_miss",
    "retrainable",
    "survivors",
    "trials",
]

T = TypeVar("T")
SCHEDULES = ("one-shot", "iterative", "gradual")
FORMS = ("float", "int8")
GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # shares of channels removed
DEPTHS = (0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # tried for the deepest cut that costs little
LONGEST = 4  # as many times the original's epochs
SIZES = ("latency_ms", "bytes", "parameters", "operations")  # what an untrained copy already tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An untrained copy, as the file it would ship as.

    Attributes:
        form: `float` or `int8`.
        scope: `uniform` or `global`: over which channels the least important ones are chosen.
        ratio: Share of the channels removed, 0 for the whole network.
        bytes: Size of the file.
        latency_ms: Upper end of the interval of the median at batch 1: noise must not make a shape fit.
        parameters: Number of parameters.
        operations: Multiply-accumulates for one example.
    """

    form: str
    scope: str
    ratio: float
    bytes: int | None = None
    latency_ms: float | None = None
    parameters: int | None = None
    operations: int | None = None

    def excess(self, requirements: Sequence[Requirement]) -> float:
        """By which share of their limits the requirements on size are missed, summed; 0 when all are met."""
        return sum(
            requirement.excess_of(getattr(self, requirement.quantity))
            for requirement in requirements
            if requirement.quantity in SIZES
        )

    def fits(self, requirements: Sequence[Requirement]) -> bool:
        """Whether it meets all requirements on size."""
        return self.excess(requirements) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One network to train.

    Attributes:
        kind: `prune` (cut and fine-tuned), or `scratch` (the same shape, trained from a fresh initialization).
        ratio: Share of the channels removed.
        scope: `uniform` or `global`.
        criterion: Which channels go.
        schedule: When: `one-shot`, `iterative` or `gradual`.
        teacher: Whether the original teaches, or the labels do alone. A teacher that has more to learn itself holds
            its student back.
        times: As many times the original's epochs as it is trained for, 1, 2 (`long`) or 4 (`longest`): of a light
            network several take the time of one of the original's.
    """

    kind: str = "prune"
    ratio: float
    scope: str = "uniform"
    criterion: str = "l2"
    schedule: str = "one-shot"
    teacher: bool = True
    times: int = 1

    @property
    def name(self) -> str:
        """As the ladder calls it.

        Example:
            >>> Trial(ratio=0.5).name, Trial(kind="scratch", ratio=0.5, scope="global").name
            ('pruned 50%', 'from scratch 50% global')
        """
        words = ["pruned" if self.kind == "prune" else "from scratch", f"{self.ratio:.0%}"]
        words += [self.scope] if self.scope != "uniform" else []
        if self.kind == "prune":
            words += [self.criterion] if self.criterion != "l2" else []
            words += [self.schedule] if self.schedule != "one-shot" else []
        words += [] if self.teacher else ["by labels"]
        words += {2: ["long"], LONGEST: ["longest"]}.get(self.times, [])
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How networks are pruned; what is not given is searched.

    Attributes:
        criterion: Which channels go, as for `prune`; `l2` and `taylor` are tried without.
        ratios: How many of each layer; `uniform` and `global` are tried without.
        schedule: `one-shot`; `iterative`, retrained between three cuts; or `gradual`, silenced while training.
    """

    criterion: str | None = None
    ratios: str | None = None
    schedule: str = "one-shot"

    def __post_init__(self) -> None:
        known = {"criterion": CRITERIA, "ratios": RATIOS, "schedule": SCHEDULES}
        for name, values in known.items():
            value = getattr(self, name)
            if value is not None and value not in values:
                raise UsageError(f"--{name} {value!r} is unknown; one of {', '.join(values)}")

    @property
    def scopes(self) -> tuple[str, ...]:
        """The ratios to try."""
        return (self.ratios,) if self.ratios else ("uniform", "global")

    @property
    def criteria(self) -> tuple[str, ...]:
        """The criteria to try."""
        return (self.criterion,) if self.criterion else ("l2", "taylor")

    def applied(self, trial: Trial) -> Trial:
        """`trial` in these ways where it leaves them open.

        Example:
            >>> Ways(ratios="global", schedule="gradual").applied(Trial(ratio=0.5)).name
            'pruned 50% global gradual'
        """
        schedule = self.schedule if trial.kind == "prune" else trial.schedule
        criterion = self.criterion or trial.criterion
        return replace(trial, scope=self.ratios or trial.scope, criterion=criterion, schedule=schedule)


def lightest(fits: Callable[[int], bool], count: int) -> int | None:
    """The first of `count` cuts, ordered from none to most, that fits; None when not even the last does.

    Asks about at most `log2(count) + 2` of them; what fits is taken to fit further on too.

    Example:
        >>> lightest(lambda cut: cut >= 6, 10)
        6
    """
    if fits(0):
        return 0
    if not fits(count - 1):
        return None
    low, high = 0, count - 1  # the first does not fit, the last does
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def deepest(accepted: Callable[[int], bool], count: int) -> int | None:
    """The last of `count` cuts, ordered from least to most, that is accepted; None when not even the first is.

    Asks about at most `log2(count) + 1` of them; what is accepted is taken to be accepted before it too.

    Example:
        >>> deepest(lambda cut: cut <= 4, 7)
        4
    """
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if accepted(middle) else (low, middle)
    return low if low >= 0 else None


def long_ways(ways: Ways, ratio: float, *, teacher: bool = True) -> list[Trial]:
    """Long trainings of every choice of channels.

    Example:
        >>> [trial.name for trial in long_ways(Ways(), 0.6, teacher=False)]
        ['pruned 60% by labels long', 'pruned 60% global by labels long', 'pruned 60% taylor by labels long']
    """
    usual = Trial(ratio=ratio, teacher=teacher, times=2)
    others = (usual, replace(usual, scope="global"), replace(usual, criterion="taylor"))
    return list(dict.fromkeys(map(ways.applied, others)))


def longer(trial: Trial) -> Trial | None:
    """`trial` with twice the epochs; None where that is more than is tried.

    Example:
        >>> longer(Trial(ratio=0.7, times=2)).name, longer(Trial(ratio=0.7, times=4))
        ('pruned 70% longest', None)
    """
    return replace(trial, times=2 * trial.times) if 2 * trial.times <= LONGEST else None


def distinct(shapes: Sequence[Shape]) -> list[Shape]:
    """`shapes` without those that another scope cut to the same size: then both cut the same channels."""
    first: dict[tuple[object, ...], Shape] = {}
    for shape in shapes:
        first.setdefault((shape.form, shape.parameters, shape.operations, shape.bytes), shape)
    return list(first.values())


def trials(shapes: Sequence[Shape], criteria: Sequence[str] = ("l2", "taylor")) -> list[Trial]:
    """What to train so that each of `shapes` has its best chance, most promising first.

    Every shape is pruned by the first criterion; uniform ones by the others too, taught by the labels alone, and
    trained from scratch: the same shape from a fresh initialization is often as good (Liu et al. 2019,
    arXiv:1810.05270).
    """
    cuts = list(dict.fromkeys((shape.scope, shape.ratio) for shape in shapes if shape.ratio > 0))
    found = [Trial(ratio=ratio, scope=scope, criterion=criteria[0]) for scope, ratio in cuts]
    uniform = [ratio for scope, ratio in cuts if scope == "uniform"]
    found += [Trial(ratio=ratio, criterion=criterion) for ratio in uniform for criterion in criteria[1:]]
    found += [Trial(ratio=ratio, criterion=criteria[0], teacher=False) for ratio in uniform]
    found += [Trial(kind="scratch", ratio=ratio) for ratio in uniform]
    return found


def affordable(planned: Sequence[T], price: Callable[[Sequence[T]], float], seconds: float | None) -> list[T]:
    """The longest beginning of `planned` whose price is within `seconds`, but at least its first."""
    kept = list(planned)
    while seconds is not None and len(kept) > 1 and price(kept) > seconds:
        kept.pop()
    return kept


def survivors(scored: Sequence[tuple[T, float | None]], *, least: int = 2) -> list[T]:
    """The better half, at least `least`, best first; those without a score are out. Larger scores are better.

    Example:
        >>> survivors([("a", 0.5), ("b", None), ("c", 0.9), ("d", 0.7), ("e", 0.1)])
        ['c', 'd']
    """
    ranked = sorted(((item, score) for item, score in scored if score is not None), key=lambda pair: -pair[1])
    return [item for item, _ in ranked[: max(least, (len(ranked) + 1) // 2)]]


def retrainable(steps: Sequence[CompressionStep], requirements: Sequence[Requirement] = ()) -> list[str]:
    """Float steps whose int8 form is worth retraining, best int8 first.

    Rounding is to blame where the float form was accepted and the int8 form was not; where limits are given and nothing
    accepted meets them, whatever int8 form meets the limits on size is worth a try.
    """
    by_name = {step.step: step for step in steps}
    sizes = [r for r in requirements if r.quantity in SIZES]
    met = any(step.accepted and all(r.met(step) for r in requirements) for step in steps)
    found = []
    for step in steps:
        rounded = by_name.get("int8" if step.step == "float" else f"{step.step} int8")
        if rounded is None or rounded.accepted:
            continue
        if step.accepted or (sizes and not met and all(r.met(rounded) for r in sizes)):
            found.append((rounded.lower_bound if rounded.lower_bound is not None else -float("inf"), step.step))
    return [name for _, name in sorted(found, key=lambda pair: -pair[0])]


def nearest_miss(shapes: Sequence[Shape], requirements: Sequence[Requirement]) -> Shape:
    """The shape that misses the requirements on size by the least."""
    return min(shapes, key=lambda shape: (shape.excess(requirements), shape.ratio))
