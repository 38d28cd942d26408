"""The networks of the coverage table: small variants of known architectures, and text, table and recurrent ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

CLASSES, WORDS, LENGTH, COLUMNS = 10, 200, 24, 16


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network of the table.

    Attributes:
        family: Where it comes from: `timm`, `torchvision` or `own`.
        modality: `image`, `text`, `table` or `series`.
        make: Builds it.
        size: Side of its images.
    """

    family: str
    modality: str
    make: Callable[[], nn.Module]
    size: int = 64

    def inputs(self, rows: int, seed: int) -> Tensor:
        """Made-up inputs of its kind."""
        generator = torch.Generator().manual_seed(seed)
        if self.modality == "text":
            return torch.randint(1, WORDS, (rows, LENGTH), generator=generator)
        shape = {"image": (3, self.size, self.size), "table": (COLUMNS,), "series": (2, 64)}[self.modality]
        return torch.randn(rows, *shape, generator=generator)


def timm(name: str, size: int = 64, **options: Any) -> Network:
    def make() -> nn.Module:
        import timm as library

        return library.create_model(name, num_classes=CLASSES, **options)

    return Network(family="timm", modality="image", make=make, size=size)


def torchvision(name: str, size: int = 64, **options: Any) -> Network:
    def make() -> nn.Module:
        from torchvision import models

        return getattr(models, name)(num_classes=CLASSES, **options)

    return Network(family="torchvision", modality="image", make=make, size=size)


def own(modality: str, make: Callable[[], nn.Module]) -> Network:
    return Network(family="own", modality=modality, make=make)


def vgg() -> nn.Module:
    from torchvision.models import vgg as library

    features = library.make_layers(library.cfgs["A"], batch_norm=True)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))


def mixer() -> nn.Module:
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(num_classes=CLASSES, img_size=64, patch_size=8, num_blocks=4, embed_dim=128)


def swin() -> nn.Module:
    from timm.models.swin_transformer import SwinTransformer

    shape = {"embed_dim": 32, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4}
    return SwinTransformer(img_size=64, patch_size=4, num_classes=CLASSES, **shape)


def zoo(name: str, inputs: tuple[int, ...], vocabulary: int = 0) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from burnish.model.sources import as_source

        return as_source(name, None).create(inputs, CLASSES, {"vocabulary": vocabulary})

    return make


class Recurrent(nn.Module):
    """Words, recurrent layers, and what is read of them."""

    def __init__(self, kind: Any, read: str, **options: Any) -> None:
        super().__init__()
        self.words, self.read = nn.Embedding(WORDS, 48), read
        self.cells = kind(48, 64, batch_first=True, **options)
        width = (options.get("proj_size") or 64) * (2 if options.get("bidirectional") else 1)
        self.attend = nn.Linear(width, 1) if read == "attention" else None
        self.hidden, self.head = nn.Linear(width, 48), nn.Linear(48, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        states, last = self.cells(self.words(tokens))
        last = last[0] if isinstance(last, tuple) else last
        if self.read == "last":
            found = states[:, -1]
        elif self.read == "mean":
            found = states.mean(1)
        elif self.read == "state":
            found = torch.cat([last[-2], last[-1]], 1) if self.cells.bidirectional else last[-1]
        else:
            found = (states * self.attend(states).softmax(1)).sum(1)
        return self.head(torch.relu(self.hidden(found)))


class Convolved(nn.Module):
    """A 1-D convolution before a recurrent layer, for series."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(2, 32, 5, padding=2), nn.BatchNorm1d(32)
        self.cells, self.head = nn.GRU(32, 32, batch_first=True), nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(torch.relu(self.norm(self.conv(x))).transpose(1, 2))[0][:, -1])


class Waves(nn.Module):
    """A U-Net over series."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            nn.Conv1d(2, 24, 3, padding=1),
            nn.Conv1d(24, 48, 3, padding=1),
            nn.Conv1d(48, 48, 3, padding=1),
        )
        self.up, self.d = nn.ConvTranspose1d(48, 24, 2, stride=2), nn.Conv1d(48, 32, 3, padding=1)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        first = torch.relu(self.a(x))
        deep = torch.relu(self.c(torch.relu(self.b(nn.functional.max_pool1d(first, 2)))))
        return self.head(torch.relu(self.d(torch.cat([first, self.up(deep)], 1))).mean(2))


