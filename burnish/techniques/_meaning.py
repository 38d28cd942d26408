"""Whether mirrored or rotated images still mean the same, asked of the data.

A simple probe learns the targets of some training images as they are, and answers for others as they are and changed.
Where the data do not care about a change, as photographs of animals about mirroring, changed images look like others
of their class and the probe is about as good on them; where a changed image says something else, or nothing, as in
mirrored writing, the probe loses most of its skill. It has never seen changed images, so it allows what looks natural.

The probe is kernel ridge regression on at most 16 x 16 pixels: it needs no training, is the same everywhere, and is too
weak to learn a change away.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.data.data import Data
from burnish.data.tensors import network_tensor
from burnish.techniques._image_geometry import transformed

__all__ = ["Kept", "kept"]

FIT_ROWS, ASKED_ROWS, FEWEST = 400, 600, 60
SIDE, RIDGE = 16, 1e-2
LEAST_SKILL = 0.05  # below which the probe knows too little to be asked
ENOUGH = 0.7  # share of the skill that has to be left
MEMORY = 64  # answers that are kept

_answers: OrderedDict[tuple[str, str], "Kept"] = OrderedDict()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a change leaves of a probe's skill.

    Attributes:
        change: `mirrored` or `rotated by N degrees`.
        before: Skill on images as they are: 1 for perfect answers, 0 for always the most frequent class, or the mean.
        after: The same on the changed images.
        rows: How many were asked.
        taken: The class that is taken for one other class most, that class, and the share; empty for values.
    """

    change: str
    before: float
    after: float
    rows: int
    taken: tuple[str, str, float] | None = None

    @property
    def known(self) -> bool:
        """Whether the probe has skill enough to be asked."""
        return self.before > LEAST_SKILL

    @property
    def same(self) -> bool:
        """Whether the changed images mean the same."""
        return self.known and self.after >= ENOUGH * self.before

    def __str__(self) -> str:
        if not self.known:
            return f"{self.change}: cannot tell; a simple probe has no skill on these images ({self.rows} asked)"
        left = max(self.after / self.before, 0.0)
        said = f"{self.change}: a simple probe keeps {left:.0%} of its skill ({self.rows} training images)"
        if self.same:
            return f"{said}: the same meaning"
        lost = f"; {self.taken[0]!r} is taken for {self.taken[1]!r} in {self.taken[2]:.0%}" if self.taken else ""
        return f"{said}{lost}: another meaning"


def kept(data: Data, degrees: float | None = None) -> Kept:
    """The answer of `data` to mirroring, or to rotation by `degrees` both ways; each is worked out once.

    Only training rows are looked at. The same rows are asked for every change.
    """
    change = "mirrored" if degrees is None else f"rotated by {degrees:g} degrees"
    rows = hashlib.sha256(np.ascontiguousarray(data.train_rows).tobytes()).hexdigest()
    key = (f"{data.fingerprint}{data.task.kind}{rows}", change)
    if key not in _answers:
        _answers[key] = _asked(data, change, degrees)
    while len(_answers) > MEMORY:
        _answers.popitem(last=False)
    return _answers[key]


def _asked(data: Data, change: str, degrees: float | None) -> Kept:
    order = np.random.default_rng(0).permutation(len(data.train))[: FIT_ROWS + ASKED_ROWS]
    split = min(FIT_ROWS, len(order) // 2)
    if len(order) - split < FEWEST:
        return Kept(change=change, before=0.0, after=0.0, rows=len(order) - split)
    images = network_tensor(data.preparation, data.train.take(order).inputs)
    targets = _wanted(data, order)
    probe = _Probe(_small(images[:split]), targets[:split])
    asked = images[split:]
    plain, moved = probe(_small(asked)), probe(_small(_changed(asked, degrees)))
    wanted, classes = targets[split:], data.task.kind == "classification"
    before, after = (_skill(said, wanted, classes) for said in (plain, moved))
    taken = _taken(plain, moved, wanted, data.task.names) if classes else None
    return Kept(change=change, before=before, after=after, rows=len(wanted), taken=taken)


def _wanted(data: Data, order: np.ndarray) -> Tensor:
    """What the probe learns: a column of 0 and 1 for each class or label, or the values."""
    targets = torch.from_numpy(np.ascontiguousarray(data.task.encode(data.train.take(order).targets)))
    return F.one_hot(targets, data.task.outputs).float() if targets.ndim == 1 else targets.float()


def _changed(images: Tensor, degrees: float | None) -> Tensor:
    if degrees is None:
        return images.flip(3)
    none, one = torch.zeros(len(images)), torch.ones(len(images))
    angle = (torch.arange(len(images)) % 2 * 2 - 1) * (degrees * pi / 180)
    return transformed(images, angle, one, none, none, none, none)


def _small(images: Tensor) -> Tensor:
    height, width = (min(side, SIDE) for side in images.shape[2:])
    return F.adaptive_avg_pool2d(images, (height, width)).flatten(1).double()


class _Probe:
    """Kernel ridge regression with a Gaussian kernel whose width is the median distance."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.mean = inputs, targets.double().mean(0)
        distance = torch.cdist(inputs, inputs).square()
        self.width = distance.median().clamp(min=1e-12)
        kernel = torch.exp(-2 * distance / self.width) + RIDGE * torch.eye(len(inputs), dtype=torch.float64)
        self.weights = torch.linalg.solve(kernel, targets.double() - self.mean)

    def __call__(self, inputs: Tensor) -> Tensor:
        distance = torch.cdist(inputs, self.inputs).square()
        return torch.exp(-2 * distance / self.width) @ self.weights + self.mean


def _skill(said: Tensor, wanted: Tensor, classes: bool) -> float:
    if classes:
        often = float(wanted.mean(0).max())
        right = float((said.argmax(1) == wanted.argmax(1)).float().mean())
        return (right - often) / max(1 - often, 1e-9)
    spread = (wanted - wanted.mean(0)).square().mean().clamp(min=1e-12)
    return float(1 - (said - wanted).square().mean() / spread)


def _taken(plain: Tensor, moved: Tensor, wanted: Tensor, names: tuple[str, ...]) -> tuple[str, str, float] | None:
    """Of which class most is taken for one other class only when changed."""
    truth, best = wanted.argmax(1), None
    for c in truth.unique().tolist():
        mine = truth == c
        then, now = (torch.bincount(s[mine].argmax(1), minlength=len(names)) / mine.sum() for s in (plain, moved))
        rise = now - then
        rise[c] = -1
        into = int(rise.argmax())
        if best is None or float(rise[into]) > best[2]:
            best = (str(names[c]), str(names[into]), float(rise[into]))
    return best
