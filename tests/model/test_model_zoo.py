"""The zoo: shapes, padding, limits."""

import pytest
import torch

from burnish.errors import UsageError
from burnish.model.zoo import PLAIN, ZOO

SHAPES = {
    "mlp": [((7,), 0), ((1, 8, 8), 0)],
    "cnn": [((1, 8, 8), 0), ((3, 32, 48), 0), ((1, 5, 3), 0), ((3, 1, 1), 0)],
    "resnet": [((3, 8, 8), 0), ((1, 33, 20), 0)],
    "textcnn": [((12,), 40), ((1,), 40)],
    "transformer": [((12,), 40), ((1,), 40)],
    "cnn1d": [((2, 50), 0), ((1, 3), 0), ((1, 1), 0)],
}


def example(shape, vocabulary, rows=4):
    return torch.randint(0, vocabulary, (rows, *shape)) if vocabulary else torch.randn(rows, *shape)


@pytest.mark.parametrize("name", PLAIN)
def test_outputs_gradients_and_tracing(name):
    for shape, vocabulary in SHAPES[name]:
        torch.manual_seed(0)
        network = ZOO[name](shape, 5, vocabulary)
        inputs = example(shape, vocabulary)
        network.train()(inputs).square().sum().backward()
        assert all(p.grad is not None for p in network.parameters())
        network.eval()
        assert network(inputs[:1]).shape == (1, 5)
        assert torch.allclose(torch.fx.symbolic_trace(network)(inputs), network(inputs), atol=1e-6)
        assert torch.allclose(network(inputs)[2:3], network(inputs[2:3]), atol=1e-5)  # examples do not mix


@pytest.mark.parametrize("name", PLAIN)
def test_width_scales(name):
    shape, vocabulary = SHAPES[name][0]
    sizes = [sum(p.numel() for p in ZOO[name](shape, 5, vocabulary, width=w).parameters()) for w in (8, 16)]
    assert sizes[0] < sizes[1]


def test_the_transformer_does_not_see_padding():
    torch.manual_seed(0)
    network = ZOO["transformer"]((6,), 3, 20).eval()
    tokens = torch.tensor([[4, 5, 6, 0, 0, 0]])
    before = network(tokens)
    with torch.no_grad():
        network.position[3:] += 100.0
    assert torch.allclose(network(tokens), before, atol=1e-6)
    assert torch.isfinite(network(torch.zeros(2, 6, dtype=torch.int64))).all()


def test_the_demo_network_is_plain():
    kinds = {type(m).__name__ for m in ZOO["cnn"]((1, 8, 8), 10)}
    assert kinds == {"Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"}


@pytest.mark.parametrize(
    ("name", "shape", "vocabulary", "message"),
    [
        ("cnn", (6,), 0, "cnn takes images"),
        ("cnn1d", (6,), 0, "cnn1d takes series"),
        ("textcnn", (6,), 0, "needs the size of the vocabulary"),
        ("transformer", (3, 8, 8), 9, "takes tokens"),
        ("resnet", (3, 4, 4), 0, "too small: take cnn"),
        ("mlp", (9,), 50, "not tokens"),
    ],
)
def test_misuse_is_explained(name, shape, vocabulary, message):
    with pytest.raises(UsageError, match=message):
        ZOO[name](shape, 5, vocabulary)
