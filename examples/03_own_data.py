"""Data of one's own: torch data sets or loaders, with the split one has. The user's splits are law.

On the command line: burnish run --data examples/03_own_data.py:make_data
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import burnish as bu


class Digits(Dataset):
    """Images `(1, 8, 8)` prepared as one likes; they reach the network exactly so."""

    def __init__(self, start: int, stop: int) -> None:
        images, labels = load_digits(return_X_y=True)
        self.images = torch.tensor(images[start:stop], dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1
        self.labels = torch.tensor(labels[start:stop])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]


def make_data() -> dict[str, DataLoader]:
    """A training, a validation and a test loader; each is read once."""
    parts = {"train": Digits(0, 600), "validation": Digits(600, 1200), "test": Digits(1200, 1797)}
    return {name: DataLoader(part, batch_size=64) for name, part in parts.items()}


if __name__ == "__main__":
    data = bu.load(make_data())
    print(data, data.notes)
    runs = bu.train(bu.Plan(model="cnn", data=data, epochs=6, batch_size=32), seeds=range(2))
    print(runs.score)  # over bootstraps of the training rows: the validation rows stay
