"""The whole diagnosis: order, cost, robustness, and every rule's papers in order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from burnish.diagnosis import RULES, Subject, diagnose
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