class Dilated(nn.Module):
    """A temporal convolutional network with residual blocks and group norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, 32, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(32, 64, 3, padding=2**i, dilation=2**i), nn.GroupNorm(4, 64), nn.ReLU(), nn.Conv1d(64, 32, 1)
            )
            for i in range(3)
        )
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x.mean(2))


class Encoder(nn.Module):
    """PyTorch's own transformer layers over words, or over the columns of a table."""

    def __init__(self, *, table: bool, norm_first: bool = False) -> None:
        super().__init__()
        self.table, width, length = table, 48, COLUMNS if table else LENGTH
        self.words = None if table else nn.Embedding(WORDS, width)
        self.scale = nn.Parameter(torch.randn(COLUMNS, width) * 0.2) if table else None
        self.place = nn.Parameter(torch.randn(length, width) * 0.2)
        layer = nn.TransformerEncoderLayer(width, 4, 96, batch_first=True, norm_first=norm_first)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x[:, :, None] * self.scale if self.table else self.words(x)
        return self.head(self.layers(tokens + self.place).mean(1))


class Tabular(nn.Module):
    """Residual blocks for tables."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(COLUMNS, 64)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64)) for _ in range(2)
        )
        self.head = nn.Sequential(nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


class Gated(nn.Module):
    """Gated linear units, whose halves are split and multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(COLUMNS, 128), nn.Linear(64, 96), nn.Linear(48, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.glu(self.b(nn.functional.glu(self.a(x)))))


IMAGES = {
    "resnet18": torchvision("resnet18"),
    "vgg11_bn": Network(family="torchvision", modality="image", make=vgg),
    "squeezenet1_1": torchvision("squeezenet1_1"),
    "shufflenet_v2_x0_5": torchvision("shufflenet_v2_x0_5"),
    "mnasnet0_5": torchvision("mnasnet0_5"),
    "googlenet": torchvision("googlenet", aux_logits=False, init_weights=False),
    **{
        name: timm(name)
        for name in (
            "resnet10t",
            "resnext26ts",
            "gcresnext26ts",
            "test_resnet",
            "skresnet18",
            "densenet121",
            "mobilenetv2_035",
            "mobilenetv3_small_050",
            "mobilenetv4_conv_small_035",
            "efficientnet_lite0",
            "test_efficientnet",
            "tinynet_e",
            "mnasnet_small",
            "lcnet_035",
            "hardcorenas_a",
            "regnetx_002",
            "regnety_002",
            "rexnet_100",
            "ghostnet_050",
            "repghostnet_050",
            "repvgg_a0",
            "mobileone_s0",
            "test_byobnet",
            "dla46_c",
            "ese_vovnet19b_dw",
            "convnext_atto",
            "test_convnext",
            "inception_next_atto",
            "starnet_s050",
            "test_mambaout",
            "edgenext_xx_small",
            "mobilevit_xxs",
            "efficientvit_b0",
            "fastvit_t8",
            "poolformer_s12",
        )
    },
    "vit_tiny_patch16": timm("vit_tiny_patch16_224", img_size=64),
    "deit_tiny_patch16": timm("deit_tiny_patch16_224", img_size=64),
    "xcit_nano_12_p16": timm("xcit_nano_12_p16_224", img_size=64),
    "levit_128s": timm("levit_128s", img_size=64),
    "mixer_128_p8": Network(family="timm", modality="image", make=mixer),
    "swin_32": Network(family="timm", modality="image", make=swin),
}
OTHERS = {
    "mlp": own("table", zoo("mlp", (COLUMNS,))),
    "tabular resnet": own("table", Tabular),
    "ft-transformer": own("table", lambda: Encoder(table=True, norm_first=True)),
    "gated mlp": own("table", Gated),
    "textcnn": own("text", zoo("textcnn", (LENGTH,), WORDS)),
    "transformer": own("text", zoo("transformer", (LENGTH,), WORDS)),
    "encoder": own("text", lambda: Encoder(table=False)),
    "rnn": own("text", lambda: Recurrent(nn.RNN, "last")),
    "lstm": own("text", lambda: Recurrent(nn.LSTM, "last")),
    "lstm attention": own("text", lambda: Recurrent(nn.LSTM, "attention")),
    "bilstm 2 layers": own("text", lambda: Recurrent(nn.LSTM, "state", num_layers=2, bidirectional=True)),
    "lstm projected": own("text", lambda: Recurrent(nn.LSTM, "mean", proj_size=24)),
    "gru": own("text", lambda: Recurrent(nn.GRU, "mean")),
    "bigru": own("text", lambda: Recurrent(nn.GRU, "mean", bidirectional=True)),
    "conv gru": own("series", Convolved),
    "cnn1d": own("series", zoo("cnn1d", (2, 64))),
    "tcn": own("series", Dilated),
    "unet 1d": own("series", Waves),
}
NETWORKS = OTHERS | IMAGES
