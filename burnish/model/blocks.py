"""Building blocks of the zoo."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ConvNorm", "Encoder", "EncoderBlock", "ResidualBlock", "TextCNN"]


class ConvNorm(nn.Sequential):
    """Convolution 3x3, batch normalization, ReLU: `(B, C, H, W)` -> `(B, width, H, W)`."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


class ResidualBlock(nn.Module):
    """Two `ConvNorm` beside the identity: `(B, C, H, W)` -> `(B, C, H, W)`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvNorm(channels, channels), ConvNorm(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class TextCNN(nn.Module):
    """Convolutions of several widths over word vectors, the maximum over time of each: `(B, T)` -> `(B, outputs)`.

    Source: Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014, arXiv:1408.5882.
    """

    def __init__(self, vocabulary: int, outputs: int, *, width: int, sizes: tuple[int, ...] = (3, 4, 5)) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, size, padding=size - 1) for size in sizes)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(width * len(sizes), outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        vectors = self.embedding(tokens).transpose(1, 2)
        features = [F.relu(convolution(vectors)).amax(dim=2) for convolution in self.convolutions]
        return self.head(self.dropout(torch.cat(features, dim=1)))


class EncoderBlock(nn.Module):
    """Self-attention and a two-layer perceptron, each after normalization and beside the identity: `(B, T, D)`.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762; normalization first as in
    Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020, arXiv:2002.04745.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.attention_dropout = nn.Dropout(dropout)
        self.perceptron_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.activation = nn.GELU()
        self.contract = nn.Linear(2 * width, width)
        self.perceptron_dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        x = x + self.attention_dropout(self._attention(self.attention_norm(x), visible))
        hidden = self.activation(self.expand(self.perceptron_norm(x)))
        return x + self.perceptron_dropout(self.contract(hidden))

    def _attention(self, x: Tensor, visible: Tensor) -> Tensor:
        parts = self.queries_keys_values(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=visible)
        return self.projection(mixed.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """A Transformer encoder over tokens, averaged over those that are not padding: `(B, T)` -> `(B, outputs)`.

    Padding (token 0) is neither attended to nor averaged, so its amount does not change the output.
    A text of padding alone is read as one unknown word would be placed: its first position stays visible.
    """

    def __init__(
        self, vocabulary: int, length: int, outputs: int, *, width: int, layers: int = 2, heads: int = 4
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        self.first: Tensor
        self.register_buffer("first", torch.arange(length) == 0, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        visible = (tokens != 0) | self.first
        x = self.embedding(tokens) + self.position
        for block in self.blocks:
            x = block(x, visible[:, None, None, :])
        weights = visible.unsqueeze(2).to(x.dtype)
        return self.head((self.norm(x) * weights).sum(1) / weights.sum(1))
