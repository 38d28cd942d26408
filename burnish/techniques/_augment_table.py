"""Whole-batch table augmentation: swap noise, and Gaussian noise on numbers.

Swapped, a column's value is exchanged for that of another row of the batch, so every value stays one the column really
takes. The features of one column (its one-hot block, its missing indicator) move together.

Source: Bahri et al., "SCARF", ICLR 2022, arXiv:2106.15147.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

__all__ = ["NAMED_TABLE", "TABLE", "TableStrength", "gaussian_noise", "swap_noise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStrength:
    """How much is changed, for each row anew; 0 leaves a change out.

    Attributes:
        swap: Share of the columns exchanged in each row.
        noise: Deviation of the noise on numbers, in deviations of their column.
    """

    swap: float = 0.0
    noise: float = 0.0


TABLE = {"standard": TableStrength(swap=0.1), "strong": TableStrength(swap=0.25, noise=0.05)}
NAMED_TABLE = TableStrength(swap=0.1, noise=0.05)  # what a change does that is named without a number


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


def gaussian_noise(
    inputs: Tensor, numbers: tuple[tuple[int, float], ...], share: float, generator: Generator
) -> Tensor:
    """The rows `(batch, features)` with noise on the features that are numbers.

    Args:
        inputs: Rows as the network sees them.
        numbers: Position and deviation of each number.
        share: Deviation of the noise, as a share of the number's.
        generator: Source of randomness.
    """
    if not numbers:
        return inputs.clone()
    places = torch.tensor([place for place, _ in numbers], device=inputs.device)
    size = share * torch.tensor([deviation for _, deviation in numbers])
    noise = torch.randn(len(inputs), len(numbers), generator=generator) * size
    return inputs.index_add(1, places, noise.to(inputs))


def _column_of(features: int, groups: tuple[tuple[int, ...], ...]) -> Tensor:
    column = torch.full((features,), -1)
    for number, group in enumerate(groups):
        column[list(group)] = number
    alone = column < 0
    column[alone] = len(groups) + torch.arange(int(alone.sum()))
    return column
