"""Batched text augmentation against loops over tokens, and its promises."""

import torch

from burnish.techniques._augment_text import PADDING, TEXT, UNKNOWN, TextStrength, augment_tokens


def texts(size=40, length=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(2, 50, (size, length), generator=generator)
    words = torch.randint(1, length + 1, (size, 1), generator=generator)
    return tokens.masked_fill(torch.arange(length) >= words, PADDING)


def reference(tokens, strength, generator):
    """The same draws, one token at a time."""
    size, length = tokens.shape
    chances = torch.rand(3, size, length, generator=generator)
    places = torch.rand(2, size, 1, generator=generator)
    out = tokens.tolist()
    for row in range(size):
        text, words = list(out[row]), sum(t != PADDING for t in out[row])
        wants = [bool(chances[0, row, i] < strength.swap) for i in range(length)]
        for i in range(words - 1):
            if wants[i] and not (i and wants[i - 1]):
                text[i], text[i + 1] = out[row][i + 1], out[row][i]
        reach = round(float(places[0, row, 0] * strength.span * words))
        start = int(places[1, row, 0] * (words - reach + 1))
        spared = max(range(words), key=lambda i: chances[2, row, i])
        for i in range(words):
            masked = chances[1, row, i] < strength.drop or (strength.span and start <= i < start + reach)
            if masked and i != spared:
                text[i] = UNKNOWN
        out[row] = text
    return out


def test_a_batch_equals_the_texts_one_by_one():
    for strength in (*TEXT.values(), TextStrength(drop=0.3, swap=0.5, span=0.5)):
        x = texts()
        batched = augment_tokens(x, strength, torch.Generator().manual_seed(5))
        assert batched.tolist() == reference(x, strength, torch.Generator().manual_seed(5))


def test_padding_never_moves_and_type_and_shape_stay():
    x = texts().int()
    out = augment_tokens(x, TEXT["strong"], torch.Generator().manual_seed(0))
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    assert torch.equal(out == PADDING, x == PADDING)


def test_swapping_loses_no_token():
    x = texts()
    out = augment_tokens(x, TextStrength(drop=0, swap=0.5), torch.Generator().manual_seed(0))
    assert not torch.equal(out, x)
    assert torch.equal(out.sort(1).values, x.sort(1).values)


def test_one_token_of_each_text_is_always_left():
    x = texts()
    out = augment_tokens(x, TextStrength(drop=1.0, swap=0), torch.Generator().manual_seed(0))
    assert ((out != PADDING) & (out != UNKNOWN)).sum(1).tolist() == [1] * len(x)


def test_an_empty_text_stays_empty():
    x = torch.zeros(2, 5, dtype=torch.int64)
    assert torch.equal(augment_tokens(x, TEXT["strong"], torch.Generator().manual_seed(0)), x)
