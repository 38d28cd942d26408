"""Whether the interval of a confirmed gain holds what it should, on pools of rows that share nothing.

    python benchmarks/experiments/coverage.py [--pools 200]

Pools are cut from Adult (classification) and kin8nm (regression): disjoint ones until the rows are used up, then from
another order. On each, pairs of quick models are compared on overlapping splits, by the procedure as shipped: 3, 5, 8
pairs, `studies.confirmation.decide`. The true gain is the mean over all pools of the gain on the rows outside the pool,
which no A/A test could give: it cannot see intervals that are too narrow.

For each size and pair of models: coverage of the interval where the procedure stops, nominal 90 % as shipped and 95 %
(`alpha` .025), with the median half-width in points or thousandths; how often CONFIRMED is said when the true gain is
subtracted (promised: at most 5 %); the mean error of the gain where the procedure stops, in standard deviations of the
mean gain of a pool; and coverage of nominal 90 % after 8 pairs of the three intervals there are to choose from: a plain
t, the corrected resampled t (Nadeau and Bengio 2003), the replicates' spread plus the bootstrap over pooled examples.
Shipped is the last one with as many validation as training rows or more, else the corrected t.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from burnish.studies.confirmation import CONFIRMED, CONTINUE, LOOKS, Decision, corrected_error, decide, example_error

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("BURNISH_DATA", HERE.parents[2] / "shared" / "data"))
SIZES = ((300, 600), (600, 200))
SPLITS = LOOKS[-1]
OUTSIDE = 1000  # rows outside the pool, for the truth

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Case:
    """A data set, its quick models by name, the pairs to compare, and what an example's error is."""

    load: Callable[[], tuple[Array, Array]]
    models: Callable[[int], dict]
    pairs: tuple[tuple[str, str], ...]
    unit: float
    score: Callable[[Array], float]  # mean error of examples to the metric, smaller is better


def adult() -> tuple[Array, Array]:
    table = pd.read_csv(DATA / "adult" / "adult.csv", skipinitialspace=True)
    target = table.pop("income").astype(str).str.contains(">50").to_numpy().astype(float)
    inputs = pd.get_dummies(table).to_numpy(float)
    return (inputs - inputs.mean(0)) / (inputs.std(0) + 1e-9), target


def kin8nm() -> tuple[Array, Array]:
    rows = np.loadtxt(DATA / "uci" / "kin8nm" / "data.txt")
    return rows[:, :-1], rows[:, -1]


def classifiers(seed: int) -> dict:
    return {
        "logistic": LogisticRegression(C=0.02, max_iter=60),
        "tree": DecisionTreeClassifier(max_depth=5, max_features=0.5, random_state=seed),
        "another tree": DecisionTreeClassifier(max_depth=3, max_features=0.5, random_state=seed + 1),
    }


def regressors(seed: int) -> dict:
    return {
        "ridge": Ridge(),
        "neighbors": KNeighborsRegressor(8),
        "tree": DecisionTreeRegressor(max_depth=8, max_features=0.7, random_state=seed),
        "another tree": DecisionTreeRegressor(max_depth=5, max_features=0.7, random_state=seed + 1),
    }


