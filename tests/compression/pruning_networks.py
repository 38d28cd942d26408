"""Networks that are hard to prune, or that have something else than channels to prune."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Recurrent(nn.Module):
    def __init__(self, kind=nn.LSTM, read="last", *, batch_first=True, **options) -> None:
        super().__init__()
        self.read, self.batch_first = read, batch_first
        self.words = nn.Embedding(40, 24)
        self.cells = kind(24, 32, batch_first=batch_first, **options)
        width = (options.get("proj_size") or 32) * (2 if options.get("bidirectional") else 1)
        self.hidden, self.head = nn.Linear(width, 24), nn.Linear(24, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens)
        states, last = self.cells(x if self.batch_first else x.transpose(0, 1))
        states = states if self.batch_first else states.transpose(0, 1)
        last = last[0] if isinstance(last, tuple) else last
        if self.read == "mean":
            found = states.mean(1)
        elif self.read == "state":
            found = torch.cat([last[-2], last[-1]], 1) if self.cells.bidirectional else last[-1]
        else:
            found = states[:, -1]
        return self.head(torch.relu(self.hidden(found)))


class Encoder(nn.Module):
    def __init__(self, *, batch_first=True, norm_first=False) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.words = nn.Embedding(40, 32)
        self.place = nn.Parameter(torch.randn(1, 10, 32) * 0.1)
        layer = nn.TransformerEncoderLayer(32, 4, 48, batch_first=batch_first, norm_first=norm_first)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens) + self.place
        out = self.layers(x if self.batch_first else x.transpose(0, 1))
        return self.head(out.mean(1 if self.batch_first else 0))


class Together(nn.Module):
    """One layer for queries, keys and values; `free` tells whether the forward believes its own attributes."""

    def __init__(self, *, free: bool) -> None:
        super().__init__()
        self.free, self.num_heads, self.attn_dim = free, 4, 32
        self.qkv, self.proj = nn.Linear(24, 96), nn.Linear(32, 24)
        self.head = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows, length, _ = x.shape
        heads = self.num_heads if self.free else 4
        q, k, v = self.qkv(x).reshape(rows, length, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        found = functional.scaled_dot_product_attention(q, k, v, scale=8**-0.5)
        found = found.transpose(1, 2).reshape(rows, length, self.attn_dim if self.free else -1)
        return self.head((x + self.proj(found)).mean(1))


class Apart(nn.Module):
    """Three layers for queries, keys and values, and a bias for each head."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.inner_dim = 4, 32
        self.to_q, self.to_k, self.to_v = (nn.Linear(24, 32, bias=False) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(32, 24), nn.Dropout(0.1))
        self.near = nn.Parameter(torch.randn(4, 10, 10))
        self.head = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        weights = (q @ k.transpose(-2, -1) * 8**-0.5 + self.near).softmax(-1)
        return self.head((x + self.to_out((weights @ v).transpose(1, 2).reshape(*x.shape[:2], self.inner_dim))).mean(1))


class Paired(nn.Module):
    """One layer for queries, one for keys and values, as in pyramid vision transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 4
        self.q, self.kv, self.proj = nn.Linear(24, 32), nn.Linear(24, 64), nn.Linear(32, 24)
        self.head = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        k, v = self.kv(x).unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        found = functional.scaled_dot_product_attention(q, k, v, scale=8**-0.5)
        return self.head((x + self.proj(found.transpose(1, 2).flatten(2))).mean(1))


class Squeezed(nn.Module):
    """Squeeze and excitation around a depthwise convolution, with a hard sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.depth = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.down, self.up = nn.Conv2d(32, 16, 1), nn.Conv2d(16, 32, 1)
        self.point, self.head = nn.Conv2d(32, 32, 1), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.hardswish(self.depth(torch.relu(self.norm(self.stem(x)))))
        gate = functional.hardsigmoid(self.up(torch.relu(self.down(x.mean((2, 3), keepdim=True)))))
        return self.head(torch.relu(self.point(x * gate)).mean((2, 3)))


class Chunked(nn.Module):
    """Halves taken apart and joined again, as in C2f and CSP blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.join, self.head = nn.Conv2d(48, 32, 1), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        one, two = self.first(x).chunk(2, 1)
        return self.head(torch.relu(self.join(torch.cat([one, two, self.second(two)], 1))).mean((2, 3)))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(12, 64), nn.Linear(32, 32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.b(functional.glu(self.a(x)))))


class Sharpened(nn.Module):
    """Sub-pixel upsampling: four channels become one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.up, self.third = nn.PixelShuffle(2), nn.Conv2d(16, 32, 3, padding=1)
        self.head = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(torch.relu(self.second(torch.relu(self.first(x)))))
        return self.head(torch.relu(self.third(x)).mean((2, 3)))


class TiedWords(nn.Module):
    """A language model whose last layer is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.hidden, self.back = nn.Embedding(20, 32), nn.Linear(32, 48), nn.Linear(48, 32)
        self.out = nn.Linear(32, 20, bias=False)
        self.out.weight = self.words.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.back(torch.relu(self.hidden(self.words(tokens)))).mean(1))


class Normed(nn.Module):
    """Weights that are computed from a direction and a length, in the old way and in the new."""

    def __init__(self, *, old: bool) -> None:
        super().__init__()
        make = nn.utils.weight_norm if old else nn.utils.parametrizations.weight_norm
        self.first, self.second = make(nn.Linear(12, 32)), nn.Linear(32, 32)
        self.head = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.second(torch.relu(self.first(x)))))


class Late(nn.Module):
    """A branch whose scale is still zero, as residual branches start: what is wrong in it does not show."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first = nn.Conv2d(3, 32, 1), nn.Conv2d(32, 32, 3, padding=1)
        self.second, self.norm, self.head = nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32), nn.Linear(32, 3)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        n, c, h, w = (y := self.first(x)).shape
        y = y.view(n, 4, c // 4, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head((x + self.norm(self.second(y))).mean((2, 3)))


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(12, 32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.first(x)) + torch.randn(32))


def tokens(rows: int = 5) -> Tensor:
    return torch.randint(0, 20, (rows, 10), generator=torch.Generator().manual_seed(1))


def table(rows: int = 5) -> Tensor:
    return torch.randn(rows, 12, generator=torch.Generator().manual_seed(1))


def sequence(rows: int = 5) -> Tensor:
    return torch.randn(rows, 10, 24, generator=torch.Generator().manual_seed(1))


def pictures(rows: int = 5) -> Tensor:
    return torch.randn(rows, 3, 6, 6, generator=torch.Generator().manual_seed(1))


class Pooled(nn.Module):
    """Global context attention (Cao et al. 2019): channels pooled by attention over the image, and added back."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.look = nn.Conv2d(8, 1, 1)
        self.change = nn.Conv2d(8, 8, 1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.last = nn.Linear(16, 10)

    def forward(self, x):
        x = self.first(x).relu()
        n, channels, height, width = x.shape
        look = self.look(x).reshape(n, 1, height * width).softmax(-1).unsqueeze(3)
        pooled = torch.matmul(x.reshape(n, channels, height * width).unsqueeze(1), look)
        x = self.second(x + self.change(pooled.reshape(n, channels, 1, 1))).relu()
        return self.last(x.mean((2, 3)))
