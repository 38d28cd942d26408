"""Which int8 candidate is taken: the closest, or a much faster one that is good enough."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish.compression.candidates import Candidate, chosen
from burnish.errors import NotApplicable

WIDTH = 512
ROWS = np.ones((4, WIDTH), np.float32)


def content(products):
    """A model that multiplies its input so many times with a matrix."""
    matrix = numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "matrix")
    names = ["input", *(f"x{i}" for i in range(products)), "output"]
    nodes = [helper.make_node("MatMul", [names[i], "matrix"], [names[i + 1]]) for i in range(products)]
    nodes.append(helper.make_node("Identity", [names[products]], ["output"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("input", "output")]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], [matrix])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=onnx.IR_VERSION_2023_5_5
    ).SerializeToString()


QUICK, SLOW = content(1), content(60)
CLOSEST = (Candidate(kind="slow", bytes=100, relative_error=0.01, agreement=1.0), SLOW)
FAST = (Candidate(kind="fast", bytes=105, relative_error=0.03, agreement=0.9), QUICK)
FAR = (Candidate(kind="far", bytes=100, relative_error=0.5), QUICK)
LARGE = (Candidate(kind="large", bytes=200, relative_error=0.02), QUICK)
BROKEN = (Candidate(kind="broken", error="ValueError: no"), b"")
ALL = [CLOSEST, FAST, FAR, LARGE, BROKEN]


def test_a_much_faster_one_is_taken_if_it_is_good_enough():
    asked = []
    (found, shipped), known, taken = chosen(ALL, ROWS, lambda file: asked.append(file) is None)
    assert (found.kind, shipped, taken) == ("fast", QUICK, True)
    assert asked == [QUICK]
    assert [candidate.kind for candidate, _ in known] == [candidate.kind for candidate, _ in ALL]
    assert [c.kind for c, _ in known if c.milliseconds is not None] == ["slow", "fast"]


def test_else_the_closest_is():
    (found, shipped), _, taken = chosen(ALL, ROWS, lambda file: False)
    assert (found.kind, shipped, taken) == ("slow", SLOW, False)
    assert found.milliseconds > 0


def test_without_a_judge_speed_is_not_looked_at():
    best, known, taken = chosen(ALL, ROWS)
    assert (best, known, taken) == (CLOSEST, ALL, False)


def test_the_closest_of_equally_fast_ones_needs_no_judge():
    closer = (Candidate(kind="closer", bytes=100, relative_error=0.005), QUICK)
    (found, _), _, taken = chosen([FAST, closer], ROWS, lambda file: pytest.fail("asked"))
    assert (found.kind, taken) == ("closer", False)


def test_when_none_could_be_made_the_reasons_are_said():
    with pytest.raises(NotApplicable, match="broken: ValueError: no"):
        chosen([BROKEN], ROWS)
