"""Attention with fewer heads than its width has room for, in the place of `nn.MultiheadAttention`."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from burnish.errors import NotApplicable

__all__ = ["FewerHeads"]


class FewerHeads(nn.Module):
    """What an `nn.MultiheadAttention` computes, free in its number of heads.

    PyTorch's own takes the width of a head to be the width of the input divided by the number of heads, so no head
    can be taken out of it. Parameters have the same names, and calls look the same.

    Args:
        source: The attention to stand in for; its parameters are shared until they are cut.
    """

    def __init__(self, source: nn.MultiheadAttention) -> None:
        super().__init__()
        self.embed_dim = source.embed_dim
        self.num_heads = source.num_heads
        self.head_dim = source.head_dim
        self.batch_first = source.batch_first
        self.dropout = source.dropout
        self.in_proj_weight = source.in_proj_weight
        self.in_proj_bias = source.in_proj_bias
        self.out_proj = source.out_proj
        self._qkv_same_embed_dim = False  # keeps transformer layers from taking the weights past this forward

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As `nn.MultiheadAttention.forward`, for batches."""
        if not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = self._projected(query, key, value)
        mask = _both(key_padding_mask, attn_mask, q)
        weights: Tensor | None = None
        if need_weights:
            scores = q @ k.transpose(-2, -1) / self.head_dim**0.5
            weights = torch.softmax(scores if mask is None else scores + mask, -1)
            heads = functional.dropout(weights, self.dropout, self.training) @ v
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            rate = self.dropout if self.training else 0.0
            heads = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=rate)
        out = self.out_proj(heads.transpose(1, 2).flatten(2))
        return (out if self.batch_first else out.transpose(0, 1)), weights

    def _projected(self, *inputs: Tensor) -> list[Tensor]:
        """Query, key and value as `(batch, heads, length, head_dim)`."""
        weights = self.in_proj_weight.chunk(3)
        biases: Any = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        flat = [functional.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]
        return [x.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2) for x in flat]


def _both(padding: Tensor | None, mask: Tensor | None, like: Tensor) -> Tensor | None:
    """Both masks as one to be added to the scores."""
    if mask is not None and mask.ndim > 2:
        raise NotApplicable("a mask for each head fixes the number of heads; give one mask for all")
    total = None if mask is None else _added(mask, like)
    if padding is None:
        return total
    padded = _added(padding, like)[:, None, None, :]
    return padded if total is None else total + padded


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(mask, float("-inf"))
