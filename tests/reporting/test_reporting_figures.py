import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.reporting.figures import Line, Mark, Point, bar, confusion_map, line_panel, scatter, track, track_axis
from burnish.reporting.figures.scatter import LETTER
from burnish.reporting.figures.svg import Axis, tag, tick_text

finite = st.floats(-1e6, 1e6, allow_nan=False)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(finite, min_size=1, max_size=20), st.booleans())
def test_axis_holds_its_values_in_order(values, positive):
    values = [abs(v) + 1e-6 for v in values] if positive else values
    axis = Axis.over(values, start=10, end=210, log=positive)
    places = [axis(v) for v in sorted(values)]
    assert places == sorted(places)
    assert all(9.99 <= p <= 210.01 for p in places)
    ticks = axis.ticks()
    assert ticks == sorted(ticks)
    assert len(ticks) <= 12
    assert all(math.isfinite(t) for t in ticks)
    labels = [tick_text(t, ticks) for t in ticks] if not positive else []
    assert len(set(labels)) == len(labels)


def test_ticks_are_round():
    assert Axis(low=-0.031, high=0.033, start=0, end=1).ticks(5) == [-0.02, 0.0, 0.02]
    assert Axis(low=0.9, high=1100, start=0, end=1, log=True).ticks(4) == [1.0, 10.0, 100.0, 1000.0]
    ticks = [0.95, 0.975, 1.0]
    assert [tick_text(t, ticks, factor=100) for t in ticks] == ["95.0", "97.5", "100.0"]
    assert tick_text(0.02, [0.0, 0.02], factor=100, signed=True) == "+2"


def test_elements_escape_text_and_attributes():
    drawn = str(tag("text", "<script>", title='"><b>'))
    assert "<script>" not in drawn
    assert ET.fromstring(drawn).attrib["title"] == '"><b>'


def circles(svg):
    return ET.fromstring(str(svg)).iter("circle")


def test_track_places_marks_by_value():
    axis = track_axis([-0.02, 0.03], include=(0.0,))
    svg = track(axis, [Mark(value=v, low=v - 0.005, high=v + 0.005, title=f"{v}") for v in (-0.01, 0.0, 0.02)])
    found = [float(c.attrib["cx"]) for c in circles(svg)]
    assert found == sorted(found)
    zero = next(e for e in ET.fromstring(str(svg)).iter("line") if e.attrib["class"] == "zero")
    assert float(zero.attrib["x1"]) == found[1]


def test_one_collapse_does_not_flatten_the_others():
    axis = track_axis([0.01, 0.02, -0.01, 0.015, -0.8, -0.9, 0.01], include=(0.0,))
    assert axis.low > -0.2
    svg = track(axis, [Mark(value=-0.85, low=-0.9, high=-0.8)])
    assert "◂" in svg
    assert not list(circles(svg))


def test_axes_of_scores_are_not_cut():
    assert track_axis([0.1, 0.95, 0.96, 0.97]).low < 0.1


def test_curves_are_logarithmic_only_where_that_helps():
    steep = Line(name="a", points=tuple((e, 2.0**-e) for e in range(1, 12)), style="c-after")
    flat = Line(name="b", points=((1, 1.0), (2, 0.8)), style="c-before")
    assert "logarithmic" in line_panel([steep], y_name="loss", log=True)
    assert "logarithmic" not in line_panel([flat], y_name="loss", log=True)
    assert "nan" not in line_panel([Line(name="c", points=((1, math.nan), (2, 1.0)), style="")], y_name="loss")


def test_settled_axis_shows_late_differences():
    rising = Line(name="a", points=tuple((float(e), 1 - 0.9**e) for e in range(1, 101)), style="c-after")
    drawn = str(line_panel([rising], y_name="score", settled=True))
    shown = re.search(r'points="([^"]*)"', drawn)[1].split()
    assert 80 <= len(shown) < 90


def point(name, x, y, **more):
    return Point(name=name, x=x, y=y, **more)


@pytest.mark.parametrize("better", [True, False])
def test_frontier_joins_the_accepted_that_are_not_beaten(better):
    sign = 1 if better else -1
    points = [point("a", 1, sign * 1), point("b", 2, sign * 3), point("worse", 3, sign * 2), point("c", 4, sign * 4)]
    points.append(point("rejected", 0.5, sign * 9, accepted=False))
    svg = str(scatter(points, x_name="x", y_name="y", x_text=str, greater_is_better=better))
    line = ET.fromstring(svg).find("polyline").attrib["points"].split()
    assert len(line) == 3


def test_labels_do_not_overlap():
    points = [point(f"model number {i}", 1 + 0.01 * i, 0.9 + 0.001 * i) for i in range(12)]
    root = ET.fromstring(str(scatter(points, x_name="x", y_name="y", x_text=str, limit=1.05)))
    boxes = [
        (float(t.attrib["x"]), float(t.attrib["y"]), LETTER * len(t.text))
        for t in root.iter("text")
        if t.attrib["class"] == "label"
    ]
    assert boxes
    for (x1, y1, w1), (x2, y2, w2) in itertools.combinations(boxes, 2):
        assert abs(y1 - y2) >= 11.9 or x1 + w1 <= x2 or x2 + w2 <= x1
    assert "required ≤ 1.05" in "".join(root.itertext())


def test_confusion_tells_every_cell():
    names = ["cat", "<dog>", "a very long class name indeed"]
    root = ET.fromstring(str(confusion_map([[5, 1, 0], [2, 7, 0], [0, 0, 0]], names, title="t")))
    titles = [t.text for t in root.iter("title")]
    assert "true <dog>, predicted cat: 2 of 9" in titles
    rects = list(root.iter("rect"))
    wrong = {float(r.attrib["fill-opacity"]) for r in rects if r.attrib["class"] == "wrong"}
    assert max(wrong) == 0.8
    assert min(wrong) == 0
    assert len(rects) == 9


def test_bar_stays_inside():
    for share in (-1.0, 0.0, 0.5, 1.0, 7.0):
        width = float(ET.fromstring(str(bar(share, width=100))).find("g/rect").attrib["width"])
        assert 1 <= width <= 100
