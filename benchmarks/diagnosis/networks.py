"""Plain networks for images, texts and tables, healthy or with one thing wrong.

`Form` says what is wrong; the defaults are healthy. `factory` gives what a user would hand to Burnish.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Form", "factory"]


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the network looks like.

    Attributes:
        width: Channels of the first convolution, or units of a hidden layer.
        hidden: Hidden linear layers after the stem.
        activation: `relu` or `sigmoid`.
        norm: Batch normalization after each layer.
        dead: Share of the hidden units whose bias keeps them at zero.
        softmax: Ends in a softmax although the loss applies one.
        frozen: "" or how the layers before the last one are cut off by mistake: `requires_grad` or `detach`.
        always_training: "" or what ignores evaluation mode: `dropout` or `batch_norm`.
        flat: Images are flattened at once, without convolutions.
    """

    width: int = 32
    hidden: int = 1
    activation: str = "relu"
    norm: bool = False
    dead: float = 0.0
    softmax: bool = False
    frozen: str = ""
    always_training: str = ""
    flat: bool = False


def factory(form: Form) -> Callable[..., nn.Module]:
    """A function that makes the network for the data's shape, as users write them."""

    def make_net(inputs: tuple[int, ...], outputs: int, vocabulary: int) -> nn.Module:
        return _Network(inputs, outputs, vocabulary, form)

    return make_net


class _Network(nn.Module):
    """Stem, hidden layers, head."""

    def __init__(self, inputs: tuple[int, ...], outputs: int, vocabulary: int, form: Form) -> None:
        super().__init__()
        self.form = form
        if vocabulary:
            stem: list[nn.Module] = [_Words(vocabulary, form.width)]
            features = form.width
        elif len(inputs) == 3 and not form.flat:
            stem, features = _convolutions(inputs, form)
        else:
            features = int(torch.Size(inputs).numel())
            stem = [nn.Flatten()]
        self.stem = nn.Sequential(*stem)
        self.body = nn.Sequential(*_hidden(features, form))
        self.head = nn.Linear(2 * form.width if form.hidden else features, outputs)
        if form.dead:
            _kill(self, form.dead)
        if form.frozen == "requires_grad":
            for part in (self.stem, self.body):
                part.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.stem(x))
        if self.form.frozen == "detach":
            x = x.detach()
        if self.form.always_training == "dropout":
            x = F.dropout(x, 0.5, training=True)
        x = self.head(x)
        return x.softmax(1) if self.form.softmax else x

    def train(self, mode: bool = True) -> "_Network":
        super().train(mode)
        if self.form.always_training == "batch_norm":  # written by someone who wanted "the same statistics everywhere"
            for module in self.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.training = True
        return self


class _Words(nn.Module):
    """Embedding, one convolution over three words, and its maximum over the text."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 48, padding_idx=0)
        self.convolution = nn.Conv1d(48, width, 3, padding=1)
        self.activation = nn.ReLU()

    def forward(self, tokens: Tensor) -> Tensor:
        return self.activation(self.convolution(self.embedding(tokens).transpose(1, 2))).amax(2)


def _convolutions(inputs: tuple[int, ...], form: Form) -> tuple[list[nn.Module], int]:
    channels, side = inputs[0], inputs[1]
    layers: list[nn.Module] = []
    wide = max(form.width // 2, 1)
    while side >= 8:
        step = 2 if side > 16 else 1
        convolution = nn.Conv2d(channels, wide, 3, padding=1, stride=step)
        layers += [convolution, *_after(wide, form, two=True), nn.MaxPool2d(2)]
        channels, wide, side = wide, 2 * wide, side // (2 * step)
    return [*layers, nn.Flatten()], channels * side * side


def _hidden(features: int, form: Form) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(form.hidden):
        layers += [nn.Linear(features, 2 * form.width), *_after(2 * form.width, form)]
        features = 2 * form.width
    return layers


def _after(width: int, form: Form, *, two: bool = False) -> list[nn.Module]:
    norm = [nn.BatchNorm2d(width) if two else nn.BatchNorm1d(width)] if form.norm else []
    return [*norm, nn.Sigmoid() if form.activation == "sigmoid" else nn.ReLU()]


def _kill(network: nn.Module, share: float) -> None:
    """Give the first units of each layer before the head a bias that no input overcomes."""
    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.Conv1d)][:-1]
    with torch.no_grad():
        for layer in layers:
            layer.bias[: round(share * len(layer.bias))] = -30.0
