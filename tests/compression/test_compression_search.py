"""The search's decisions, apart from any network."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.compression.frontier import parse_requirements
from burnish.compression.search import (
    Shape,
    Trial,
    affordable,
    deepest,
    distinct,
    lightest,
    nearest_miss,
    retrainable,
    survivors,
    trials,
)
from burnish.records import CompressionStep

SMALL = parse_requirements("latency_ms<=2, bytes<500")


def shape(ratio: float, **changes: Any) -> Shape:
    return Shape(**{"form": "float", "scope": "uniform", "ratio": ratio, "bytes": 100, "latency_ms": 1.0, **changes})


@given(first=st.integers(0, 12), count=st.integers(1, 10))
def test_bisection_finds_what_a_scan_finds_and_asks_rarely(first: int, count: int) -> None:
    asked = []

    def fits(cut: int) -> bool:
        asked.append(cut)
        return cut >= first

    expected = next((cut for cut in range(count) if cut >= first), None)
    assert lightest(fits, count) == expected
    assert len(asked) <= 2 + count.bit_length()


@given(last=st.integers(-1, 12), count=st.integers(1, 10))
def test_the_deepest_accepted_cut_is_what_a_scan_finds(last: int, count: int) -> None:
    asked = []

    def accepted(cut: int) -> bool:
        asked.append(cut)
        return cut <= last

    assert deepest(accepted, count) == (min(last, count - 1) if last >= 0 else None)
    assert len(asked) == len(set(asked)) <= 1 + count.bit_length()


def test_a_shape_fits_when_every_limit_is_kept() -> None:
    assert shape(0.5).fits(SMALL)
    assert not shape(0.5, bytes=500).fits(SMALL)  # `<` is missed at the limit itself
    assert not shape(0.5, latency_ms=None).fits(SMALL)  # what was not measured is not known to fit
    assert shape(0.5, latency_ms=3.0).excess(SMALL) == pytest.approx(0.5)
    assert shape(0.5).fits(parse_requirements("score>=0.99"))  # no untrained copy tells that


def test_the_nearest_miss_is_named() -> None:
    far, near = shape(0.9, bytes=2000), shape(0.8, latency_ms=2.2)
    assert nearest_miss([far, near], SMALL) is near


def test_trials_of_shapes() -> None:
    shapes = [shape(0.5), shape(0.5, form="int8"), shape(0.4, scope="global"), shape(0.0)]
    assert [t.name for t in trials(shapes, ("l2", "taylor"))] == [
        "pruned 50%",
        "pruned 40% global",
        "pruned 50% taylor",
        "pruned 50% by labels",
        "from scratch 50%",
    ]
    assert trials([shape(0.0)]) == []


def test_a_short_time_keeps_the_most_promising() -> None:
    planned = [Trial(ratio=r) for r in (0.1, 0.2, 0.3)]
    assert affordable(planned, lambda some: 10.0 * len(some), 25) == planned[:2]
    assert affordable(planned, lambda some: 10.0 * len(some), 1) == planned[:1]
    assert affordable(planned, lambda some: 10.0 * len(some), None) == planned


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_halving_keeps_the_best_half(scores: list[float | None]) -> None:
    kept = survivors(list(enumerate(scores)))
    finite = [s for s in scores if s is not None]
    assert len(kept) == min(len(finite), max(2, (len(finite) + 1) // 2))
    lost = [s for i, s in enumerate(scores) if s is not None and i not in kept]
    assert all(scores[i] >= max(lost, default=0.0) for i in kept)  # type: ignore[operator]


def test_the_same_cut_by_another_scope_is_one_shape() -> None:
    first = shape(0.5, parameters=10)
    assert distinct([first, shape(0.4, scope="global", parameters=10), shape(0.5, parameters=11)]) == [
        first,
        shape(0.5, parameters=11),
    ]


def step(name: str, accepted: bool, *, size: int = 100, lower: float = -0.1) -> CompressionStep:
    return CompressionStep(
        step=name,
        metric=None,
        score=0.9,
        latency_ms=None,
        bytes=size,
        accepted=accepted,
        reason="",
        lower_bound=lower,
    )


def test_what_rounding_spoiled_is_retrained() -> None:
    steps = [step("float", True), step("int8", False, lower=-0.2), step("pruned 50%", True)]
    steps += [step("pruned 50% int8", False), step("pruned 90%", False), step("pruned 90% int8", False, size=5)]
    assert retrainable(steps) == ["pruned 50%", "float"]
    tight = parse_requirements("bytes<=10")
    assert "pruned 90%" in retrainable(steps, tight)  # nothing else is small enough
    assert "pruned 90%" not in retrainable(steps, parse_requirements("bytes<=100"))  # float already is
    assert retrainable([step("float", True), step("int8", True)]) == []
