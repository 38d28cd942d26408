"""What Python users see: results that show themselves, comparisons, plans handed over."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import burnish as bu
from burnish.errors import UsageError
from burnish.ledger import Ledger
from burnish.pipeline.commands import job, look, runs, ship
from burnish.plan import Optimizer
from burnish.records import Estimate, Finding
from burnish.techniques import Dropout


def make_net(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, outputs))


@pytest.fixture(scope="module")
def arms() -> tuple:
    base = bu.Plan(model=make_net, data=bu.load("digits"), epochs=2)
    return tuple(bu.train(plan, seeds=range(3)) for plan in (base, base.then(Dropout(rate=0.2))))


def test_a_large_validation_set_brings_its_own_variance(arms) -> None:
    before, after = arms
    found = bu.compare(before, after)
    gains = np.array([b - a for a, b in found.pairs])
    half = (found.difference.high - found.difference.low) / 2
    plain = gains.std(ddof=1) / np.sqrt(3)
    assert found.difference.value == pytest.approx(gains.mean())
    assert half > stats.norm.ppf(0.975) * plain
    assert half < stats.t.ppf(0.975, 2) * np.sqrt(gains.var(ddof=1) * (1 / 3 + 700 / 300))
    assert "validation examples" in found.note


def test_a_small_validation_set_is_corrected_for_overlap() -> None:
    x, y = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32), np.arange(200) % 2
    data = bu.load((x, y), task="classification", validation=30, test=30)
    base = bu.Plan(model="mlp", data=data, epochs=1)
    found = bu.compare(bu.train(base, seeds=range(3)), bu.train(base.then(Dropout(rate=0.2)), seeds=range(3)))
    assert "Nadeau and Bengio" in found.note


def test_data_show_no_contents(arms) -> None:
    data = arms[0].plan.data
    assert repr(data) == (
        "Data(digits: image, classification with 10 outputs; 300 training, 700 validation rows, 797 sealed test rows)"
    )
    assert repr(data.train) == "Split(300 rows)"


def test_results_show_themselves_in_notebooks(arms) -> None:
    class Printer:
        shown = ""

        def text(self, text: str) -> None:
            self.shown = text

    finding = Finding(rule="R1", title="a", state="clear", measured=0.0, threshold=1.0, evidence="b")
    for result in (bu.compare(*arms), finding, Estimate(value=0.5), arms[0][0], bu.inspect(arms[0].plan)):
        printer = Printer()
        result._repr_pretty_(printer, False)
        assert printer.shown == str(result)
    assert "seed 0: accuracy 0." in str(arms[0][0])


def test_inspect_takes_a_plan_or_a_module_with_an_example(arms) -> None:
    model = make_net(10)
    ours, theirs = bu.inspect(arms[0].plan), bu.inspect(model, torch.zeros(2, 1, 8, 8))
    shapes = [
        [(layer.path, layer.output_shape[1:], layer.parameters) for layer in found.layers] for found in (ours, theirs)
    ]
    assert shapes[0] == shapes[1]
    assert (ours.parameters, ours.operations) == (theirs.parameters, theirs.operations)
    with pytest.raises(UsageError, match="needs an example"):
        bu.inspect(model)


def test_a_job_started_from_python_is_compressed_with_its_plan(tmp_path) -> None:
    Ledger(tmp_path).open(bu.Recipe().to_json() | {"plan_from_python": "make_net"})
    with pytest.raises(UsageError, match="plan=plan"):
        ship.compress(tmp_path)


def test_a_job_that_chooses_takes_no_techniques(tmp_path) -> None:
    recipe = bu.Recipe(techniques=("Dropout(rate=0.2)",))
    with pytest.raises(UsageError, match="--only"):
        bu.run(recipe, out=tmp_path / "a")
    with pytest.raises(UsageError, match="burnish compare"):
        bu.study(recipe, out=tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_inspect_shows_the_network_with_its_techniques() -> None:
    recipe = bu.Recipe(network="cnn", techniques=("BatchNorm()",))
    with_norm, without = look.inspect_network(recipe), look.inspect_network(replace(recipe, techniques=()))
    assert with_norm.parameters > without.parameters
    with pytest.raises(UsageError, match="unknown network 'cnnn'"):
        look.inspect_network(bu.Recipe(network="cnnn", data=None))
    with pytest.raises(UsageError, match="needs --data too"):
        look.inspect_network(bu.Recipe(network="cnn", data=None, techniques=("BatchNorm",)))


def test_the_price_is_that_of_the_command(tmp_path) -> None:
    events: list[dict] = []
    recipe = bu.Recipe(budget="quick", epochs=1, lr=1e-3)
    job.study(recipe, dry_run=True, out=tmp_path / "s", observer=events.append)
    runs.train(recipe, seeds=2, out=tmp_path / "t", observer=events.append)
    lines = [line for e in events if e["event"] == "plan" for line in e["lines"] if line.startswith("runs: ")]
    assert lines == [
        "runs: pilot 4, gate 4, screen 12, candidates 9, confirm 6 (at most 35)",
        "runs: train 2 (at most 2)",
    ]


def test_plans_are_trained_until_the_test_can_answer(tmp_path) -> None:
    x = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
    data = bu.load((x, (x[:, 0] > 0).astype(int)), task="classification", validation=300, test=100)

    def net() -> nn.Module:
        return nn.Linear(4, 2)

    blind, able = (bu.Plan(model=net, data=data, epochs=3, optimizer=Optimizer(lr=lr)) for lr in (1e-9, 0.1))
    found = bu.compare(blind, able, out=tmp_path)
    assert found.verdict == "CONFIRMED"
    assert found.difference.n < 8, "an early look settles it"
    again = bu.compare(blind, able, out=tmp_path, looks=(2, 3), min_gain=1.0)
    assert again.verdict == "EQUIVALENT", "no gain of less than everything matters"
    with pytest.raises(UsageError, match="two plans that differ"):
        bu.compare(able, able)
    with pytest.raises(UsageError, match="train the plan first"):
        bu.compare(able, bu.train(able, seeds=[0], out=tmp_path))
