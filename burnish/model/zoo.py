"""Networks by name: one plain choice for each kind of data, and published networks for images.

Each is a function of the shape of one example (`inputs`), the width of the output (`outputs`)
and, for text, the size of the vocabulary; `width` scales the plain ones.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from burnish.errors import UsageError
from burnish.model import densenets, resnets
from burnish.model.blocks import ConvNorm, Encoder, ResidualBlock, TextCNN

if TYPE_CHECKING:
    from burnish.data.data import Data

__all__ = [
    "PLAIN",
    "PUBLISHED",
    "ZOO",
    "cnn",
    "cnn1d",
    "default_name",
    "form_of",
    "mlp",
    "published",
    "resnet",
    "textcnn",
    "timm_network",
    "transformer",
]

SMALL = 16  # pixels: up to this side a plain network is the default for images


def mlp(inputs: tuple[int, ...], outputs: int, vocabulary: int = 0, width: int = 128) -> nn.Sequential:
    """Two hidden layers on the flattened example: `(B, *inputs)` -> `(B, outputs)`."""
    if vocabulary:
        raise UsageError("mlp takes numbers, not tokens; for text take textcnn or transformer")
    features = 1
    for size in inputs:
        features *= size
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(features, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, outputs),
    )


def cnn(inputs: tuple[int, ...], outputs: int, vocabulary: int = 0, width: int = 16) -> nn.Sequential:
    """A plain convolutional network without normalization or dropout: `(B, C, H, W)` -> `(B, outputs)`.

    Stages of convolution 3x3, ReLU and pooling halve the image until its shorter side is under 8, at most five times.
    """
    channels, height, images_width = _dimensions(inputs, 3, "cnn", "images (C, H, W)")
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
    channels, stages = width, 0
    while min(height, images_width) >= 4 and stages < 5 and (stages < 2 or min(height, images_width) >= 8):
        wider = min(2 * channels, 8 * width)
        layers += [nn.Conv2d(channels, wider, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels, height, images_width, stages = wider, height // 2, images_width // 2, stages + 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * images_width, outputs))


def resnet(inputs: tuple[int, ...], outputs: int, vocabulary: int = 0, width: int = 32) -> nn.Sequential:
    """A small residual network with batch normalization: `(B, C, H, W)` -> `(B, outputs)`.

    Nine layers as in the ResNet-9 of the DAWNBench entries, narrower.
    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385.
    """
    channels, height, images_width = _dimensions(inputs, 3, "resnet", "images (C, H, W)")
    if min(height, images_width) < 8:
        raise UsageError(f"resnet halves the image three times; {height}x{images_width} is too small: take cnn")
    return nn.Sequential(
        ConvNorm(channels, width),
        ConvNorm(width, 2 * width),
        nn.MaxPool2d(2),
        ResidualBlock(2 * width),
        ConvNorm(2 * width, 4 * width),
        nn.MaxPool2d(2),
        ConvNorm(4 * width, 8 * width),
        nn.MaxPool2d(2),
        ResidualBlock(8 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8 * width, outputs),
    )


def textcnn(inputs: tuple[int, ...], outputs: int, vocabulary: int = 0, width: int = 100) -> TextCNN:
    """Convolutions over word vectors (Kim 2014): tokens `(B, T)` -> `(B, outputs)`."""
    _dimensions(inputs, 1, "textcnn", "tokens (T,)")
    return TextCNN(_words(vocabulary, "textcnn"), outputs, width=width)


def transformer(inputs: tuple[int, ...], outputs: int, vocabulary: int = 0, width: int = 64) -> Encoder:
    """A two-layer Transformer encoder; padding is masked: tokens `(B, T)` -> `(B, outputs)`."""
    (length,) = _dimensions(inputs, 1, "transformer", "tokens (T,)")
    if width % 4:
        raise UsageError(f"transformer has 4 heads; its width must be a multiple of 4, got {width}")
    return Encoder(_words(vocabulary, "transformer"), length, outputs, width=width)


def cnn1d(inputs: tuple[int, ...], outputs: int, vocabulary: int = 0, width: int = 32) -> nn.Sequential:
    """Convolutions over time and an average over it: series `(B, C, L)` -> `(B, outputs)`."""
    channels, length = _dimensions(inputs, 2, "cnn1d", "series (C, L)")
    layers: list[nn.Module] = [nn.Conv1d(channels, width, 7, padding=3), nn.ReLU()]
    for wider in (2 * width, 4 * width):
        layers += [nn.MaxPool1d(2)] if length >= 4 else []
        layers += [nn.Conv1d(wider // 2, wider, 5, padding=2), nn.ReLU()]
        length //= 2
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4 * width, outputs))


def published(architecture: str, inputs: tuple[int, ...], outputs: int, vocabulary: int = 0) -> nn.Module:
    """The published network of that name: `(B, C, H, W)` -> `(B, outputs)`; torchvision's weights fit those it has."""
    form = form_of(architecture)
    channels, *size = _dimensions(inputs, 3, architecture, "images (C, H, W)")
    halvings = len(form.blocks) - 1 + (0 if form.small else 2)
    if isinstance(form, resnets.ResNetForm):
        return resnets.ResNet(form, channels, outputs)
    if min(size) < 2**halvings:  # its pooling leaves no pixel; strided convolutions leave one
        raise UsageError(
            f"{architecture} halves the image {halvings} times; {size[0]}x{size[1]} is too small: take cnn"
        )
    return densenets.DenseNet(form, channels, outputs)


def form_of(architecture: str) -> resnets.ResNetForm | densenets.DenseForm:
    """What the published network of that name is made of."""
    return resnets.FORMS.get(architecture) or densenets.FORMS[architecture]


PLAIN: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet": resnet,
    "textcnn": textcnn,
    "transformer": transformer,
    "cnn1d": cnn1d,
}
PUBLISHED: dict[str, Callable[..., nn.Module]] = {
    name: partial(published, architecture=name) for name in (*resnets.FORMS, *densenets.FORMS)
}
ZOO: dict[str, Callable[..., nn.Module]] = PLAIN | PUBLISHED


def default_name(data: "Data") -> str:
    """The network of the zoo that is taken for `data` when none is named."""
    if data.modality == "image":
        return "resnet" if min(data.input_shape[-2:]) > SMALL else "cnn"
    return {"text": "textcnn", "table": "mlp", "series": "cnn1d"}[data.modality]


def timm_network(architecture: str, outputs: int, inputs: tuple[int, ...]) -> nn.Module:
    """The architecture of that name in timm, with fresh weights: `(B, C, H, W)` -> `(B, outputs)`.

    Raises:
        UsageError: timm is not installed, or has no such architecture.
    """
    try:
        import timm
    except ImportError as error:
        raise UsageError("networks written timm:NAME need timm: pip install timm") from error
    if architecture not in timm.list_models():
        raise UsageError(f"timm has no architecture {architecture!r}; timm.list_models() lists them")
    return timm.create_model(architecture, num_classes=outputs, in_chans=inputs[0])


def _dimensions(inputs: tuple[int, ...], count: int, name: str, wanted: str) -> tuple[int, ...]:
    if len(inputs) != count:
        raise UsageError(f"{name} takes {wanted}, got examples of shape {tuple(inputs)}")
    return tuple(inputs)


def _words(vocabulary: int, name: str) -> int:
    if vocabulary < 2:
        raise UsageError(f"{name} needs the size of the vocabulary (with padding and unknown), got {vocabulary}")
    return vocabulary
