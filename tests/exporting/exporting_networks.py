"""One small network of every kind, with inputs it takes."""

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 16)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.head = nn.Linear(32, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embed(tokens))
        return self.head(states[:, -1])


class TextCNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 16, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(16, 24, k, padding=k // 2) for k in (2, 3))
        self.head = nn.Linear(48, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        embedded = self.embed(tokens).transpose(1, 2)
        return self.head(torch.cat([torch.relu(conv(embedded)).amax(2) for conv in self.convs], dim=1))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 16)
        self.place = nn.Parameter(torch.randn(1, 12, 16) * 0.02)
        layer = nn.TransformerEncoderLayer(16, 2, 64, batch_first=True, dropout=0.1)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        keep = tokens != 0
        states = self.encoder(self.embed(tokens) + self.place, src_key_padding_mask=~keep)
        weights = keep.unsqueeze(2).float()
        return self.head((states * weights).sum(1) / weights.sum(1).clamp(min=1))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 5),
    )


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 32), nn.GELU(), nn.Dropout(0.3), nn.Linear(32, 1))


def cnn1d() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 16, 5, padding=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 2)
    )


KINDS = {
    "cnn": (cnn, "image"),
    "mlp": (mlp, "table"),
    "cnn1d": (cnn1d, "series"),
    "textcnn": (TextCNN, "text"),
    "lstm": (Recurrent, "text"),
    "transformer": (Transformer, "text"),
}
SHAPES = {"image": (1, 8, 8), "table": (6,), "series": (2, 20), "text": (12,)}


def network(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return KINDS[kind][0]()


def inputs(kind: str, rows: int = 16) -> Tensor:
    modality = KINDS[kind][1]
    generator = torch.Generator().manual_seed(1)
    if modality != "text":
        return torch.randn(rows, *SHAPES[modality], generator=generator)
    tokens = torch.randint(1, 40, (rows, 12), generator=generator)
    tokens[:, 9:] = 0
    return tokens
