"""What ships: the smallest accepted file that is not noticeably slower."""

import pytest

from burnish.pipeline.stages.compress import choose_smallest
from burnish.records import CompressionStep, Estimate


def step(
    name: str, size: int, *, ms: float = 0.01, ratio: float | None = 1.0, accepted: bool = True
) -> CompressionStep:
    return CompressionStep(
        step=name,
        metric=None,
        score=0.9,
        latency_ms=Estimate(value=ms, unit="ms"),
        bytes=size,
        accepted=accepted,
        reason="",
        latency_ratio=ratio,
    )


FLOAT = step("float", 100, ratio=None)


def test_the_fewest_bytes_among_the_accepted() -> None:
    steps = [FLOAT, step("pruned", 60), step("int8", 30), step("pruned int8", 10, accepted=False)]
    assert choose_smallest(steps).step == "int8"


@pytest.mark.parametrize("ratio", [1.2, 1.24, 1.26, 1.46, 3.0])
def test_microseconds_do_not_decide(ratio) -> None:
    assert choose_smallest([FLOAT, step("int8", 30, ms=0.017, ratio=ratio)]).step == "int8"


def test_what_is_noticeably_slower_is_no_gain() -> None:
    assert choose_smallest([FLOAT, step("int8", 30, ms=3.0, ratio=1.5)]).step == "float"
    assert choose_smallest([FLOAT, step("int8", 30, ms=3.0, ratio=1.2)]).step == "int8"


def test_without_an_accepted_step_the_float_model_ships() -> None:
    assert choose_smallest([step("float", 100, accepted=False), step("int8", 30, accepted=False)]).step == "float"
