"""Recorded full factorials as arrays, and the two laboratories that hand their runs out as if they were trained."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from burnish.metrics import Metric, metric
from burnish.studies.collapse import clip_collapsed
from burnish.studies.design import Recipe, signs

__all__ = ["Lab", "Recorded", "Table", "World", "default_folder", "load_tables", "number", "recipes"]

Array = np.ndarray

HERE = Path(__file__).resolve().parent
DIGITS = ["bn", "drop", "ls", "aug", "act", "wd", "mixup", "skip"]
ADULT = ["bn", "drop", "ls", "act", "wd", "mixup", "rank"]
OWN = {  # name, factors, primary metric, training, validation and test rows, as `record.py` has them
    "kin8nm": (["bn", "drop", "mixup", "wd", "act", "cosine"], "rmse", 500, 1000, 6692),
    "TREC": (["drop", "aug", "ls", "bn", "wd", "cosine"], "accuracy", 600, 700, 2000),
    "CIFAR": (["bn", "aug", "ls", "mixup", "drop", "cosine"], "accuracy", 1000, 1000, 4000),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """One recorded factorial: scores by cell (binary number of its 0/1 columns) and split.

    Attributes:
        name: For people.
        factors: Number of techniques, k.
        metric: What the scores are.
        validation: `(2^k, S)` scores on validation rows, which strategies may see.
        everything: `(2^k, S)` scores on validation and test rows together, which decide.
        baseline: `(S, m)` validation scores of the baseline, initialized again and again on each split.
        n_train: Training rows of a run.
        n_validation: Validation rows of a run.
    """

    name: str
    factors: int
    metric: Metric
    validation: Array
    everything: Array
    baseline: Array
    n_train: int
    n_validation: int

    @property
    def sign(self) -> float:
        """1 where larger scores are better, else -1."""
        return 1.0 if self.metric.greater_is_better else -1.0

    @property
    def unit(self) -> float:
        """What gains are multiplied with for people: points of accuracy, thousandths of an error."""
        return 100.0 if self.metric.bounded else 1000.0

    @cached_property
    def sigma(self) -> float:
        """Standard deviation of the baseline's validation score between splits and initializations."""
        within = self.baseline.var(1, ddof=1).mean() if self.baseline.shape[1] > 1 else 0.0
        between = self.baseline.mean(1).var(ddof=1)
        return float(np.sqrt(between + within * (1 - 1 / self.baseline.shape[1])))

    @cached_property
    def surface(self) -> Array:
        """`(2^k,)` scores as the world has them: cell means, each order of interaction shrunk by its own noise.

        Without that the noise of a mean over few splits would count as interaction of high order. Collapsed runs are
        clipped for it, as the pipeline does, and what they cost their cell is taken off afterwards.
        """
        clipped = clip_collapsed(self.everything, float(self.baseline.mean()), self.metric, self.sigma)[0]
        split_free = clipped - np.median(clipped, axis=0)
        columns = walsh(self.factors)
        noise = split_free.var(1, ddof=1).mean() / split_free.shape[1] / len(columns)
        coefficients = columns.T @ clipped.mean(1) / len(columns)
        order = recipes(self.factors).sum(1)
        for o in range(1, self.factors + 1):
            power = float((coefficients[order == o] ** 2).mean())
            coefficients[order == o] *= max(0.0, 1 - noise / power)
        return columns @ coefficients + (self.everything - clipped).mean(1)

    @cached_property
    def spread(self) -> tuple[Array, list[Array]]:
        """What a run adds to the surface: the effects `(S,)` of the splits, and per cell its residuals.

        The effect of a split is a median over the cells, so that collapsed runs do not decide it.
        """
        splits = self.validation.shape[1]
        inflation = np.sqrt(splits / (splits - 1))
        deviation = (self.validation - self.validation.mean(1, keepdims=True)) * inflation
        effects = np.median(deviation, axis=0)
        effects -= effects.mean()
        residuals = list(deviation - effects)
        residuals[0] = ((self.baseline - self.baseline.mean()) * inflation - effects[:, None]).ravel()
        return effects, residuals


