"""The trained networks that all tools get: data, network and recipe of each case."""

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

import burnish as bu
from burnish.model.zoo import cnn, mlp, published, resnet, textcnn
from burnish.techniques import Augment, BatchNorm, Schedule

HERE = Path(__file__).parent
DATA = Path(os.environ.get("BURNISH_DATA", HERE.parents[2] / "shared" / "data"))


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network on one data set."""

    name: str
    plan: Callable[[Path], bu.Plan]


class Words(nn.Module):
    """Embedding, one LSTM, and its last state."""

    def __init__(self, outputs: int, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 64)
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.last = nn.Linear(128, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.last(self.lstm(self.embedding(tokens))[0].amax(1))


def resnet9(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """ResNet-9 of width 16: 24 million multiply-accumulates on 32x32 images."""
    return resnet(inputs, outputs, width=16)


def densenet22(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """DenseNet-BC of 22 layers with growth 8: 14 million multiply-accumulates on 32x32 images."""
    return published("densenet22_k8", inputs, outputs)


def _cifar(cache: Path) -> bu.Plan:
    plan = bu.Plan(model=resnet9, data=_cifar_rows(cache), epochs=12, batch_size=64)
    return plan.then(Augment(strength="standard"), Schedule(shape="cosine", warmup=0.1))


def _cifar_dense(cache: Path) -> bu.Plan:
    plan = bu.Plan(model=densenet22, data=_cifar_rows(cache), epochs=10, batch_size=64)
    return plan.then(Augment(strength="standard"), Schedule(shape="cosine", warmup=0.1))


def _cifar_rows(cache: Path) -> bu.Data:
    folder = cache / "cifar10"
    if not folder.exists():
        with tarfile.open(DATA / "cifar10.tar.gz") as archive:
            archive.extractall(cache / "cifar10.partial", filter="data")
        (cache / "cifar10.partial").rename(folder)
    return bu.load(str(folder), seed=0, max_rows=10_000)


def _digits(cache: Path) -> bu.Plan:
    plan = bu.Plan(model=cnn, data=bu.load("digits"), epochs=30, batch_size=32)
    return plan.then(BatchNorm(), Schedule(shape="cosine", warmup=0.1))


def _trec(cache: Path) -> bu.Plan:
    return bu.Plan(model=textcnn, data=bu.load(str(DATA / "trec"), seed=0, metric="accuracy"), epochs=8, batch_size=64)


def _trec_lstm(cache: Path) -> bu.Plan:
    return bu.Plan(model=Words, data=bu.load(str(DATA / "trec"), seed=0, metric="accuracy"), epochs=8, batch_size=64)


def _adult(cache: Path) -> bu.Plan:
    data = bu.load(str(DATA / "adult" / "adult.csv"), target="income", seed=0, max_rows=12_000)
    return bu.Plan(model=mlp, data=data, epochs=8, batch_size=64)


CASES = {
    case.name: case
    for case in (
        Case(name="digits CNN", plan=_digits),
        Case(name="Adult MLP", plan=_adult),
        Case(name="TREC TextCNN", plan=_trec),
        Case(name="TREC LSTM", plan=_trec_lstm),
        Case(name="CIFAR-10 ResNet-9", plan=_cifar),
        Case(name="CIFAR-10 DenseNet-22", plan=_cifar_dense),
    )
}
