"""The whole diagnosis: order, cost, robustness, and every rule's papers in order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from burnish.diagnosis import RULES, Subject, by_gain, diagnose
from burnish.diagnosis.catalogue import MODULES
from burnish.diagnosis.rule import Rule
from burnish.plan import Plan
from burnish.records import Finding, from_json, to_json

Make = Callable[..., Any]
MODALITIES = {"image": "cnn", "text": "textcnn", "table": "mlp", "series": "cnn1d"}


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_every_rule_can_look_at_every_modality(make_data: Make, make_run: Make, modality: str, kind: str) -> None:
    data = make_data(modality, kind)
    primary = data.task.primary.name
    plan = Plan(model=MODALITIES[modality], data=data)
    outputs = np.random.default_rng(0).normal(size=(200, data.task.outputs))
    lines = tuple(
        {"epoch": e, "loss": 1 / (e + 1), "train_loss": 1 / (e + 1), primary: 0.5 + e / 100} for e in range(10)
    )
    subject = Subject(
        data,
        plan=plan,
        model=plan.build(0),
        runs=tuple(make_run(0.5 + i / 100, 0.6, primary, curves=lines) for i in range(4)),
        predictions=outputs,
        tuned=({"lr": 1e-3, "score": 0.5, "best_epoch": 9}, {"lr": 1e-2, "score": 0.6, "best_epoch": 9}),
    )
    findings = diagnose(subject, quick=True)
    assert not [f for f in findings if "check failed" in f.evidence]
    order = [("fires", "clear", "cannot tell").index(f.state) for f in findings]
    assert order == sorted(order)
    for finding in findings:
        assert finding.source
        assert finding.evidence.endswith(".")
        assert finding.cost_seconds >= 0
        assert bool(finding.remedies) == (finding.state == "fires")
        assert from_json(Finding, to_json(finding)).rule == finding.rule


def test_data_alone_is_enough_to_start(make_data: Make) -> None:
    findings = diagnose(Subject(make_data()))
    assert {f.rule for f in findings if f.state == "fires"} == set()
    clear = {f.rule for f in findings if f.state == "clear"}
    assert {"R3", "R9", "R11", "R23", "D1", "D2", "D4", "P10", "P11"} <= clear
    assert len(findings) == len(RULES)


def test_a_rule_that_fails_does_not_end_the_diagnosis(make_data: Make) -> None:
    def broken(subject: Subject) -> Finding:
        raise RuntimeError("planted")

    findings = diagnose(Subject(make_data()), rules={"RX": broken, "R3": RULES["R3"]})
    assert [(f.rule, f.state) for f in findings] == [("R3", "clear"), ("RX", "cannot tell")]
    assert "planted" in findings[1].evidence


def fired(name: str, gain: float, *causes: str) -> Finding:
    rule = Rule(id=name, title="odd", source="none", chance=1.0, symptom_of=causes)
    return rule.fires(1.0, 0.0, "It is so.", lost=(gain, "of the error"))


def test_a_symptom_stands_behind_its_causes_and_names_them() -> None:
    found = [fired("A", 0.5, "C", "D", "E"), fired("B", 0.4), fired("C", 0.2, "D"), fired("D", 0.1)]
    placed = by_gain(found)
    assert [f.rule for f in placed] == ["B", "D", "C", "A"]
    assert [f.detail.get("follows") for f in placed] == [None, None, ["D"], ["C", "D"]]
    assert by_gain(placed) == placed
    assert [f.rule for f in by_gain(found[:2])] == ["A", "B"]  # nothing that fires explains it


def test_what_promises_next_to_nothing_explains_nothing() -> None:
    assert [f.rule for f in by_gain([fired("A", 0.5, "B"), fired("B", 0.04)])] == ["A", "B"]


def test_rules_of_ones_own_may_name_one_another() -> None:
    assert {f.rule for f in by_gain([fired("A", 0.5, "B"), fired("B", 0.4, "A")])} == {"A", "B"}


def test_no_rule_is_the_reason_for_itself() -> None:
    causes = {module.RULE.id: set(module.RULE.symptom_of) for module in MODULES}
    assert set().union(*causes.values()) <= {*causes, "P4", "P5", "P7"}
    while causes:
        free = {name for name, reasons in causes.items() if not reasons & set(causes)}
        assert free, f"in a circle: {causes}"
        causes = {name: reasons for name, reasons in causes.items() if name not in free}
