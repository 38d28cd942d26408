"""Text as token numbers: 0 is padding, 1 an unknown word. numpy only."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

__all__ = ["PADDING", "UNKNOWN", "encode_tokens", "fit_length", "fit_vocabulary", "tokenize"]

PADDING, UNKNOWN = "<pad>", "<unk>"
WORD = re.compile(r"\w+(?:'\w+)*|'\w+|[!?]")
LEAST_COUNT, MOST_WORDS = 2, 20_000
LEAST_LENGTH, MOST_LENGTH = 8, 128


def tokenize(text: str) -> list[str]:
    """The lowercase words of `text`, with question and exclamation marks.

    Example:
        >>> tokenize("It's what I'd expect, isn't it?")
        ["it's", 'what', "i'd", 'expect', "isn't", 'it', '?']
    """
    return WORD.findall(text.lower())


def fit_vocabulary(tokens: Sequence[list[str]]) -> tuple[str, ...]:
    """Padding, unknown, then the words seen at least twice, most frequent first; at most 20,000 of them."""
    counts = Counter(word for words in tokens for word in words)
    kept = sorted((word for word, n in counts.items() if n >= LEAST_COUNT), key=lambda word: (-counts[word], word))
    return (PADDING, UNKNOWN, *kept[:MOST_WORDS])


def fit_length(tokens: Sequence[list[str]]) -> int:
    """The 95th percentile of the lengths, between 8 and 128 words."""
    percentile = float(np.percentile([len(words) for words in tokens], 95))
    return int(np.clip(np.ceil(percentile), LEAST_LENGTH, MOST_LENGTH))


def encode_tokens(texts: Sequence[str], vocabulary: tuple[str, ...], length: int) -> np.ndarray:
    """Token numbers `(n, length)` int32, cut or padded at the end; a text without words is one unknown word."""
    number = {word: i for i, word in enumerate(vocabulary) if i > 1}
    stored = np.zeros((len(texts), length), dtype=np.int32)
    for row, text in enumerate(texts):
        numbers = [number.get(word, 1) for word in tokenize(text)[:length]] or [1]
        stored[row, : len(numbers)] = numbers
    return stored
