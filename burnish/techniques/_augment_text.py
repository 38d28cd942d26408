"""Whole-batch text augmentation: tokens become unknown, neighbors change places, a span is masked.

Padding stays where it is, so the length of a text never changes.

Sources: Wei and Zou 2019, arXiv:1901.11196; spans, Joshi et al. 2020, arXiv:1907.10529.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

__all__ = ["NAMED_TEXT", "PADDING", "TEXT", "UNKNOWN", "TextStrength", "augment_tokens"]

PADDING, UNKNOWN = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStrength:
    """How much is changed.

    Attributes:
        drop: Share of tokens that become unknown.
        swap: Share of tokens that start a swap with the next one.
        span: Largest share of the length masked in one piece.
    """

    drop: float = 0.1
    swap: float = 0.05
    span: float = 0.0


TEXT = {"standard": TextStrength(), "strong": TextStrength(drop=0.15, swap=0.1, span=0.2)}
NAMED_TEXT = TextStrength(drop=0.1, swap=0.05, span=0.2)  # what a change does that is named without a number


def augment_tokens(tokens: Tensor, strength: TextStrength, generator: Generator) -> Tensor:
    """The tokens `(batch, length)` changed; type and shape stay."""
    size, length = tokens.shape
    chances = torch.rand(3, size, length, generator=generator).to(tokens.device)
    places = torch.rand(2, size, 1, generator=generator).to(tokens.device)
    tokens = _swapped(tokens, chances[0] < strength.swap)
    dropped = chances[1] < strength.drop
    if strength.span:
        words = (tokens != PADDING).sum(1, keepdim=True)
        reach = (places[0] * strength.span * words).round()
        start = (places[1] * (words - reach + 1)).floor()
        position = torch.arange(length, device=tokens.device)
        dropped = dropped | ((position >= start) & (position < start + reach))
    # a text must keep something to be classified by: the token with the largest chance is never dropped
    chances[2].masked_fill_(tokens == PADDING, -1)
    spared = torch.zeros_like(dropped).scatter_(1, chances[2].argmax(1, keepdim=True), True)
    return torch.where(dropped & ~spared & (tokens != PADDING), UNKNOWN, tokens)


def _swapped(tokens: Tensor, starts: Tensor) -> Tensor:
    """Exchange each token of `starts` with the next one; no token takes part in two swaps, padding in none."""
    words = tokens != PADDING
    starts = starts.clone()
    starts[:, 1:] &= ~starts[:, :-1].clone()
    starts[:, :-1] &= words[:, :-1] & words[:, 1:]
    starts[:, -1] = False
    moves = starts.long()
    moves[:, 1:] -= starts[:, :-1].long()
    return tokens.gather(1, torch.arange(tokens.shape[1], device=tokens.device) + moves)
