"""Thresholds can be overridden; findings come by expected gain; dear rules keep to the budget."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest

from burnish.diagnosis import Subject, Thresholds, diagnose
from burnish.diagnosis.catalogue import MODULES, QUICK, RULES, prices
from burnish.diagnosis.rule import Rule
from burnish.errors import UsageError
from burnish.plan import Plan
from burnish.records import Cost, Finding
from burnish.techniques import catalogue

Make = Callable[..., Any]
# Techniques of the design that remedies may name once the catalogue has them.
WORDS = re.compile(r"^(?:[A-Z][a-z]+){2,}$")


def test_values_are_read_and_names_are_checked() -> None:
    found = Thresholds.parse(["degradation=0.2", "Closed-Share = 0.3"])
    assert (found.degradation, found.closed_share, found.spike) == (0.2, 0.3, Thresholds().spike)
    assert Thresholds.parse({"spike": 3}).spike == 3.0
    assert Thresholds.parse(None) == Thresholds()
    assert Thresholds.parse(found) is found
    for wrong, message in (
        (["degradatoin=0.2"], "did you mean 'degradation'"),
        (["degradation"], "NAME=VALUE"),
        (["degradation=much"], "finite number"),
        ({"spike": float("nan")}, "finite number"),
    ):
        with pytest.raises(UsageError, match=message):
            Thresholds.parse(wrong)


def test_a_threshold_changes_what_fires(make_data: Make, make_run: Make) -> None:
    data, runs = make_data(), (make_run(0.8, 0.84),)
    states = [
        {f.rule: f for f in diagnose(Subject(data, runs=runs, thresholds=limits), rules={"R6": RULES["R6"]})}["R6"]
        for limits in (Thresholds(), Thresholds(degradation=0.03, standard_errors=0.5))
    ]
    assert [f.state for f in states] == ["clear", "fires"]
    assert states[1].threshold == 0.03


def test_every_threshold_is_used() -> None:
    import inspect

    sources = "".join(inspect.getsource(module) for module in MODULES)
    unused = [f.name for f in dataclasses.fields(Thresholds) if f".{f.name}" not in sources]
    assert unused == []


def test_all_rules_of_the_reference_are_there() -> None:
    assert {f"R{i}" for i in range(1, 25)} <= set(RULES)
    assert len({module.RULE.id for module in MODULES}) == len(MODULES)
    assert set(QUICK) <= set(RULES)
    assert {"R2", "R8", "R11", "R18", "R20", "R21"}.isdisjoint(QUICK)  # they train, fit or need what is trained


def test_remedies_name_techniques_that_exist() -> None:
    known = {entry["name"] for entry in catalogue()}
    lists = [value for m in MODULES for value in vars(m).values() if isinstance(value, tuple)]
    named = {r for remedies in [*(m.RULE.remedies for m in MODULES), *lists] for r in remedies if isinstance(r, str)}
    assert {name for name in named if WORDS.match(name)} <= known
    assert {"Augment", "Mixup", "Schedule", "Activation"} <= named & known


def test_findings_come_by_expected_gain(make_data: Make) -> None:
    def firing(name: str, headroom: float, chance: float) -> Callable[[Subject], Finding]:
        rule = Rule(id=name, title=name, source="here", chance=chance, remedies=("this",))
        return lambda subject: rule.fires(1.0, 0.5, "told.", lost=(headroom, "of the error"))

    rules = {"small": firing("small", 0.9, 0.05), "large": firing("large", 0.2, 0.5), "none": firing("none", 0.0, 1.0)}
    found = diagnose(Subject(make_data()), rules=rules)
    assert [f.rule for f in found] == ["large", "small", "none"]
    assert found[0].gain == pytest.approx(0.1)
    assert found[0].gain_basis == "0.2 of the error x 0.5"


def test_headroom_is_a_share(make_data: Make) -> None:
    rule = Rule(id="X", title="x", source="here", chance=0.5)
    assert rule.fires(1.0, 0.5, "told.", lost=(7.0, "much")).gain == 0.5
    assert rule.fires(1.0, 0.5, "told.", lost=(-1.0, "nothing")).gain == 0.0
    assert rule.clear(1.0, 0.5, "told.").gain is None


def test_dear_rules_keep_to_the_budget(make_data: Make, make_run: Make) -> None:
    data = make_data()
    plan = Plan(model="mlp", data=data, epochs=2)
    run = make_run(0.8, 0.8, cost=Cost(parameters=1, bytes=4, train_seconds=100.0))
    subject = Subject(data, plan=plan, runs=(run,))
    rules = {name: RULES[name] for name in ("R8", "R9")}
    assert prices(subject)["R8"] == 8
    for limits in ({"runs": 0.5}, {"seconds": 50.0}, {"runs": 0.5, "at_least": 50.0}):
        found = {f.rule: f for f in diagnose(subject, rules=rules, **limits)}
        assert found["R8"].detail == {"skipped": True, "price_runs": 8.0}
        assert "8 trainings" in found["R8"].evidence
        assert found["R9"].state == "clear"
