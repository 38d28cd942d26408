"""ResNet and ResNeXt in the forms their authors published, with the names torchvision gives to parameters.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385; Xie et al.,
"Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017, arXiv:1611.05431. The stride of a bottleneck
is in its 3x3 convolution, as in torchvision.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FORMS", "BasicBlock", "Bottleneck", "ResNet", "ResNetForm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetForm:
    """One published network.

    Attributes:
        blocks: Blocks in each stage.
        bottleneck: Blocks of three convolutions, 1x1, 3x3 and 1x1, rather than two 3x3.
        width: Channels of the stem.
        groups, group_width: Cardinality of the 3x3 convolution, and channels of each of its groups in the first stage.
        small: For images of 32 pixels: a 3x3 stem without pooling.
        padded: Where a block changes the channels its skip is padded with zeros, without parameters.
    """

    blocks: tuple[int, ...]
    bottleneck: bool = False
    width: int = 64
    groups: int = 1
    group_width: int = 64
    small: bool = False
    padded: bool = False


FORMS: dict[str, ResNetForm] = {
    "resnet18": ResNetForm(blocks=(2, 2, 2, 2)),
    "resnet34": ResNetForm(blocks=(3, 4, 6, 3)),
    "resnet50": ResNetForm(blocks=(3, 4, 6, 3), bottleneck=True),
    "resnet101": ResNetForm(blocks=(3, 4, 23, 3), bottleneck=True),
    "resnext50_32x4d": ResNetForm(blocks=(3, 4, 6, 3), bottleneck=True, groups=32, group_width=4),
    "resnext101_32x8d": ResNetForm(blocks=(3, 4, 23, 3), bottleneck=True, groups=32, group_width=8),
    "resnet20": ResNetForm(blocks=(3, 3, 3), width=16, small=True, padded=True),
    "resnet32": ResNetForm(blocks=(5, 5, 5), width=16, small=True, padded=True),
    "resnet44": ResNetForm(blocks=(7, 7, 7), width=16, small=True, padded=True),
    "resnet56": ResNetForm(blocks=(9, 9, 9), width=16, small=True, padded=True),
    "resnext29_8x64d": ResNetForm(blocks=(3, 3, 3), bottleneck=True, groups=8, small=True),
}


class PaddedSkip(nn.Module):
    """Every other pixel, and channels of zeros on both sides: a skip without parameters."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        extra = (self.channels - x.shape[1]) // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, extra, extra))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside the identity: `(B, C, H, W)` -> `(B, width, H / stride, W / stride)`."""

    def __init__(self, channels: int, width: int, stride: int, skip: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = skip

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + skip)


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3 (in groups for ResNeXt) and 1x1 beside the identity; otherwise as `BasicBlock`."""

    def __init__(
        self, channels: int, width: int, stride: int, skip: nn.Module | None, *, inner: int, groups: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.downsample = skip

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + skip)


class ResNet(nn.Module):
    """The network of a `ResNetForm`: `(B, channels, H, W)` -> `(B, outputs)`."""

    def __init__(self, form: ResNetForm, channels: int, outputs: int) -> None:
        super().__init__()
        size, stride = (3, 1) if form.small else (7, 2)
        self.conv1 = nn.Conv2d(channels, form.width, size, stride, size // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(form.width)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if form.small else nn.MaxPool2d(3, 2, 1)
        before = form.width
        self.stages = len(form.blocks)
        for number, count in enumerate(form.blocks):
            stage, before = _stage(form, number, count, before)
            self.add_module(f"layer{number + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, outputs)
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(self.stages):
            x = self.get_submodule(f"layer{number + 1}")(x)
        return self.fc(self.avgpool(x).flatten(1))


def _stage(form: ResNetForm, number: int, count: int, before: int) -> tuple[nn.Sequential, int]:
    """The blocks of stage `number`, and their width; the first block halves the image, but for that of stage 0."""
    base = form.width * 2**number
    width = base * (4 if form.bottleneck else 1)
    inner = base * form.group_width // form.width * form.groups
    blocks: list[nn.Module] = []
    for place in range(count):
        stride = 2 if number and not place else 1
        skip = _skip(before, width, stride, padded=form.padded)
        if form.bottleneck:
            blocks.append(Bottleneck(before, width, stride, skip, inner=inner, groups=form.groups))
        else:
            blocks.append(BasicBlock(before, width, stride, skip))
        before = width
    return nn.Sequential(*blocks), width


def _skip(before: int, width: int, stride: int, *, padded: bool) -> nn.Module | None:
    if stride == 1 and before == width:
        return None
    if padded:
        return PaddedSkip(width, stride)
    return nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))


def _initialize(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
