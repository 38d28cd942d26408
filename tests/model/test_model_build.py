"""Building: seeds, edits, the probe, and what is wrong with a network."""

import random

import numpy as np
import pytest
import torch
from model_data import image_data, series_data, table_data, text_data
from torch import nn

from burnish.errors import UsageError
from burnish.model.build import build, check_output, probe_inputs, probed
from burnish.model.sources import as_source
from burnish.plan import Plan


def weights(network):
    return torch.cat([p.flatten() for p in network.parameters()])


def test_the_seed_decides_and_global_generators_are_left_alone():
    data, source = image_data(), as_source("cnn")
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    first, again, other = (weights(build(source, data, (), seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()
    assert before[2] == random.getstate()


def test_all_generators_a_factory_may_use_are_seeded():
    def make():
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        with torch.no_grad():
            network[1].bias[:] = torch.tensor([random.random(), np.random.rand(), torch.rand(()).item()])  # noqa: NPY002
        return network

    bias = [build(as_source(make), image_data(), (), seed)[1].bias for seed in (1, 1, 2)]
    assert torch.equal(bias[0], bias[1])
    assert (bias[0] != bias[2]).all()


def test_edits_are_replayed_in_order_with_the_probe():
    data, seen = image_data(), []

    def edit(model, probe, name):
        seen.append((name, probe.inputs.shape, probe.trained))
        return nn.Sequential(model)

    edits = (lambda model, probe: edit(model, probe, "a"), lambda model, probe: edit(model, probe, "b"))
    network = build(as_source("cnn"), data, edits, 0)
    rows = min(64, len(data.train))
    assert seen == [("a", (rows, 1, 8, 8), False), ("b", (rows, 1, 8, 8), False)]
    assert isinstance(network[0][0][0], nn.Conv2d)


def test_the_probe_covers_sorted_classes():
    data = image_data()
    order = np.argsort(data.targets[data.train_rows], kind="stable")
    from dataclasses import replace

    sorted_data = replace(data, train_rows=data.train_rows[order])
    assert len(probe_inputs(sorted_data)) == min(64, len(data.train))


def test_the_probed_network_is_kept_and_edits_make_another():
    data, source = image_data(), as_source("cnn")
    assert probed(source, data, ()) is probed(as_source("cnn"), data, ())
    wider = probed(source, data, (lambda model, probe: nn.Sequential(model),))
    assert wider is not probed(source, data, ())
    assert torch.equal(weights(wider), weights(build(source, data, (), 0)))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), r"outputs of shape \(2, 5\) .* 3 classes .* 3 wide"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Flatten(0)), r"outputs of shape \(6,\)"),
        (nn.Conv2d(1, 3, 1), "pool or flatten"),
        (nn.Sequential(nn.Flatten(), nn.Linear(60, 3)), r"fails on a batch of shape \(2, 1, 8, 8\)"),
        (nn.LSTM(8, 3), "fails on a batch|returns a tuple"),
    ],
)
def test_what_is_wrong_with_a_network_is_said(network, message):
    with pytest.raises(UsageError, match=message):
        probed(as_source(network), image_data(), ())


def test_a_single_value_keeps_its_dimension():
    data = table_data(values=True)
    network = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    with pytest.raises(UsageError, match="drop the squeeze"):
        probed(as_source(network), data, ())
    check_output(nn.Linear(6, 1), torch.zeros(2, 6), data.task)


def test_checking_leaves_modes_and_statistics_alone():
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3)).train()
    network[1].eval()
    mean = network[1].running_mean.clone()
    check_output(network, torch.randn(2, 1, 8, 8), image_data().task)
    assert [m.training for m in network] == [True, False, True]
    assert torch.equal(mean, network[1].running_mean)


def test_lazy_layers_get_their_weights():
    source = as_source(lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)))
    first, again = (build(source, image_data(), (), 4) for _ in range(2))
    assert first[1].weight.shape == (3, 64)
    assert torch.equal(first[1].weight, again[1].weight)


def test_every_modality_has_a_default_that_fits():
    for data in (image_data(), table_data(), table_data(values=True), text_data(), series_data()):
        plan = Plan(model=None, data=data)
        assert plan.probe()(probe_inputs(data)).shape == (len(probe_inputs(data)), data.task.outputs)
        assert plan.key == Plan(model=None, data=data).key
