"""Record a full factorial: every combination of six of Burnish's techniques, trained on 8 splits.

    python benchmarks/experiments/record.py kin8nm --out benchmarks/experiments/data [--splits 8] [--again 12]

Ground truth for `replay.py`. Each run is a plan with techniques, trained by `burnish.training.fit` with its own split,
initialization and order, and measured clean on its validation rows and on a test set that no split contains. NAME.csv
has the 64 cells, NAME_again.csv the baseline re-initialized `--again` times on each split. Rows are written as they
come; the same command goes on where it was interrupted. `--share 0.25` trains a quarter of the epochs.

Data are found in $BURNISH_DATA, by default ../shared/data beside the project.
"""

import argparse
import csv
import io
import math
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from burnish.data import Data, load
from burnish.data.data import Split
from burnish.evaluation.predict import predict
from burnish.model.zoo import cnn, mlp
from burnish.plan import Optimizer, Plan
from burnish.techniques import parse
from burnish.training import fit

DATA = Path(os.environ.get("BURNISH_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data"))
METRICS = {
    "classification": {"acc": "accuracy", "nll": "log_loss", "f1": "f1_macro", "ece": "ece"},
    "regression": {"rmse": "rmse", "mae": "mae"},
}
Key = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, data and techniques, each with the name of its column."""

    data: Callable[[], Data]
    network: Callable
    techniques: dict[str, str]
    epochs: int
    lr: float
    batch_size: int = 32

    def plan(self, share: float = 1.0) -> Plan:
        return Plan(
            model=self.network,
            data=self.data(),
            epochs=max(1, round(self.epochs * share)),
            batch_size=self.batch_size,
            optimizer=Optimizer(name="adamw", lr=self.lr),
        )


def kin8nm() -> Data:
    """500 training, 1,000 validation and 6,692 test rows."""
    rows = np.loadtxt(DATA / "uci" / "kin8nm" / "data.txt")
    return load((rows[:, :-1], rows[:, -1]), task="regression", modality="table", validation=1000, test=6692)


def cifar() -> Data:
    """1,000 training, 1,000 validation and 4,000 test images of CIFAR-10, at 16 x 16 pixels."""
    images, labels = _images(600)
    return load((images, labels), task="classification", modality="image", validation=1000, test=4000)


def trec() -> Data:
    """600 training, 700 validation and 2,000 test questions of TREC."""
    import pandas as pd

    table = pd.read_csv(DATA / "trec" / "train.csv").sample(3300, random_state=0)
    return load(table, target="label", modality="text", metric="accuracy", validation=700, test=2000)


def _images(per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images of each class in the archive's order."""
    from PIL import Image

    found: dict[str, list[np.ndarray]] = {}
    with tarfile.open(DATA / "cifar10.tar.gz") as archive:
        for member in archive:
            name = Path(member.name)
            seen = found.setdefault(name.parent.name, [])
            if member.isfile() and name.parent.parent.name == "train" and len(seen) < per_class:
                picture = Image.open(io.BytesIO(archive.extractfile(member).read()))  # type: ignore[union-attr]
                seen.append(np.asarray(picture.convert("RGB").resize((16, 16), Image.Resampling.BOX)))
    classes = sorted(name for name, seen in found.items() if len(seen) == per_class)
    labels = np.repeat(np.arange(len(classes)), per_class)
    return np.concatenate([np.stack(found[name]) for name in classes]), labels


