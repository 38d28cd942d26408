"""Whole-batch table augmentation: swap noise.

A column's value is exchanged for that of another row of the batch, so every value stays one the column really
takes. The features of one column (its one-hot block, its missing indicator) move together.

Source: Bahri et al., "SCARF", ICLR 2022, arXiv:2106.15147.
"""

import torch
from torch import Generator, Tensor

__all__ = ["TABLE", "swap_noise"]

TABLE = {"standard": 0.1, "strong": 0.25}  # share of the columns exchanged in each row


def swap_noise(inputs: Tensor, groups: tuple[tuple[int, ...], ...], share: float, generator: Generator) -> Tensor:
    """The rows `(batch, features)` with each column's value taken from another row with probability `share`.

    Args:
        inputs: Rows as the network sees them.
        groups: Features of each column; a feature in none is a column of its own.
        share: Probability for each row and column.
        generator: Source of randomness.
    """
    size, features = inputs.shape
    column = _column_of(features, groups)
    columns = int(column.max()) + 1
    exchanged = torch.rand(size, columns, generator=generator) < share
    partner = torch.randint(size, (size, columns), generator=generator)
    source = torch.where(exchanged, partner, torch.arange(size)[:, None])[:, column].to(inputs.device)
    return inputs.gather(0, source)


def _column_of(features: int, groups: tuple[tuple[int, ...], ...]) -> Tensor:
    column = torch.full((features,), -1)
    for number, group in enumerate(groups):
        column[list(group)] = number
    alone = column < 0
    column[alone] = len(groups) + torch.arange(int(alone.sum()))
    return column
