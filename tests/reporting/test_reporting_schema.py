import copy
import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
import reporting_ledgers as ledgers

from burnish.records import CompressionStep, Effect, Estimate, Finding
from burnish.reporting.build import SECTIONS

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(scope="module")
def report():
    return ledgers.report("classification")


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SECTIONS) <= set(SCHEMA["required"])


@pytest.mark.parametrize("kind", ledgers.KINDS)
def test_reports_follow_the_schema(kind):
    report = ledgers.report(kind)
    assert [f"{list(e.absolute_path)}: {e.message}" for e in VALIDATOR.iter_errors(report)] == []


@pytest.mark.parametrize("name", SECTIONS)
def test_each_section_may_be_skipped_but_not_absent_or_null(name, report):
    changed = copy.deepcopy(report)
    changed[name] = {"skipped": "not asked for"}
    assert VALIDATOR.is_valid(changed)
    changed[name] = {"skipped": ""}
    assert not VALIDATOR.is_valid(changed)
    changed[name] = None
    assert not VALIDATOR.is_valid(changed)
    del changed[name]
    assert not VALIDATOR.is_valid(changed)


@pytest.mark.parametrize(
    ("name", "record"),
    [("estimate", Estimate), ("finding", Finding), ("effect", Effect), ("step", CompressionStep)],
)
def test_schema_has_the_fields_of_the_records(name, record):
    fields = {f.name for f in dataclasses.fields(record)}
    definition = SCHEMA["$defs"][name]
    assert fields == set(definition["properties"]) == set(definition["required"])
    assert definition["additionalProperties"] is False


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "burnish-report/2"),
        (("confirmation", "verdict"), "PROBABLY"),
        (("confirmation", "difference", "of"), "epochs"),
        (("confirmation", "difference", "value"), "2.1"),
        (("screening", "effects", 0, "word"), "great"),
        (("screening", "effects", 0, "p_helps"), 1.2),
        (("diagnosis", 0, "state"), "maybe"),
        (("diagnosis", 0, "measured"), "much"),
        (("compression", 0, "accepted"), None),
        (("test", "openings"), 0),
        (("runs", 0, "status"), "ok"),
        (("verdict", "case"), "nice"),
    ],
)
def test_wrong_values_are_refused(path, value, report):
    changed = copy.deepcopy(report)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert not VALIDATOR.is_valid(changed)


def test_an_estimate_without_n_is_refused(report):
    changed = copy.deepcopy(report)
    del changed["confirmation"]["difference"]["n"]
    assert not VALIDATOR.is_valid(changed)
