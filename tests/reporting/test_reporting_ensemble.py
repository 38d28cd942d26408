"""The ensemble in all three forms of the report."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import reporting_ledgers as ledgers

from burnish.ensembling.judging import judge
from burnish.records import to_json
from burnish.reporting.html import render_html
from burnish.reporting.markdown import render_markdown
from burnish.tasks import Classification, Regression

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))


def tables(kind):
    drawn = np.random.default_rng(0)
    if kind == "regression":
        targets = drawn.normal(size=60)
        return targets[:, None] + 0.4 * drawn.normal(size=(3, 60, 1)), targets, Regression()
    targets = drawn.integers(0, 3, 60)
    raw = np.exp(2 * np.eye(3)[targets] + drawn.normal(size=(3, 60, 3)))
    return raw / raw.sum(2, keepdims=True), targets, Classification(classes=("a", "b", "c"))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_members_gain_cost_and_spread_are_shown_and_follow_the_schema(kind):
    _, found = judge(*tables(kind), names=["A <1>", "B", "C"], method="weights")
    section = found.to_json() | {"ships": True, "size_ratio": 3.02, "left_out": ["D is left out: it has seen them"]}
    report = ledgers.report(kind) | {"ensemble": to_json(section)}
    assert not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(report))
    page, text = render_html(report), render_markdown(report)
    assert "A &lt;1&gt;" in page
    assert "<1>" not in page
    for shown in ("weights of 3", "×3.02 size", "D is left out", "Gain of having it", "ambiguity"):
        assert shown in text, shown
    assert ("within the 90% interval" in text) == (kind == "regression")
    assert ("disagreement" in text) == (kind == "classification")


def test_what_was_fitted_for_prediction_is_told():
    report = ledgers.report("classification")
    gain = to_json(ledgers.est(0.29, 0.03, 700))
    report["export"] |= {"calibration": {"temperature": 1.42, "gain": gain, "accepted": True}}
    report["export"] |= {"threshold": {"threshold": 0.31, "gain": gain, "accepted": False, "score": 0.9}}
    text = render_markdown(report)
    assert "A temperature of 1.42" in text
    assert "prediction uses the temperature" in text
    assert "A threshold of 0.31" in text
    assert "prediction does without a threshold" in text
