"""What every technique does to a plan: a changed copy, and nothing else changes."""

import copy
import json
from dataclasses import fields
from itertools import permutations

import pytest
import torch
from contract_cases import CASES, HERE, NAMES, applied
from torch import nn

from burnish.errors import Conflict
from burnish.plan import Plan
from burnish.techniques import CATALOGUE


def slots(plan):
    return {f.name: getattr(plan, f.name) for f in fields(plan)}


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10),
    )  # fmt: skip


@pytest.mark.parametrize("name", HERE)
def test_the_plan_before_stays_as_it_was_and_remembers_nothing(name, plan):
    plan = CASES[name].on(plan)
    before, key = slots(plan), plan.key
    changed = plan.then(CASES[name].technique)
    assert all(getattr(plan, slot) is value for slot, value in before.items())
    assert plan.key == key
    assert plan.applied == ()
    assert changed.applied == (CASES[name].technique,)
    assert changed.techniques == (repr(CASES[name].technique),)


@pytest.mark.parametrize("name", HERE)
def test_the_key_follows_from_the_plan_and_differs_from_the_plan_before(name, plan):
    plan = CASES[name].on(plan)
    changed = plan.then(CASES[name].technique)
    assert changed.key != plan.key
    assert changed.key == plan.then(CASES[name].technique).key
    assert "0x" not in json.dumps(changed.recipe()), "an address: the key would be another one in every process"


@pytest.mark.parametrize("name", HERE)
def test_weights_handed_over_are_bit_identical_afterwards(name, plan):
    network = (CASES[name].model or small_network)()
    state = copy.deepcopy(network.state_dict())
    structure = str(network)
    changed = applied(Plan(model=network, data=plan.data), CASES[name].technique)
    if not isinstance(changed, str):
        changed.build(0)
    assert str(network) == structure
    assert network.training
    for key, value in network.state_dict().items():
        assert torch.equal(value, state[key]), key


@pytest.mark.parametrize("name", HERE)
def test_building_does_not_touch_the_global_random_state(name, plan):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    CASES[name].on(plan).then(CASES[name].technique).build(4)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", HERE)
def test_it_is_applied_once(name, plan):
    with pytest.raises(Conflict):
        CASES[name].on(plan).then(CASES[name].technique, CATALOGUE[name]())


@pytest.mark.parametrize("first", HERE)
def test_every_ordered_pair_composes_or_says_why_not(first, plan):
    pairs = [(a, b) for a, b in permutations(HERE, 2) if a == first]
    techniques = [(CASES[a].technique, CASES[b].technique) for a, b in pairs]
    outcomes = [applied(CASES[a].on(CASES[b].on(plan)), CASES[a].technique, CASES[b].technique) for a, b in pairs]
    for pair, result in zip(techniques, outcomes, strict=True):
        assert len(result) > 20 if isinstance(result, str) else result.applied == pair
    refused = sum(isinstance(result, str) for result in outcomes)
    assert refused <= 3


def test_declared_conflicts_are_refused_in_both_orders(plan):
    declared = [(name, other) for name in HERE for other in CATALOGUE[name].conflicts]
    assert ("BatchNorm", "GroupNorm") in declared or ("GroupNorm", "BatchNorm") in declared
    for a, b in declared:
        for pair in ((a, b), (b, a)):
            with pytest.raises(Conflict):
                plan.then(*(CASES[name].technique for name in pair))


@pytest.mark.parametrize("name", NAMES)
def test_other_data_are_taken_or_refused_as_declared(name, others):
    technique = CASES[name].technique
    for plan in others.values():
        declared = plan.data.modality in technique.modalities and plan.data.task.kind in technique.tasks
        result = applied(plan, technique)
        if isinstance(result, str):
            assert len(result) > 20
        else:
            assert declared, f"{name} took {plan.data.modality} {plan.data.task.kind}, which it does not declare"
            result.build(0)
