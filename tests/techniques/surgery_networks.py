"""Networks as users write them, with inputs that fit, for the tests of surgery."""

import torch
from torch import nn
from torch.nn import functional as F


class CifarTutorial(nn.Module):
    """The network of PyTorch's CIFAR-10 tutorial: one shared pool, activations as functions."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class ResidualBlock(nn.Module):
    """One ReLU for two places, in place; a 1x1 shortcut where the shape changes; optionally normalized."""

    def __init__(self, channels, width, stride=1, norm=False):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1)
        self.bn1, self.bn2 = (nn.BatchNorm2d(width), nn.BatchNorm2d(width)) if norm else (nn.Identity(), nn.Identity())
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Conv2d(channels, width, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.shortcut(x))


class Residual(nn.Module):
    def __init__(self, norm=False):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(ResidualBlock(8, 8, norm=norm), ResidualBlock(8, 16, 2, norm=norm))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class TextLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 12)
        self.lstm = nn.LSTM(12, 16, batch_first=True)
        self.hidden = nn.Linear(16, 20)
        self.head = nn.Linear(20, 3)

    def forward(self, tokens):
        states, _ = self.lstm(self.embedding(tokens))
        return self.head(torch.tanh(self.hidden(states[:, -1])))


class OwnCell(nn.Module):
    """A recurrent cell written by hand, called once per step."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(12, 8)

    def forward(self, x, state):
        return torch.tanh(self.mix(torch.cat([x, state], 1)))


class OwnRecurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = OwnCell()
        self.hidden = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        state = x.new_zeros(len(x), 8)
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return self.head(F.relu(self.hidden(state)))


class TextTransformer(nn.Module):
    def __init__(self, activation="relu"):
        super().__init__()
        self.embedding = nn.Embedding(30, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation=activation)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(16, 3)

    def forward(self, tokens):
        return self.head(self.encoder(self.embedding(tokens)).mean(1))


class Separable(nn.Module):
    """Depthwise, grouped and transposed convolutions, and squeeze-and-excitation."""

    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(3, 6, 3, padding=1, groups=3)
        self.pointwise = nn.Conv2d(6, 16, 1)
        self.grouped = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=4)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1))
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = F.silu(self.pointwise(F.silu(self.depthwise(x))))
        x = F.silu(self.grouped(x))
        x = x * torch.sigmoid(self.squeeze(x))
        return self.head(F.silu(self.up(x))).amax((2, 3))


class Tied(nn.Module):
    """An autoencoder whose decoder is the encoder's weight, and a head."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(10, 6)
        self.decoder = nn.Linear(6, 10)
        self.decoder.weight = nn.Parameter(torch.randn(10, 6))
        self.again = nn.Linear(10, 6)
        self.again.weight = self.encoder.weight
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = self.decoder(F.relu(self.encoder(x)))
        return self.head(F.relu(self.again(F.relu(x))))


class Branching(nn.Module):
    """Decides by values: torch.fx cannot trace it. Its activation is a module in one place, a function in another."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 8)
        self.act = nn.ReLU()
        self.second = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.act(self.first(x))
        if x.sum() < 0:
            x = -x
        return self.head(F.relu(self.second(x)))


class FunctionalDropout(nn.Module):
    """Dropout that asks `self.training`, and a function kept as an attribute in a block."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 16)
        self.second = nn.Linear(16, 16)
        self.norm = nn.BatchNorm1d(16)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        x = F.dropout(F.relu(self.first(x)), 0.5, self.training)
        x = F.dropout(self.norm(self.second(x)).relu(), p=0.25, training=self.training)
        return torch.sigmoid(self.head(x))


def plain_root():
    """A Sequential as the whole network."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


def perceptron():
    return nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))


def volumes():
    return nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2))


def series():
    return nn.Sequential(
        nn.Conv1d(2, 8, 5), nn.GELU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 5), nn.GELU(), nn.Flatten(), nn.Linear(64, 2)
    )


def images(size=12):
    return torch.randn(8, 3, size, size, generator=torch.Generator().manual_seed(3))


def rows():
    return torch.randn(9, 10, generator=torch.Generator().manual_seed(4))


def tokens():
    return torch.randint(0, 30, (8, 7), generator=torch.Generator().manual_seed(5))


NETWORKS = {
    "plain root": (plain_root, images),
    "CIFAR tutorial": (CifarTutorial, lambda: images(32)),
    "residual": (Residual, images),
    "residual with norm": (lambda: Residual(norm=True), images),
    "LSTM": (TextLSTM, tokens),
    "own recurrent": (OwnRecurrent, lambda: torch.randn(8, 5, 4, generator=torch.Generator().manual_seed(6))),
    "transformer": (TextTransformer, tokens),
    "separable": (Separable, images),
    "tied": (Tied, rows),
    "branching": (Branching, rows),
    "functional dropout": (FunctionalDropout, rows),
    "perceptron": (perceptron, rows),
    "volumes": (volumes, lambda: torch.randn(4, 1, 6, 6, 6, generator=torch.Generator().manual_seed(7))),
    "series": (series, lambda: torch.randn(6, 2, 28, generator=torch.Generator().manual_seed(8))),
}


def make(name):
    """The network of that name, the same every time, and its inputs."""
    factory, inputs = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return factory(), inputs()