@dataclass(eq=False, kw_only=True)
class Lab:
    """Hands out runs and counts them. With `nothing`, every technique does nothing (A/A).

    Attributes:
        table: The recorded factorial.
        rng: All its randomness.
        nothing: Whether techniques do nothing.
        runs: Runs handed out so far.
        screen: Number of splits of the screen, from 0; the numbers from there on are fresh.
        seen: Number of splits a strategy may see.
    """

    table: Table
    rng: np.random.Generator
    nothing: bool = False
    runs: int = 0
    screen: int = 12
    seen: int = 28

    def train(self, recipe: Recipe, split: int) -> float:
        """Validation score of one run."""
        self.runs += 1
        return self._score(number(recipe), split)

    def several(self, arms: Sequence[Recipe], splits: Sequence[int]) -> Array:
        """`(arms, splits)` scores."""
        return np.array([[self.train(arm, split) for split in splits] for arm in arms])

    def scaled(self, scores: Array) -> Array:
        """Responses on the additive scale, as the pipeline computes them."""
        scale = self.table.metric.to_scale
        return np.vectorize(lambda s: scale(s, self.table.n_validation), otypes=[float])(scores)

    def gain(self, recipe: Recipe) -> float:
        """The true gain of `recipe` over the baseline, positive is better."""
        truth = self.truth()
        return 0.0 if self.nothing else float(self.table.sign * (truth[number(recipe)] - truth[0]))

    def truth(self) -> Array:
        """`(2^k,)` true scores."""
        raise NotImplementedError

    def available(self) -> float:
        """The gain of the best recipe."""
        raise NotImplementedError

    def _score(self, cell: int, split: int) -> float:
        raise NotImplementedError


@dataclass(eq=False, kw_only=True)
class Recorded(Lab):
    """The recorded runs themselves, their splits dealt anew: a few for the search, the others decide.

    Of 8 splits the screen gets 2, the re-runs 3, and 3 decide.
    """

    def __post_init__(self) -> None:
        self.dealt = self.rng.permutation(self.table.validation.shape[1])
        self.screen, self.seen = 2, 5

    def truth(self) -> Array:
        return self.table.everything[:, self.dealt[self.seen :]].mean(1)

    def available(self) -> float:
        seen = self.table.sign * self.table.validation[:, self.dealt[: self.seen]].mean(1)
        truth = self.table.sign * self.truth()
        return float(truth[seen.argmax()] - truth[0])

    def _score(self, cell: int, split: int) -> float:
        if split >= self.seen:
            raise IndexError(f"split {split} decides; a strategy may see {self.seen}")
        own = self.dealt[split]
        if self.nothing or cell == 0:
            return float(self.rng.choice(self.table.baseline[own]))
        return float(self.table.validation[cell, own])


@dataclass(eq=False, kw_only=True)
class World(Lab):
    """As many splits as are asked for, resampled from the record, with a truth that is known exactly.

    A run is the table's surface, plus the effect of the recorded split drawn for the world's split, plus a residual
    drawn from those of its cell.
    """

    drawn: dict[int, int] = field(default_factory=dict)

    def truth(self) -> Array:
        return self.table.surface

    def available(self) -> float:
        surface = self.table.sign * self.table.surface
        return float(surface.max() - surface[0])

    def _score(self, cell: int, split: int) -> float:
        effects, residuals = self.table.spread
        if split not in self.drawn:
            self.drawn[split] = int(self.rng.integers(len(effects)))
        if self.nothing:
            cell = 0
        score = self.table.surface[cell] + effects[self.drawn[split]] + self.rng.choice(residuals[cell])
        return float(np.clip(score, 0.0, 1.0) if self.table.metric.bounded else max(score, 1e-6))


