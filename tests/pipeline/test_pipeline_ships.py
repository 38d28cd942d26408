"""What ships without a wish: smaller, and not clearly slower."""

import pytest

from burnish.compression.frontier import ships
from burnish.records import CompressionStep, Estimate, to_json


def step(name: str, size: int, ratio: float = 1.0, *, noise: float = 0.02, accepted: bool = True) -> CompressionStep:
    speed = Estimate(value=ratio, low=ratio - noise, high=ratio + noise, unit="ratio")
    return CompressionStep(
        step=name,
        metric=None,
        score=0.9,
        latency_ms=Estimate(value=0.01 * ratio, unit="ms"),
        bytes=size,
        accepted=accepted,
        reason="",
        latency_ratio=ratio,
        detail={"latency_ratio": to_json(speed)},
    )


FLOAT = step("float", 100, noise=0.0)


def test_the_fewest_bytes_among_what_is_as_fast() -> None:
    steps = [FLOAT, step("pruned", 60, 0.97), step("int8", 30, 1.03), step("pruned int8", 10, accepted=False)]
    assert ships(steps) == (steps[2], "")


@pytest.mark.parametrize("ratio", [1.2, 1.51, 3.0])
def test_what_is_clearly_slower_does_not_ship(ratio) -> None:
    steps = [FLOAT, step("pruned", 60, 0.97), step("int8", 30, ratio)]
    chosen, note = ships(steps)
    assert chosen.step == "pruned"
    assert "int8 is smaller (30 bytes), but slower" in note
    assert f"{ratio:.2f} times" in note
    assert '--require "bytes<=30"' in note


def test_a_ratio_that_is_not_known_well_enough_leaves_the_choice_to_bytes() -> None:
    assert ships([FLOAT, step("int8", 30, 1.3, noise=0.25)])[0].step == "int8"


def test_much_faster_is_worth_some_bytes_and_no_more() -> None:
    small = step("pruned int8", 30, 1.0)
    assert ships([FLOAT, step("pruned", 36, 0.5), small])[0].step == "pruned"
    assert ships([FLOAT, step("pruned", 90, 0.5), small])[0].step == "pruned int8"
    assert ships([FLOAT, step("pruned", 31, 0.95), small])[0].step == "pruned int8"


def test_the_order_of_the_steps_does_not_matter() -> None:
    steps = [step("a", 30, 1.0), step("b", 40, 0.6), step("c", 60, 0.5), step("d", 20, 1.4)]
    assert {ships([FLOAT, *order])[0].step for order in (steps, steps[::-1], steps[2:] + steps[:2])} == {"b"}


def test_without_an_accepted_step_the_float_model_ships() -> None:
    assert ships([FLOAT, step("int8", 30, accepted=False)]) == (FLOAT, "")
