"""Schedules, optimizers, range test, seeds."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from burnish.data import load
from burnish.errors import UsageError
from burnish.plan import Optimizer, Plan, Schedule
from burnish.training.feed import batches, steps_per_epoch
from burnish.training.optimizers import OPTIMIZERS, build_optimizer, multiplier
from burnish.training.range_test import range_test


@given(st.sampled_from(["constant", "cosine", "linear", "one_cycle"]), st.floats(0, 1), st.floats(0, 0.5))
def test_multipliers_stay_between_zero_and_one(kind: str, progress: float, warmup: float) -> None:
    assert 0 <= multiplier(Schedule(kind=kind, warmup=warmup), progress) <= 1


def test_cosine_equals_torch() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert multiplier(Schedule(kind="cosine"), step / 20) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_linear_and_warm_up_equal_torch() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-3, end_factor=1.0, total_iters=5)
    fall = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=15)
    reference = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, fall], milestones=[5])
    for step in range(20):
        expected = optimizer.param_groups[0]["lr"]
        assert multiplier(Schedule(kind="linear", warmup=0.25), step / 20) == pytest.approx(expected, abs=1.1e-3)
        optimizer.step()
        reference.step()


def test_one_cycle_equals_torch() -> None:
    steps, optimizer = 40, torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, cycle_momentum=False)
    top, last = 0.3 * steps - 1, steps - 1  # where torch, which counts from 0, puts the peak and the end
    for step in range(steps):
        progress = 0.3 * step / top if step < top else 0.3 + 0.7 * (step - top) / (last - top)
        assert multiplier(Schedule(kind="one_cycle"), progress) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_an_unknown_schedule_and_optimizer_name_the_known_ones() -> None:
    with pytest.raises(UsageError, match="cosine"):
        multiplier(Schedule(kind="zigzag"), 0.5)
    with pytest.raises(UsageError, match="adamw"):
        build_optimizer(Optimizer(name="adamax9"), nn.Linear(1, 1))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_a_simple_loss(name: str) -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(3, 1), torch.randn(32, 3)
    optimizer = build_optimizer(Optimizer(name=name, lr=0.02), model)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        loss.backward()
        return loss

    first = float(closure().detach())
    for _ in range(100):
        last = float(optimizer.step(closure).detach())
    assert last < 0.5 * first


def test_weight_decay_spares_biases_and_norms() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    groups = build_optimizer(Optimizer(weight_decay=0.1), model).param_groups
    assert [(g["weight_decay"], len(g["params"])) for g in groups] == [(0.1, 1), (0.0, 3)]


def test_nothing_trainable_is_a_clear_error() -> None:
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(UsageError, match="no parameter is trainable"):
        build_optimizer(Optimizer(), model)


@given(st.integers(1, 300), st.integers(1, 64))
def test_no_step_has_a_single_example_unless_there_is_only_one_step(examples: int, size: int) -> None:
    steps = steps_per_epoch(examples, size)
    last = min(size, examples - (steps - 1) * size)
    assert steps >= 1
    assert last > 1 or steps == 1 or size == 1


def test_an_epoch_visits_each_row_once() -> None:
    data = load("digits")
    plan = Plan(model="cnn", data=data, batch_size=50)
    seen = torch.cat([y for _, y in batches(plan, data, seed=0, epoch=0, device=torch.device("cpu"))])
    assert sorted(seen.tolist()) == sorted(data.train.targets.tolist())


def test_the_range_test_leaves_no_trace_and_suggests_a_usable_rate() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Dropout(0.1), nn.Linear(16, 10))
    network[1].bias.requires_grad_(False)
    plan = Plan(model=network, data=load("digits"), batch_size=32, freeze=("1.",))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    flags = [p.requires_grad for p in network.parameters()]
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    tested = range_test(plan, steps=60)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert random.getstate() == states[2]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert [p.requires_grad for p in network.parameters()] == flags
    assert all(p.grad is None for p in network.parameters())
    assert network.training
    assert 1e-4 <= tested.suggestion <= 1e-1
    assert range_test(replace(plan), steps=60).suggestion == tested.suggestion