def recipes(factors: int) -> Array:
    """All `(2^k, k)` booleans, in the order of the cells."""
    return (np.arange(2**factors)[:, None] >> np.arange(factors)[::-1] & 1).astype(bool)


def number(recipe: Sequence[bool]) -> int:
    """The cell of a recipe."""
    return sum(int(on) << (len(recipe) - 1 - j) for j, on in enumerate(recipe))


def walsh(factors: int) -> Array:
    """`(2^k, 2^k)` of -1/+1: the products of the techniques of each cell, for every recipe."""
    rows, members = signs(recipes(factors)), recipes(factors)
    return np.array([np.where(on, rows, 1.0).prod(1) for on in members]).T


def default_folder() -> Path:
    """Where the shared factorials are."""
    beside = HERE.parents[2] / "shared" / "data"
    return Path(os.environ.get("BURNISH_DATA", beside)) / "factorials"


def load_tables(folder: Path, own: Path = HERE / "data") -> list[Table]:
    """The shared factorials and those `record.py` recorded."""
    digits, adult = (pd.read_csv(folder / f"{name}.csv") for name in ("digits", "adult"))
    digits_again, adult_again = (pd.read_csv(folder / f"{name}_init.csv") for name in ("digits", "adult"))
    bare, accuracy = DIGITS[:-1], metric("accuracy")
    skip = digits[digits["skip"] == 1]
    alone = skip[(skip[bare] == 0).all(axis=1)]  # with skip there are no re-initializations: the 8 runs themselves
    found = [
        _table("digits", digits, digits_again, DIGITS, accuracy, (300, 700, 797)),
        _table("digits, with skip", skip, alone, bare, accuracy, (300, 700, 797)),
        _table("digits, without skip", digits[digits["skip"] == 0], digits_again, bare, accuracy, (300, 700, 797)),
        _table("Adult", adult, adult_again, ADULT, accuracy, (800, 3000, 6000)),
    ]
    for name, (factors, primary, *sizes) in OWN.items():
        cells, again = (next(own.glob(f"{name.lower()}{part}.csv*"), None) for part in ("", "_again"))
        if cells and again and again.stat().st_size:
            runs = _whole_splits(pd.read_csv(cells), 2 ** len(factors))
            extra = pd.read_csv(again)
            extra = extra[extra["split_seed"].isin(runs["split_seed"])]
            found.append(_table(name, runs, extra, factors, metric(primary), tuple(sizes)))
    return found


def _whole_splits(runs: pd.DataFrame, cells: int) -> pd.DataFrame:
    """The rows of the splits of which every cell is recorded."""
    return runs[runs.groupby("split_seed")["run"].transform("count") == cells]


def _table(
    name: str,
    runs: pd.DataFrame,
    again: pd.DataFrame,
    factors: list[str],
    primary: Metric,
    sizes: tuple[int, ...],
) -> Table:
    column = {"accuracy": "acc", "rmse": "rmse"}[primary.name]
    train, validation, test = sizes

    def by_cell(part: str) -> Array:
        return runs.pivot_table(index=factors, columns="split_seed", values=f"{part}_{column}").sort_index().to_numpy()

    def together(seen: Array, unseen: Array) -> Array:
        power = 1 if primary.bounded else 2  # errors are pooled as their squares
        return ((validation * seen**power + test * unseen**power) / (validation + test)) ** (1 / power)

    everything = together(by_cell("val"), by_cell("test"))
    by_split = again.groupby("split_seed")
    means = [by_split[f"{part}_{column}"].mean().to_numpy() for part in ("val", "test")]
    everything[0] = together(*means)
    return Table(
        name=name,
        factors=len(factors),
        metric=primary,
        validation=by_cell("val"),
        everything=everything,
        baseline=np.array([part[f"val_{column}"].to_numpy() for _, part in by_split]),
        n_train=train,
        n_validation=validation,
    )
