"""Figures of findings: drawn for every kind, escaped, bounded, and there for each finding that fires."""

import re
from xml.etree import ElementTree

import pytest

from burnish.reporting.figures import finding_figure, measure_figure
from burnish.reporting.figures.finding import MOST_BARS, MOST_CARDS
from burnish.reporting.sections.limits import limits
from burnish.reporting.view import View

EVIL = "<script>alert(1)</script>"
PICTURE = "data:image/png;base64,AAAA"
KINDS = [
    {"kind": "bars", "labels": [EVIL, "b"], "values": [1.0, -2.0], "unit": EVIL},
    {"kind": "bars", "labels": ["a", "b"], "values": [1e-6, 10.0], "log": True},
    {"kind": "lines", "x": [1, 10, 100], "series": {EVIL: [3.0, 2.0, None]}, "x_name": "rows", "log_x": True},
    {"kind": "pairs", "names": ["one", EVIL], "pairs": [[{"image": PICTURE, "origin": EVIL}, {"text": EVIL}]]},
    {"kind": "review", "rows": [{"text": EVIL, "label": "a", "suggested": "b", "probability": 0.9, "origin": EVIL}]},
]


@pytest.mark.parametrize("figure", KINDS, ids=[f"{i}-{f['kind']}" for i, f in enumerate(KINDS)])
def test_every_kind_is_drawn_and_nothing_in_it_is_markup(figure: dict) -> None:
    drawn = str(finding_figure(figure, title=EVIL))
    ElementTree.fromstring(drawn)  # well formed
    assert "<script>" not in drawn


def test_bars_are_as_long_as_their_values() -> None:
    drawn = str(finding_figure({"kind": "bars", "labels": ["a", "b"], "values": [1.0, 4.0]}, title="t"))
    widths = [float(w) for w in re.findall(r'<rect[^>]* width="([0-9.]+)"', drawn)]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)


def test_figures_are_bounded() -> None:
    many = {"kind": "bars", "labels": [str(i) for i in range(500)], "values": list(map(float, range(500)))}
    assert str(finding_figure(many, title="t")).count("<rect") == MOST_BARS
    rows = {"kind": "review", "rows": [{"text": "x" * 5000, "origin": "o"}] * 500}
    drawn = str(finding_figure(rows, title="t"))
    assert drawn.count("row-card") == MOST_CARDS
    assert len(drawn) < 400 * MOST_CARDS


@pytest.mark.parametrize("address", ["https://example.org/a.png", "javascript:alert(1)", "data:text/html;base64,AAAA"])
def test_only_pictures_in_the_file_itself_are_shown(address: str) -> None:
    drawn = str(finding_figure({"kind": "review", "rows": [{"image": address, "origin": "o"}]}, title="t"))
    assert address not in drawn


@pytest.mark.parametrize("figure", [{}, {"kind": "other"}, {"kind": "bars", "labels": ["a"], "values": [None]}])
def test_nothing_is_drawn_of_nothing(figure: dict) -> None:
    assert not finding_figure(figure, title="t")


def test_each_finding_that_fires_has_a_figure() -> None:
    found = {
        "rule": "R5",
        "title": "t",
        "state": "fires",
        "measured": 0.3,
        "threshold": 0.1,
        "evidence": "e",
        "gain": 0.2,
    }
    section = limits(
        View({"diagnosis": [found, {**found, "rule": "R1", "figure": KINDS[0]}, {**found, "state": "clear"}]})
    )
    row = next(block for block in section.blocks if block.kind == "row")
    assert [figure.caption for figure in row.blocks] == ["R5 t.", "R1 t."]
    assert str(measure_figure(0.3, 0.1, title="t")).count("<rect") == 2
