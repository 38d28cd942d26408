"""Healthy real cases: at most 5,000 rows of six data sets, with a network and settings that suit them."""

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from networks import Form, factory

import burnish as bu
from burnish.plan import Optimizer, Plan

__all__ = ["HEALTHY", "Setup"]

HERE = Path(__file__).parent
DATA = Path(os.environ.get("BURNISH_DATA", HERE.parents[2] / "shared" / "data"))
CACHE = Path("runs/diagnosis/data")
CIFAR_CLASSES, CIFAR_EACH = 4, 500
VALIDATION = 1 / 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """All that a plan is made of, before it is made, so that a fault can change any of it.

    Attributes:
        name: Of the data set.
        modality: `image`, `text` or `table`.
        inputs: Images `(n, H, W, C)`, a list of texts, or a DataFrame.
        targets: Class names or numbers, one for each input.
        validation: Inputs and targets of a validation set of the user's own; else a third is split off.
        as_is: Hand the inputs over as a `Dataset`, whose preprocessing Burnish leaves alone.
        form: The network.
        epochs, batch_size, lr: The user's numbers.
        loss: A loss of the user's own.
        batch: Transforms of the training batches.
        plan: Last changes to the finished plan.
    """

    name: str
    modality: str
    inputs: Any
    targets: np.ndarray
    validation: tuple[Any, np.ndarray] | None = None
    as_is: bool = False
    form: Form = field(default_factory=Form)
    epochs: int = 10
    batch_size: int = 64
    lr: float = 3e-3
    loss: Any = None
    batch: tuple[Any, ...] = ()
    last: Callable[[Plan], Plan] | None = None

    @property
    def classes(self) -> bool:
        """Whether classes are predicted."""
        return self.targets.dtype.kind not in "f"

    def rows(self, positions: np.ndarray) -> Any:
        """The inputs at `positions`."""
        if self.modality == "text":
            return [self.inputs[i] for i in positions]
        return (
            self.inputs.iloc[positions].reset_index(drop=True) if self.modality == "table" else self.inputs[positions]
        )

    def build(self, seed: int) -> Plan:
        """The plan as a user would write it."""
        pool = (self.inputs, self.targets)
        source: Any = pool if self.validation is None else {"train": pool, "validation": self.validation}
        if self.as_is:
            source = _Rows(*pool)
        task = None if self.classes else "regression"
        share = VALIDATION if self.validation is None else None
        plan = Plan(
            model=factory(self.form),
            data=bu.load(source, task=task, seed=seed, validation=share, test=0),
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=Optimizer(lr=self.lr),
            loss=self.loss,
            batch=self.batch,
        )
        return plan if self.last is None else self.last(plan)


class _Rows:
    """A `Dataset` of the user's own over arrays of numbers."""

    def __init__(self, inputs: Any, targets: np.ndarray) -> None:
        self.inputs, self.targets = np.asarray(inputs, dtype=np.float32), targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[np.ndarray, Any]:
        return self.inputs[row], self.targets[row]


def _digits(seed: int) -> Setup:
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * 255 / 16).astype(np.uint8)[..., None]
    return Setup(name="digits", modality="image", inputs=images, targets=found.target)


def _cifar10(seed: int) -> Setup:
    """Four classes of the image folder; the files are read once and kept."""
    kept = CACHE / "cifar10.npz"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(kept, **_read_cifar())
    arrays = np.load(kept)
    return Setup(
        name="cifar10", modality="image", inputs=arrays["x"], targets=arrays["y"], form=Form(width=16), epochs=12
    )


def _read_cifar() -> dict[str, np.ndarray]:
    from PIL import Image

    images: dict[str, list[np.ndarray]] = {}
    with tarfile.open(DATA / "cifar10.tar.gz") as archive:
        for member in archive:
            parts = Path(member.name).parts
            if not member.isfile() or "train" not in parts or not member.name.endswith(".jpg"):
                continue
            found = images.setdefault(parts[-2], [])
            if len(found) < CIFAR_EACH:
                file = archive.extractfile(member)
                assert file is not None
                found.append(np.asarray(Image.open(BytesIO(file.read())).convert("RGB")))
    chosen = sorted(images)[:CIFAR_CLASSES]
    return {"x": np.concatenate([images[c] for c in chosen]), "y": np.repeat(chosen, CIFAR_EACH)}


def _text(name: str, file: str, rows: int, seed: int, words: int) -> Setup:
    import pandas as pd

    frame = pd.read_csv(DATA / file).dropna()
    frame = frame[frame["text"].str.split().str.len() >= words]
    frame = frame.sample(min(rows, len(frame)), random_state=seed)
    labels = frame["label"].astype(str).to_numpy(dtype=object)
    return Setup(name=name, modality="text", inputs=frame["text"].tolist(), targets=labels, epochs=8)


def _adult(seed: int) -> Setup:
    import pandas as pd

    frame = pd.read_csv(DATA / "adult" / "adult.csv", skipinitialspace=True, na_values="?")
    frame = frame.sample(2400, random_state=seed).reset_index(drop=True)
    labels = frame.pop("income").astype(str).to_numpy(dtype=object)
    return Setup(name="adult", modality="table", inputs=frame, targets=labels, lr=2e-3, epochs=8)


def _kin8nm(seed: int) -> Setup:
    import pandas as pd

    folder = DATA / "uci" / "kin8nm"
    rows = np.loadtxt(folder / "data.txt")
    rows = rows[np.random.default_rng(seed).permutation(len(rows))[:2400]]
    columns = np.loadtxt(folder / "index_features.txt").astype(int)
    frame = pd.DataFrame(rows[:, columns], columns=[f"x{i}" for i in range(len(columns))])
    target = rows[:, int(np.loadtxt(folder / "index_target.txt"))]
    return Setup(name="kin8nm", modality="table", inputs=frame, targets=target.astype(float), epochs=25, lr=1e-2)


HEALTHY: dict[str, Callable[[int], Setup]] = {
    "digits": _digits,
    "cifar10": _cifar10,
    "trec": lambda seed: _text("trec", "trec/train.csv", 2400, seed, 1),
    "sst2": lambda seed: _text("sst2", "sst2/train.csv", 2400, seed, 6),
    "adult": _adult,
    "kin8nm": _kin8nm,
}