def small_cnn(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    return cnn(inputs, outputs, width=8)


def small_mlp(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    return mlp(inputs, outputs, width=64)


class WordBag(nn.Module):
    """The mean of word vectors, then a hidden layer (after Joulin et al. 2016, arXiv:1607.01759)."""

    def __init__(self, outputs: int, vocabulary: int, width: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.hidden(self.embedding(tokens).mean(1))))


def word_bag(inputs: tuple[int, ...], outputs: int, vocabulary: int) -> nn.Module:
    return WordBag(outputs, vocabulary)


CASES = {
    "kin8nm": Case(
        data=kin8nm,
        network=small_mlp,
        techniques={
            "bn": "BatchNorm()",
            "drop": "Dropout(rate=0.2)",
            "mixup": "Mixup(alpha=0.2)",
            "wd": "WeightDecay(value=0.05)",
            "act": "Activation(name='gelu')",
            "cosine": "Schedule(shape='cosine')",
        },
        epochs=30,
        lr=2e-2,
        batch_size=100,
    ),
    "cifar": Case(
        data=cifar,
        network=small_cnn,
        techniques={
            "bn": "BatchNorm()",
            "aug": "Augment(strength='standard')",
            "ls": "LabelSmoothing(alpha=0.1)",
            "mixup": "Mixup(alpha=0.2)",
            "drop": "Dropout(rate=0.2)",
            "cosine": "Schedule(shape='cosine')",
        },
        epochs=12,
        lr=3e-3,
        batch_size=64,
    ),
    "trec": Case(
        data=trec,
        network=word_bag,
        techniques={
            "drop": "Dropout(rate=0.2)",
            "aug": "Augment(strength='standard')",
            "ls": "LabelSmoothing(alpha=0.1)",
            "bn": "BatchNorm()",
            "wd": "WeightDecay(value=0.05)",
            "cosine": "Schedule(shape='cosine')",
        },
        epochs=12,
        lr=1e-2,
        batch_size=50,
    ),
}


def cells(factors: int, splits: int) -> Iterator[Key]:
    """Every combination on every split, as `(0/1 per factor, ..., split, number)`; whole splits come first."""
    for split in range(1, splits + 1):
        for number, cell in enumerate(product((0, 1), repeat=factors)):
            yield (*cell, split, number)


def baselines(factors: int, splits: int, again: int) -> Iterator[Key]:
    """The baseline again and again on every split; its numbers, which seed it, are in no cell."""
    for number in range(again):
        for split in range(1, splits + 1):
            yield (*(0,) * factors, split, 10_000 + number)


def run_once(plan: Plan, case: Case, key: Key, test: Split) -> dict[str, float]:
    """Train one cell on one split and measure it."""
    *cell, split, number = key
    chosen = plan.then(*(parse(text) for on, text in zip(cell, case.techniques.values(), strict=True) if on))
    data = plan.data.replicate(split)
    fitted = fit(chosen, seed=100_000 * split + number, data=data, device="cpu")
    found: dict[str, float] = {}
    for part, rows in (("val", data.validation), ("test", test), ("train", data.train)):
        outputs = predict(fitted.model, rows, data.preparation, device="cpu")
        scores = data.task.evaluate(data.task.decode(outputs), rows.targets) if fitted.status == "done" else {}
        for short, name in METRICS[data.task.kind].items():
            found[f"{part}_{short}"] = round(scores.get(name, float("nan")), 5)
    return found | {
        "train_seconds": round(fitted.seconds, 3),
        "bytes": sum(t.numel() * t.element_size() for t in fitted.model.state_dict().values()),
        "diverged": int(fitted.status != "done"),
    }


def record(case: Case, keys: list[Key], file: Path, *, share: float = 1.0, limit: float = math.inf) -> bool:
    """Do what `file` does not hold yet, one flushed row after the other, until the process has used `limit` seconds.

    Returns whether all is done.
    """
    names = [*case.techniques, "split_seed", "run"]
    done = _done(file, names)
    plan = case.plan(share)
    test = plan.data.open_test("ground truth of a recorded factorial")
    with file.open("a", newline="") as stream:
        for i, key in enumerate(keys, 1):
            if key in done:
                continue
            if time.process_time() > limit:
                print(f"{file.name}: {i - 1} of {len(keys)} runs done; the same command goes on")
                return False
            row = dict(zip(names, key, strict=True)) | run_once(plan, case, key, test)
            writer = csv.DictWriter(stream, list(row), lineterminator="\n")
            if stream.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            stream.flush()
    return True


def _done(file: Path, names: list[str]) -> set[Key]:
    """Keys of the whole rows of `file`; a row cut short by an interruption is taken away."""
    if not file.exists():
        return set()
    text = file.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole)
    return {tuple(int(row[name]) for name in names) for row in csv.DictReader(io.StringIO(whole))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--again", type=int, default=6)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds of processor time, then stop")
    options = parser.parse_args()
    torch.set_num_threads(1)
    case = CASES[options.case]
    name = options.case if options.share == 1 else f"{options.case}_{options.share:g}"
    options.out.mkdir(parents=True, exist_ok=True)
    factors, how = len(case.techniques), {"share": options.share, "limit": options.limit}
    if record(case, list(cells(factors, options.splits)), options.out / f"{name}.csv", **how) and options.again:
        record(case, list(baselines(factors, options.splits, options.again)), options.out / f"{name}_again.csv", **how)


if __name__ == "__main__":
    main()