CASES = {
    "Adult": Case(
        load=adult,
        models=classifiers,
        pairs=(("another tree", "tree"), ("tree", "logistic")),
        unit=100.0,
        score=lambda squares: float(squares.mean()),  # of labels 0 and 1: the error rate
    ),
    "kin8nm": Case(
        load=kin8nm,
        models=regressors,
        pairs=(("another tree", "tree"), ("tree", "ridge"), ("ridge", "neighbors")),
        unit=1000.0,
        score=lambda squares: float(np.sqrt(squares.mean())),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One split of one pool: its validation rows and, for each model, squared errors there and the score outside."""

    rows: Array
    squares: dict[str, Array]
    outside: dict[str, float]


def pools_of(count: int, size: int, total: int) -> list[Array]:
    """`count` pools, disjoint as long as the rows of one order last."""
    found: list[Array] = []
    order = 0
    while len(found) < count:
        rows = np.random.default_rng([order, size]).permutation(total)
        found += [rows[i : i + size] for i in range(0, total - size + 1, size)]
        order += 1
    return found[:count]


def one_pool(case: Case, inputs: Array, target: Array, pool: Array, n_train: int, seed: int) -> list[Part]:
    """Every model on every split of the pool."""
    rng = np.random.default_rng([seed, n_train])
    outside = rng.choice(np.setdiff1d(np.arange(len(target)), pool), OUTSIDE, replace=False)
    parts = []
    for split in range(SPLITS):
        order = rng.permutation(len(pool))
        train, validation = pool[order[:n_train]], pool[order[n_train:]]
        squares, far = {}, {}
        for name, model in case.models(2 * (SPLITS * seed + split)).items():
            model.fit(inputs[train], target[train])
            squares[name] = (model.predict(inputs[validation]) - target[validation]) ** 2
            far[name] = case.score((model.predict(inputs[outside]) - target[outside]) ** 2)
        parts.append(Part(rows=order[n_train:], squares=squares, outside=far))
    return parts


class Compared:
    """The paired gains of two models on the splits of one pool."""

    def __init__(self, case: Case, parts: list[Part], pair: tuple[str, str], n_train: int) -> None:
        self.case, self.parts, self.pair = case, parts, pair
        self.n_train, self.n_validation = n_train, len(parts[0].rows)
        self.gains = np.array([self.gain_of(j, np.arange(self.n_validation)) for j in range(len(parts))])
        self.outside = float(np.mean([p.outside[pair[0]] - p.outside[pair[1]] for p in parts]))
        self.examples = {look: self._over_examples(look) for look in LOOKS}

    def gain_of(self, j: int, positions: Array) -> float:
        before, after = (self.case.score(self.parts[j].squares[name][positions]) for name in self.pair)
        return before - after

    def _over_examples(self, look: int) -> float:
        return example_error([p.rows for p in self.parts[:look]], self.gain_of, resamples=100)

    def shipped(self, *, alpha: float = 0.05, minus: float = 0.0) -> Decision:
        """Where the sequential procedure stops, with `minus` subtracted from every gain."""
        for look in LOOKS:
            decision = decide(
                self.gains[:look] - minus,
                n_train=self.n_train,
                n_validation=self.n_validation,
                min_gain=0.0,
                alpha=alpha,
                example_se=self.examples[look] if self.n_validation >= self.n_train else None,
            )
            if decision.verdict != CONTINUE:
                break
        return decision

    def covers(self, true: float, way: str) -> bool:
        """Whether the 90 % interval after all pairs holds `true`."""
        n_validation = 0 if way == "plain t" else self.n_validation
        example_se = self.examples[LOOKS[-1]] if way == "with examples" else None
        error, dof = corrected_error(self.gains, self.n_train, n_validation, example_se=example_se)
        return bool(abs(self.gains.mean() - true) <= stats.t.ppf(0.95, dof) * error)


def measured(found: list[Compared], unit: float) -> dict[str, float]:
    """What came of one pair of models over all pools."""
    true = float(np.mean([c.outside for c in found]))
    spread = float(np.std([c.gains.mean() for c in found], ddof=1))
    result: dict[str, float] = {"gain": unit * true, "pools": len(found)}
    for level, alpha in ((90, 0.05), (95, 0.025)):
        ends = [c.shipped(alpha=alpha).estimate for c in found]
        result[f"coverage_{level}"] = float(np.mean([e.low <= true <= e.high for e in ends]))
        result[f"half_width_{level}"] = unit * float(np.median([(e.high - e.low) / 2 for e in ends]))
        if level == 90:
            result["bias"] = float(np.mean([e.value - true for e in ends])) / spread
    result["false_confirmed"] = float(np.mean([c.shipped(minus=true).verdict == CONFIRMED for c in found]))
    for way in ("plain t", "corrected", "with examples"):
        result[way] = float(np.mean([c.covers(true, way) for c in found]))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, default=200)
    parser.add_argument("--json", type=Path, default=HERE / "coverage.json")
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds of processor time, then stop")
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name, case in CASES.items():
        inputs, target = case.load()
        for n_train, n_validation in SIZES:
            key = f"{name} {n_train}/{n_validation}"
            if key not in results:
                if time.process_time() > options.limit:
                    return
                pools = pools_of(options.pools, n_train + n_validation, len(target))
                parts = [one_pool(case, inputs, target, pool, n_train, i) for i, pool in enumerate(pools)]
                results[key] = {
                    " against ".join(reversed(pair)): measured(
                        [Compared(case, part, pair, n_train) for part in parts], case.unit
                    )
                    for pair in case.pairs
                }
                options.json.write_text(json.dumps(results, indent=1) + "\n")
            for pair, found in results[key].items():
                shown = ", ".join(f"{what} {value:.3g}" for what, value in found.items())
                print(f"{key} {pair}: {shown}", flush=True)


if __name__ == "__main__":
    main()
