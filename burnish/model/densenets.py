"""DenseNet-BC in the forms its authors published, with the names torchvision gives to parameters.

Source: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, arXiv:1608.06993.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FORMS", "DenseBlock", "DenseForm", "DenseNet", "dense_layer", "transition"]

BOTTLENECK = 4  # channels before a layer's 3x3 convolution, in growth rates


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseForm:
    """One published network.

    Attributes:
        blocks: Layers in each block.
        growth: Channels that a layer adds.
        start: Channels of the stem.
        small: For images of 32 pixels: a 3x3 stem without pooling.
    """

    blocks: tuple[int, ...]
    growth: int
    start: int
    small: bool = False


FORMS: dict[str, DenseForm] = {
    "densenet121": DenseForm(blocks=(6, 12, 24, 16), growth=32, start=64),
    "densenet169": DenseForm(blocks=(6, 12, 32, 32), growth=32, start=64),
    "densenet201": DenseForm(blocks=(6, 12, 48, 32), growth=32, start=64),
    "densenet161": DenseForm(blocks=(6, 12, 36, 24), growth=48, start=96),
    "densenet100_k12": DenseForm(blocks=(16, 16, 16), growth=12, start=24, small=True),
    "densenet22_k8": DenseForm(blocks=(3, 3, 3), growth=8, start=16, small=True),
}


class DenseBlock(nn.Sequential):
    """Layers each of which sees the results of all before it: `(B, C, ...)` -> `(B, C + layers x growth, ...)`."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = torch.cat([x, layer(x)], 1)
        return x


class DenseNet(nn.Module):
    """The network of a `DenseForm`: `(B, channels, H, W)` -> `(B, outputs)`."""

    def __init__(self, form: DenseForm, channels: int, outputs: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for name, module in _stem(form, channels):
            self.features.add_module(name, module)
        width = form.start
        for number, layers in enumerate(form.blocks, 1):
            block = DenseBlock()
            for place in range(layers):
                block.add_module(f"denselayer{place + 1}", dense_layer(width, form.growth))
                width += form.growth
            self.features.add_module(f"denseblock{number}", block)
            if number < len(form.blocks):
                self.features.add_module(f"transition{number}", transition(width, width // 2))
                width //= 2
        self.features.add_module(f"norm{len(form.blocks) + 1}", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, outputs)
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(F.relu(self.features(x)), 1).flatten(1))


def dense_layer(channels: int, growth: int) -> nn.Sequential:
    """Normalization, ReLU, a 1x1 bottleneck to four growth rates, and the same to one by 3x3."""
    inner = BOTTLENECK * growth
    layer = nn.Sequential()
    for name, module in (
        ("norm1", nn.BatchNorm2d(channels)),
        ("relu1", nn.ReLU()),
        ("conv1", nn.Conv2d(channels, inner, 1, bias=False)),
        ("norm2", nn.BatchNorm2d(inner)),
        ("relu2", nn.ReLU()),
        ("conv2", nn.Conv2d(inner, growth, 3, padding=1, bias=False)),
    ):
        layer.add_module(name, module)
    return layer


def transition(channels: int, width: int) -> nn.Sequential:
    """From `channels` to `width`, and half the image's side."""
    layer = nn.Sequential()
    for name, module in (
        ("norm", nn.BatchNorm2d(channels)),
        ("relu", nn.ReLU()),
        ("conv", nn.Conv2d(channels, width, 1, bias=False)),
        ("pool", nn.AvgPool2d(2, 2)),
    ):
        layer.add_module(name, module)
    return layer


def _stem(form: DenseForm, channels: int) -> list[tuple[str, nn.Module]]:
    if form.small:
        return [("conv0", nn.Conv2d(channels, form.start, 3, padding=1, bias=False))]
    return [
        ("conv0", nn.Conv2d(channels, form.start, 7, 2, 3, bias=False)),
        ("norm0", nn.BatchNorm2d(form.start)),
        ("relu0", nn.ReLU()),
        ("pool0", nn.MaxPool2d(3, 2, 1)),
    ]


def _initialize(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
