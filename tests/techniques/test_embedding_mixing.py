"""Mixup of texts: the embeddings of two texts are blended in training, and nothing else changes."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from burnish.data import load
from burnish.errors import NotApplicable
from burnish.exporting.onnx import export_onnx
from burnish.plan import BatchContext, Plan
from burnish.techniques import Mixup
from burnish.training import fit


class Mean(nn.Module):
    """A linear classifier of the mean embedding: blending embeddings blends its outputs."""

    def __init__(self, vocabulary, outputs):
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, 6), nn.Embedding(9, 6)
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.words(x).mean(1) + self.places(torch.arange(x.shape[1], device=x.device)).mean(0))


@pytest.fixture(scope="module")
def plan():
    tokens = np.random.default_rng(0).integers(2, 30, size=(80, 9)).astype(np.int32)
    data = load((tokens, np.arange(80) % 3), modality="text", task="classification")
    return Plan(model=Mean, data=data, epochs=1, batch_size=16)


def batch_of(plan, seed=0):
    x = torch.from_numpy(plan.data.train.inputs[:16]).long()
    context = BatchContext(
        generator=torch.Generator().manual_seed(seed), outputs=3, kind="classification", modality="text"
    )
    return x, *plan.batch[-1](x, torch.from_numpy(plan.data.train.targets[:16]), context)


def test_outputs_are_those_of_blended_embeddings_with_the_share_of_the_targets(plan):
    changed = plan.then(Mixup(alpha=1.0))
    network, (x, seen, rows) = changed.build(0).train(), batch_of(changed)
    assert torch.equal(seen, x)
    generator = torch.Generator().manual_seed(0)
    partner = torch.randperm(16, generator=generator)
    key = int(torch.randint(2**62, (), generator=generator))
    share = torch.from_numpy(np.random.default_rng(key).beta(1.0, 1.0, 16).astype(np.float32))[:, None]
    one_hot = torch.eye(3)[plan.data.train.targets[:16]]
    torch.testing.assert_close(rows, share * one_hot + (1 - share) * one_hot[partner])
    blended = network(x)
    plain = network.eval()(x)
    torch.testing.assert_close(blended, share * plain + (1 - share) * plain[partner])
    assert not torch.allclose(blended, plain, atol=1e-3)
    other = copy.deepcopy(network).train()  # a copy blends too, and only the batch that was announced
    torch.testing.assert_close(other(x), blended)
    torch.testing.assert_close(other(x[:5]), plain[:5])


def test_weights_and_evaluation_are_those_of_the_network_without(plan):
    before, after = plan.build(0), plan.then(Mixup()).build(0)
    assert before.state_dict().keys() == after.state_dict().keys()
    x = torch.from_numpy(plan.data.train.inputs[:4]).long()
    assert torch.equal(before.eval()(x), after.eval()(x))
    assert after.training is False


def test_it_trains_the_same_for_a_seed_and_otherwise_than_without(plan):
    changed = plan.then(Mixup(alpha=1.0))
    first, again, without = fit(changed, seed=0), fit(changed, seed=0), fit(plan, seed=0)
    states = [fitted.model.state_dict() for fitted in (first, again, without)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


@pytest.mark.slow
def test_the_export_is_that_of_the_network_without(plan, tmp_path):
    network = plan.then(Mixup(alpha=1.0)).build(0).eval()
    x = torch.from_numpy(plan.data.train.inputs[:4]).long()
    assert export_onnx(network, x, tmp_path / "model.onnx").max_abs_difference < 1e-4


def test_a_network_without_an_embedding_of_the_tokens_is_refused(plan):
    class Counts(nn.Module):
        def __init__(self, outputs):
            super().__init__()
            self.head = nn.Linear(9, outputs)

        def forward(self, x):
            return self.head(x.float())

    with pytest.raises(NotApplicable, match="no nn.Embedding of the network reads the tokens"):
        Plan(model=Counts, data=plan.data).then(Mixup())
