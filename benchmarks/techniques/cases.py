"""Real data and small networks that techniques are measured on; shared by the scripts of this folder.

Each case has a pool that seeds split anew into training and validation rows, and test rows that no split contains.
"""

import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from burnish.data import Data, load
from burnish.model.blocks import TextCNN
from burnish.model.zoo import cnn, mlp

DATA = Path(os.environ.get("BURNISH_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Data, a network of at most 15 million multiply-accumulates, and the length of its training."""

    data: Callable[[Path], Data]
    network: Callable[..., nn.Module]
    epochs: int
    batch_size: int


def images(per_class: int, folder: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The first training images of each class of CIFAR-10, `(n, 32, 32, 3)`, labels, class names; kept in `folder`."""
    kept = folder / f"cifar_{per_class}.npz"
    if not kept.exists():
        found = _read_images(per_class)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(kept, names=sorted(found), images=np.concatenate([np.stack(found[name]) for name in sorted(found)]))
    with np.load(kept) as arrays:
        names = [str(name) for name in arrays["names"]]
        return arrays["images"], np.repeat(np.arange(len(names)), per_class), names


def _read_images(per_class: int) -> dict[str, list[np.ndarray]]:
    from PIL import Image

    found: dict[str, list[np.ndarray]] = {}
    with tarfile.open(DATA / "cifar10.tar.gz") as archive:
        for member in archive:
            name = Path(member.name)
            if not member.isfile() or name.parent.parent.name != "train":
                continue
            seen = found.setdefault(name.parent.name, [])
            if len(seen) < per_class:
                picture = Image.open(io.BytesIO(archive.extractfile(member).read()))  # type: ignore[union-attr]
                seen.append(np.asarray(picture.convert("RGB")))
            if len(found) == 10 and all(len(seen) == per_class for seen in found.values()):
                break
    return found


def cifar(folder: Path) -> Data:
    """2,000 training, 1,000 validation and 4,000 test images of CIFAR-10."""
    pictures, labels, _ = images(700, folder)
    return load((pictures, labels), task="classification", modality="image", validation=1000, test=4000)


def trec(folder: Path) -> Data:
    """2,000 training, 1,000 validation and 2,368 test questions of TREC."""
    return load(_texts("trec", 5368), target="label", modality="text", metric="accuracy", validation=1000, test=2368)


def sst2(folder: Path) -> Data:
    """4,000 training, 1,000 validation and 4,000 test phrases of SST-2; some lie inside others, on both sides."""
    return load(_texts("sst2", 9000), target="label", modality="text", validation=1000, test=4000)


def _texts(name: str, rows: int) -> Any:
    import pandas as pd

    table = pd.read_csv(DATA / name / "train.csv")
    return table.sample(min(rows, len(table)), random_state=0).reset_index(drop=True)


def adult(folder: Path) -> Data:
    """3,000 training, 1,000 validation and 6,000 test rows of Adult."""
    import pandas as pd

    table = pd.read_csv(DATA / "adult" / "adult.csv", skipinitialspace=True, na_values="?")
    rows = table.sample(10_000, random_state=0).reset_index(drop=True)
    return load(rows, target="income", modality="table", validation=1000, test=6000)


def kin8nm(folder: Path) -> Data:
    """2,000 training, 1,000 validation and 5,192 test rows of kin8nm."""
    rows = np.loadtxt(DATA / "uci" / "kin8nm" / "data.txt")
    return load((rows[:, :-1], rows[:, -1]), task="regression", modality="table", validation=1000, test=5192)


def small_cnn(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """The zoo's plain network, 8 channels wide at first."""
    return cnn(inputs, outputs, width=8)


def small_textcnn(outputs: int, vocabulary: int) -> nn.Module:
    """Kim's network with 48 channels."""
    return TextCNN(vocabulary, outputs, width=48)


def small_mlp(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """Two hidden layers of 64."""
    return mlp(inputs, outputs, width=64)


CASES = {
    "kin8nm": Case(data=kin8nm, network=small_mlp, epochs=20, batch_size=32),
    "adult": Case(data=adult, network=small_mlp, epochs=8, batch_size=32),
    "trec": Case(data=trec, network=small_textcnn, epochs=6, batch_size=32),
    "sst2": Case(data=sst2, network=small_textcnn, epochs=5, batch_size=32),
    "cifar": Case(data=cifar, network=small_cnn, epochs=6, batch_size=32),
}
