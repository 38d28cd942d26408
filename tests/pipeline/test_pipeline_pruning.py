"""The schedules of pruning, as training runs."""

import pytest
import torch

from burnish.compression.prune import prune
from burnish.compression.search import Trial, Ways
from burnish.data import load
from burnish.errors import UsageError
from burnish.model.build import probe_inputs
from burnish.pipeline.pruning import _cut, evidence
from burnish.plan import Plan


@pytest.fixture(scope="module")
def plan():
    return Plan(model="cnn", data=load("digits", seed=0), epochs=2)


def payload(schedule, **more):
    return {"kind": "prune", "ratio": 0.5, "epochs": 2, "seed": 0, "criterion": "l2", "scope": "uniform"} | {
        "schedule": schedule,
        **more,
    }


@pytest.mark.parametrize("schedule", ["one-shot", "iterative", "gradual"])
def test_every_schedule_ends_with_the_same_shape_and_fewer_parameters(plan, schedule):
    teacher = plan.build(0).eval()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    pruned, start, epochs = _cut(plan, teacher, payload(schedule), "cpu")
    whole = prune(teacher, probe_inputs(plan.data), 0.5)
    assert start is pruned.model
    assert pruned.verified
    assert epochs == (2 if schedule == "one-shot" else 1)
    assert pruned.parameters_after <= 1.5 * whole.parameters_after < pruned.parameters_before
    assert start(probe_inputs(plan.data)).shape == teacher(probe_inputs(plan.data)).shape
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_sensitivity_is_measured_on_training_rows(plan):
    found = evidence(plan, "l2", "sensitivity", 0)
    teacher = plan.build(0).eval()
    rows = torch.cat([x for x, _ in found["batches"]])
    assert len(rows) <= len(plan.data.train)
    assert found["score"](teacher) < 0
    assert evidence(plan, "l2", "uniform", 0) == {}
    pruned, _, _ = _cut(plan, teacher, payload("one-shot", scope="sensitivity"), "cpu")
    assert pruned.parameters_after < pruned.parameters_before


def test_ways_are_checked_and_applied():
    with pytest.raises(UsageError, match=r"--schedule 'slow'.*gradual"):
        Ways(schedule="slow")
    with pytest.raises(UsageError, match=r"--criterion"):
        Ways(criterion="l7")
    ways = Ways(criterion="bn_scale", ratios="sensitivity", schedule="iterative")
    assert ways.applied(Trial(ratio=0.25)).name == "pruned 25% sensitivity bn_scale iterative"
    assert ways.applied(Trial(kind="scratch", ratio=0.25)).schedule == "one-shot"
    assert Ways().applied(Trial(ratio=0.25, criterion="taylor")) == Trial(ratio=0.25, criterion="taylor")
