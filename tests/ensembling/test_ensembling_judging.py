"""The veto, the diversity of members, soups and snapshots."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.data import load
from burnish.ensembling.combination import as_tables
from burnish.ensembling.diversity import ambiguity, disagreement, q_statistic
from burnish.ensembling.judging import best_member, crossfitted, judge
from burnish.ensembling.methods import METHODS
from burnish.ensembling.snapshots import snapshots
from burnish.ensembling.soups import greedy_soup, uniform_soup
from burnish.errors import NotApplicable, UsageError
from burnish.evaluation.cross_fit import halves
from burnish.plan import Plan, Schedule
from burnish.tasks import Classification, Regression
from burnish.training.optimizers import multiplier

TASK = Classification(classes=("a", "b", "c"))


def members(rows=400, count=5, noise=1.5, shared=0.0, seed=0):
    """Tables of members whose errors are independent but for the part `shared`."""
    drawn = np.random.default_rng(seed)
    targets = drawn.integers(0, 3, rows)
    common, own = drawn.normal(size=(rows, 3)), drawn.normal(size=(count, rows, 3))
    return as_tables(2 * np.eye(3)[targets] + noise * (shared * common + (1 - shared) * own), "classification"), targets


def test_independent_members_are_combined_and_equal_ones_are_vetoed():
    tables, targets = members()
    combination, found = judge(tables, targets, TASK, names=list("abcde"))
    assert found.accepted
    assert 0 < found.lower_bound < found.gain.value
    assert found.score > found.best_score == max(m["score"] for m in found.members)
    assert sum(m["share"] for m in found.members) == pytest.approx(1)
    assert combination.apply(tables).shape == (400, 3)
    same, targets = members(shared=1.0)
    _, vetoed = judge(same, targets, TASK, names=list("abcde"))
    assert not vetoed.accepted
    assert "not above zero" in vetoed.reason
    assert vetoed.diversity["disagreement"] == 0


def test_chance_seldom_passes_the_veto():
    """Members that know nothing: what is chosen on one half says nothing about the other."""
    passed = 0
    for seed in range(12):
        drawn = np.random.default_rng(seed)
        tables, targets = drawn.dirichlet(np.ones(3), size=(3, 80)), drawn.integers(0, 3, 80)
        passed += judge(tables, targets, TASK, names=list("abc"), method="stack")[1].accepted
    assert passed <= 1


def test_no_half_is_answered_by_what_it_was_fitted_on():
    tables, targets = members(rows=40)
    asked = []

    def procedure(rows):
        def answer(others):
            asked.append((set(rows), set(others)))
            return tables[0][others]

        return answer

    found = crossfitted(procedure, targets, TASK)
    np.testing.assert_array_equal(found, tables[0])
    assert all(not fitted & answered for fitted, answered in asked)
    assert [sorted(fitted) for fitted, _ in asked] == [sorted(half) for half in halves(targets, TASK)]


def test_too_few_rows_and_a_method_without_meaning_are_refused():
    tables, targets = members(rows=12)
    with pytest.raises(UsageError, match="12 validation rows"):
        judge(tables, targets, TASK, names=list("abcde"))
    with pytest.raises(NotApplicable, match="voted"):
        judge(np.zeros((2, 40, 1)), np.zeros(40), Regression(), names=["a", "b"], method="vote")


def test_values_are_combined_with_their_spread():
    drawn = np.random.default_rng(0)
    targets = drawn.normal(size=300)
    task = Regression(columns=("y",), center=(0.0,), scale=(1.0,))
    tables = targets[:, None] + 0.5 * drawn.normal(size=(4, 300, 1))
    for name in ("auto", "average", "weights", "greedy", "stack"):
        _, found = judge(tables, targets, task, names=list("abcd"), method=name)
        assert found.accepted
        assert found.best_score > found.score  # RMSE
    nine_tenths = found.spread["coverage"][1]
    assert nine_tenths["nominal"] == 0.9
    assert 0.8 < nine_tenths["coverage"].value < 1
    parts = found.diversity
    assert parts["ensemble_error"] == pytest.approx(parts["member_error"] - parts["ambiguity"])


def test_diversity_by_hand():
    right = np.array([[True, True, False, False], [True, False, True, False]])
    assert q_statistic(right) == 0.0  # independent
    assert q_statistic(np.array([[True, False], [True, False]])) == 1.0
    assert q_statistic(np.array([[True, False], [False, True]])) == -1.0
    assert q_statistic(np.ones((2, 4), bool)) is None
    assert disagreement(np.array([[0, 1], [1, 1], [0, 1]])) == pytest.approx(1 / 3)
    tables, wanted = np.array([[[1.0]], [[3.0]]]), np.array([[2.5]])
    found = ambiguity(tables, wanted, np.array([0.5, 0.5]))
    assert found == {"member_error": 1.25, "ambiguity": 1.0, "ensemble_error": 0.25}


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()


def test_a_uniform_soup_is_the_mean_with_new_batch_statistics():
    from torch.optim.swa_utils import AveragedModel, update_bn

    first, second = network(0), network(1)
    batches = [torch.randn(16, 3) for _ in range(4)]
    soup = uniform_soup([first, second], batches)
    reference = AveragedModel(first)
    reference.update_parameters(first)
    reference.update_parameters(second)
    update_bn(batches, reference)
    for name, value in reference.module.state_dict().items():
        torch.testing.assert_close(soup.state_dict()[name], value)
    assert not soup.training
    with pytest.raises(NotApplicable, match="unlike"):
        uniform_soup([first, nn.Linear(3, 2)], batches)


def test_a_greedy_soup_takes_only_what_does_no_harm():
    made = [nn.Linear(1, 1, bias=False) for _ in range(4)]
    for member, weight in zip(made, (0.0, 1.5, 3.0, -6.0), strict=True):
        nn.init.constant_(member.weight, weight)

    def score(model):  # the best weight is 2
        return -abs(float(model.weight.detach()) - 2)

    soup, kept = greedy_soup(made, score, [])
    assert kept == (1, 2)  # 1.5 alone, with 3 it is 2.25; with 0 it would be 1.5
    assert float(soup.weight.detach()) == 2.25


def test_snapshots_are_taken_where_the_rate_is_lowest():
    data = load("digits")
    small = replace(data, train_rows=data.train_rows[:64], validation_rows=data.validation_rows[:40])
    plan = Plan(model="mlp", data=small, epochs=4, batch_size=32)
    found = snapshots(plan, cycles=2, device="cpu")
    assert len(found) == 2
    assert not torch.equal(next(found[0].parameters()), next(found[1].parameters()))
    schedule = Schedule(kind="cosine", cycles=2)
    rates = [multiplier(schedule, step / 8) for step in range(8)]
    assert rates[:4] == pytest.approx(rates[4:])
    assert rates[:4] == pytest.approx([0.5 * (1 + np.cos(np.pi * t / 4)) for t in range(4)])
    with pytest.raises(UsageError, match="cycles"):
        snapshots(plan, cycles=9)


def test_the_best_member_is_best_by_the_metric_then_by_log_loss():
    tables, targets = members(rows=60)
    sure = tables**2 / (tables**2).sum(2, keepdims=True)
    both = np.stack([tables[0], sure[0]])
    losses = [-np.log(table[np.arange(60), targets]).mean() for table in both]
    assert best_member(both, targets, TASK) == int(np.argmin(losses))
    assert set(METHODS) == {"average", "vote", "weights", "greedy", "stack"}
