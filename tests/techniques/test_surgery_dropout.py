"""Dropout: its places, its kinds, existing rates."""

import pytest
import torch
from surgery_networks import NETWORKS, make
from torch import nn

from burnish.errors import NotApplicable
from burnish.model.regularization import DropoutPlace, dropout_places
from burnish.model.surgery import Probe
from burnish.model.tracing import trace
from burnish.model.zoo import ZOO
from burnish.techniques.dropout import Dropout, with_dropout

EXPECTED = {
    "plain root": [("2", True, 2), ("6", True, 0)],
    "CIFAR tutorial": [("conv2", False, 2), ("fc1", False, 0), ("fc2", False, 0), ("fc3", False, 0)],
    "residual": [("blocks.0.conv2", False, 2), ("blocks.1.conv2", False, 2), ("head", False, 0)],
    "LSTM": [("hidden", False, 0), ("head", False, 0)],
    "own recurrent": [("head", False, 0)],
    "transformer": [],
    "branching": [("head", False, 0)],
    "functional dropout": [],
    "perceptron": [("1", True, 0), ("3", True, 0)],
    "volumes": [("3", True, 0)],
    "series": [("2", True, 1), ("5", True, 0)],
}


@pytest.mark.parametrize("network", EXPECTED)
def test_places(network):
    model, inputs = make(network)
    wanted = [DropoutPlace(path=path, after=after, spatial=spatial) for path, after, spatial in EXPECTED[network]]
    assert list(dropout_places(trace(model, inputs))) == wanted


@pytest.mark.parametrize("network", sorted(set(NETWORKS) - {"functional dropout"}))
def test_eval_mode_computes_what_it_did_and_training_drops(network):
    model, inputs = make(network)
    changed = with_dropout(model, probe=Probe(inputs=inputs), rate=0.5)
    assert torch.equal(changed.eval()(inputs), model.eval()(inputs))
    changed.train()
    assert not torch.equal(changed(inputs), changed(inputs))


def test_channels_are_dropped_whole_and_elements_alone():
    model, inputs = make("plain root")
    changed = with_dropout(model, probe=Probe(inputs=inputs), rate=0.5).train()
    pooled = changed[2](torch.ones(4, 8, 12, 12))
    per_channel = pooled.flatten(2)
    assert torch.equal(per_channel.amin(2), per_channel.amax(2))
    assert set(per_channel.unique().tolist()) == {0.0, 2.0}
    features = changed[6](torch.ones(40, 16, 1, 1))
    assert features.shape == (40, 16)
    assert 0.3 < (features == 0).float().mean() < 0.7


def test_the_share_dropped_before_a_layer_is_the_rate():
    model, inputs = make("branching")
    changed = with_dropout(model, probe=Probe(inputs=inputs), rate=0.3).train()
    seen = []
    changed.head.layer.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    changed.head(torch.ones(2000, 8))
    assert (seen[0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert seen[0].mean().item() == pytest.approx(1.0, abs=0.04)


def test_existing_rates_are_adjusted_and_none_is_added_beside_them():
    model, inputs = make("transformer")
    changed = with_dropout(model, probe=Probe(inputs=inputs), rate=0.3)
    assert {m.p for m in changed.modules() if isinstance(m, nn.Dropout)} == {0.3}
    assert {m.dropout for m in changed.modules() if isinstance(m, nn.MultiheadAttention)} == {0.3}
    assert len(list(changed.modules())) == len(list(model.modules()))
    stacked = nn.Sequential(nn.LSTM(4, 4, 2, dropout=0.1, batch_first=True))
    assert with_dropout(stacked, probe=Probe(inputs=torch.randn(2, 3, 4)), rate=0.4)[0].dropout == 0.4


def test_text_networks_of_the_zoo_have_theirs_already():
    for name in ("textcnn", "transformer"):
        model = ZOO[name]((9,), 2, 20)
        changed = with_dropout(model, probe=Probe(inputs=torch.ones(3, 9, dtype=torch.int64)), rate=0.25)
        before = [m for m in model.modules() if isinstance(m, nn.Dropout)]
        after = [m for m in changed.modules() if isinstance(m, nn.Dropout)]
        assert len(after) == len(before) + (
            2 if name == "transformer" else 0
        )  # between the two layers of the perceptrons
        assert {m.p for m in after} == {0.25}


def test_rate_zero_switches_off_and_adds_nothing():
    model, inputs = make("CIFAR tutorial")
    assert str(with_dropout(model, probe=Probe(inputs=inputs), rate=0.0)) == str(model)
    model, inputs = make("transformer")
    changed = with_dropout(model, probe=Probe(inputs=inputs), rate=0.0)
    assert {m.p for m in changed.modules() if isinstance(m, nn.Dropout)} == {0.0}


def test_nothing_to_do_and_misuse_are_explained():
    with pytest.raises(NotApplicable, match="no place for dropout"):
        with_dropout(nn.Linear(4, 2), probe=Probe(inputs=torch.randn(3, 4)))
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\)"):
        Dropout(rate=1.0)
    model, inputs = make("perceptron")
    done = with_dropout(model, probe=Probe(inputs=inputs), rate=0.2)
    with pytest.raises(NotApplicable, match="0.2 there already"):
        with_dropout(done, probe=Probe(inputs=inputs), rate=0.2)
