"""Replay the search procedure on recorded full factorials, where the right answer is known.

    python benchmarks/experiments/replay.py [--replays 250] [--seed 0] [--json FILE]

Every combination of 7 or 8 techniques was trained on 8 splits, so a strategy can be replayed without training.
A replay deals the splits anew: a strategy sees validation accuracies of 5 of them, and the recipe it ends with is
scored on the other 3, on validation and test examples together. Screen and pilot use 2 of the 5, re-runs the other 3:
the re-runs are as fresh as in the real procedure, the screen has fewer splits. Baseline runs are drawn from 24
re-initializations on each split.

Printed for each table and strategy:
    share      gain on the held-out splits, as a share of that of the recipe with the best mean over all 5 search splits
    worse      how often the final recipe is truly worse than the baseline, in %
    optimism   gain claimed by the strategy minus the true one, in points
    coverage   of the model's 90 % intervals, each technique at the recommended recipe, in %; the truth is the mean over
               all 8 splits, which holds the runs the model saw: slightly flattering
and, where the baseline was re-initialized often enough, for a world in which no technique does anything (A/A): how
often one is said to help, how often a recipe is kept for confirmation, how often two equal arms end as CONFIRMED after
3, 5 or 8 pairs, and the gain the search claims, in points. On Adult the true differences between good recipes and the
baseline are about as small as the error of the held-out means, which "worse" therefore contains.

The recorded factorials are found in $BURNISH_DATA/factorials, by default ../shared/data beside the project.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from burnish.metrics import metric
from burnish.studies.analysis import Posterior, fit
from burnish.studies.candidates import candidates, winner
from burnish.studies.collapse import clip_collapsed
from burnish.studies.confirmation import CONFIRMED, CONTINUE, LOOKS, decide
from burnish.studies.design import Recipe, recipe_of, screen_design, signs
from burnish.studies.effects import PROVEN

ACCURACY = metric("accuracy")
SEARCH, FRESH = 5, 3  # search splits; those of them that are kept for re-runs
DIGITS = ["bn", "drop", "ls", "aug", "act", "wd", "mixup", "skip"]
ADULT = ["bn", "drop", "ls", "act", "wd", "mixup", "rank"]

Array = np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """One recorded factorial: accuracies by recipe (binary number of its 0/1 columns) and split."""

    name: str
    factors: int
    validation: Array  # (2^k, 8)
    everything: Array  # (2^k, 8) validation and test examples together
    baseline: Array  # (8, m) further baseline runs, validation
    n_train: int
    n_validation: int


@dataclass(eq=False, kw_only=True)
class Lab:
    """Hands out recorded runs as if they were trained; counts them. In an A/A world every technique does nothing."""

    table: Table
    rng: np.random.Generator
    nothing: bool = False
    runs: int = 0
    splits: Array = field(init=False)

    def __post_init__(self) -> None:
        self.splits = self.rng.permutation(self.table.validation.shape[1])

    def train(self, recipe: Recipe, split: int) -> float:
        self.runs += 1
        split = self.splits[split]
        if self.nothing or not any(recipe):
            return float(self.rng.choice(self.table.baseline[split]))
        return float(self.table.validation[number(recipe), split])

    def gain(self, recipe: Recipe) -> float:
        held = self.table.everything[:, self.splits[SEARCH:]].mean(1)
        return 0.0 if self.nothing else float(held[number(recipe)] - held[0])

    def available(self) -> float:
        best = self.table.validation[:, self.splits[:SEARCH]].mean(1).argmax()
        held = self.table.everything[:, self.splits[SEARCH:]].mean(1)
        return float(held[best] - held[0])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The recipe a strategy ends with, the gain it claims, and what the model says of each technique."""

    recipe: Recipe
    claim: float
    covered: tuple[bool, ...] = ()
    helps: tuple[bool, ...] = ()


def number(recipe: Recipe) -> int:
    return sum(int(on) << (len(recipe) - 1 - j) for j, on in enumerate(recipe))


def load(folder: Path) -> list[Table]:
    digits, adult = (pd.read_csv(folder / f"{name}.csv") for name in ("digits", "adult"))
    digits_init, adult_init = (pd.read_csv(folder / f"{name}_init.csv") for name in ("digits", "adult"))
    skip = digits[digits["skip"] == 1]
    bare = DIGITS[:-1]
    own = skip[(skip[bare] == 0).all(axis=1)]  # with skip there are no re-initializations: the 8 runs themselves
    return [
        _table("digits, with skip", skip, own, bare, 300, 700, 797),
        _table("digits", digits, digits_init, DIGITS, 300, 700, 797),
        _table("Adult", adult, adult_init, ADULT, 800, 3000, 6000),
    ]


def _table(
    name: str, runs: pd.DataFrame, again: pd.DataFrame, factors: list[str], train: int, validation: int, test: int
) -> Table:
    def by_cell(column: str) -> Array:
        return runs.pivot_table(index=factors, columns="split_seed", values=column).sort_index().to_numpy()

    def together(seen: Array, unseen: Array) -> Array:
        return (validation * seen + test * unseen) / (validation + test)

    seen, everything = by_cell("val_acc"), together(by_cell("val_acc"), by_cell("test_acc"))
    by_split = again.groupby("split_seed")
    everything[0] = together(by_split["val_acc"].mean().to_numpy(), by_split["test_acc"].mean().to_numpy())
    return Table(
        name=name,
        factors=len(factors),
        validation=seen,
        everything=everything,
        baseline=np.array([part["val_acc"].to_numpy() for _, part in by_split]),
        n_train=train,
        n_validation=validation,
    )


def designed(lab: Lab, seed: int, *, screen: int = 12, count: int = 4) -> Outcome:
    """The default: pilot, Plackett-Burman screen, model, candidates re-run on fresh splits beside the baseline."""
    table, first = lab.table, SEARCH - FRESH
    nothing = (False,) * table.factors
    design = screen_design(table.factors, screen, seed)
    pilot_blocks = np.arange(4) % first
    pilot = np.array([lab.train(nothing, b) for b in pilot_blocks])
    blocks = design.blocks % first
    scores = np.array([lab.train(r, b) for r, b in zip(design.recipes(), blocks, strict=True)])
    level, sigma = float(pilot.mean()), float(pilot.std(ddof=1))

    def scaled(values: Array) -> Array:
        clipped = clip_collapsed(values.ravel(), level, ACCURACY, sigma)[0]
        return np.array([ACCURACY.to_scale(v, table.n_validation) for v in clipped]).reshape(values.shape)

    z, pilot_z = scaled(scores), scaled(pilot)
    chosen = candidates(
        fit(design.rows, z, blocks, pilot_z=pilot_z, pilot_blocks=pilot_blocks), design.rows, z, count=count
    )
    arms = [nothing, *(c.recipe for c in chosen)]
    again = np.array([[lab.train(arm, split) for split in range(first, SEARCH)] for arm in arms])
    best = winner(again[1:], again[0])
    recipe = nothing if best is None else arms[1 + best]
    claim = 0.0 if best is None else float((again[1 + best] - again[0]).mean())
    rows = np.vstack([design.rows, np.repeat([signs(arm) for arm in arms], FRESH, axis=0)])
    everything = fit(
        rows,
        np.concatenate([z, scaled(again).ravel()]),
        np.concatenate([blocks, np.tile(np.arange(first, SEARCH), len(arms))]),
        pilot_z=pilot_z,
        pilot_blocks=pilot_blocks,
    )
    target = recipe if any(recipe) else chosen[0].recipe
    return Outcome(recipe=recipe, claim=claim, **_words(lab, everything, target, scaled))


def _words(lab: Lab, posterior: Posterior, recipe: Recipe, scaled: Callable[[Array], Array]) -> dict:
    """Whether each technique's interval holds its true effect at the recipe, and whether it is said to help."""
    covered, helps = [], []
    for j in range(lab.table.factors):
        off, on = ((*recipe[:j], state, *recipe[j + 1 :]) for state in (False, True))
        true = scaled(lab.table.everything[[number(off), number(on)]]).mean(1)
        low, high = posterior.interval(recipe, j, 0.90)
        covered.append(low <= (0.0 if lab.nothing else true[1] - true[0]) <= high)
        helps.append(posterior.p_helps(recipe, j) > PROVEN)
    return {"covered": tuple(covered), "helps": tuple(helps)}


def random_search(lab: Lab, seed: int) -> Outcome:
    """16 random recipes, each on one split; the best 4 again on 3 fresh splits, beside the baseline."""
    k, first = lab.table.factors, SEARCH - FRESH
    rng = np.random.default_rng(seed)
    recipes = [recipe_of(row) for row in np.array([signs(_bits(n, k)) for n in rng.choice(2**k - 1, 16, False) + 1])]
    seen = [lab.train(recipe, i % first) for i, recipe in enumerate(recipes)]
    arms = [(False,) * k, *(recipes[i] for i in np.argsort(seen)[::-1][:4])]
    again = np.array([[lab.train(arm, split) for split in range(first, SEARCH)] for arm in arms])
    best = winner(again[1:], again[0])
    if best is None:
        return Outcome(recipe=arms[0], claim=0.0)
    return Outcome(recipe=arms[1 + best], claim=float((again[1 + best] - again[0]).mean()))


def one_at_a_time(lab: Lab, seed: int) -> Outcome:
    """Each technique alone on 3 splits against a 4-run baseline; all that seem to gain are stacked."""
    nothing = (False,) * lab.table.factors
    level = float(np.mean([lab.train(nothing, split) for split in range(4)]))
    gains = []
    for j in range(lab.table.factors):
        alone = (*nothing[:j], True, *nothing[j + 1 :])
        gains.append(float(np.mean([lab.train(alone, split) for split in range(3)])) - level)
    return Outcome(recipe=tuple(g > 0 for g in gains), claim=sum(g for g in gains if g > 0))


def _bits(value: int, width: int) -> list[bool]:
    return [bool(value >> (width - 1 - j) & 1) for j in range(width)]


def confirmed(table: Table, rng: np.random.Generator) -> bool:
    """Whether two arms that are the same baseline end as CONFIRMED."""
    gains: list[float] = []
    for split in rng.permutation(table.baseline.shape[0]):
        before, after = rng.choice(table.baseline[split], 2, replace=False)
        gains.append(float(after - before))
        decision = decide(gains, n_train=table.n_train, n_validation=table.n_validation, looks=LOOKS, min_gain=0.0)
        if decision.verdict != CONTINUE:
            return decision.verdict == CONFIRMED
    return False


Strategy = Callable[[Lab, int], Outcome]
STRATEGIES: dict[str, Strategy] = {
    "one technique at a time": one_at_a_time,
    "random 16 + top 4 again": random_search,
    "PB12 + model + 4 again": designed,
    "PB24 + model + 4 again": lambda lab, seed: designed(lab, seed, screen=24),
}


def replay(table: Table, strategy: Strategy, replays: int, seed: int) -> dict:
    gains, offered, claims, runs = [], [], [], 0
    covered: list[bool] = []
    for i in range(replays):
        lab = Lab(table=table, rng=np.random.default_rng([seed, i]))
        outcome = strategy(lab, i)
        gains.append(lab.gain(outcome.recipe))
        offered.append(lab.available())
        claims.append(outcome.claim)
        covered.extend(outcome.covered)
        runs = lab.runs
    gain, share = np.array(gains), float(np.mean(gains) / np.mean(offered))
    error = float(gain.std(ddof=1) / np.sqrt(replays) / abs(np.mean(offered)))
    return {
        "runs": runs,
        "share": share,
        "share_error": error,
        "worse": float((gain < 0).mean()),
        "optimism": float(np.mean(np.array(claims) - gain)),
        "available": float(np.mean(offered)),
        "coverage": float(np.mean(covered)) if covered else None,
    }


def nothing_helps(table: Table, replays: int, seed: int) -> dict:
    if table.baseline.shape[1] < 2:
        return {}
    outcomes = [
        designed(Lab(table=table, rng=np.random.default_rng([seed, 1, i]), nothing=True), i) for i in range(replays)
    ]
    rng = np.random.default_rng([seed, 2])
    return {
        "helps": float(np.mean([o.helps for o in outcomes])),
        "kept": float(np.mean([any(o.recipe) for o in outcomes])),
        "optimism": float(np.mean([o.claim for o in outcomes])),
        "confirmed": float(np.mean([confirmed(table, rng) for _ in range(4 * replays)])),
        "coverage": float(np.mean([o.covered for o in outcomes])),
    }


def line(name: str, found: dict) -> str:
    coverage = "" if found["coverage"] is None else f"{found['coverage']:.0%}"
    share = f"{100 * found['share']:.0f} ± {100 * found['share_error']:.0f}"
    return f"{name:26}{found['runs']:5}{share:>11}{found['worse']:7.0%}{100 * found['optimism']:+10.2f}{coverage:>10}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("BURNISH_DATA", beside)) / "factorials"
    if not folder.is_dir():
        parser.error(f"no recorded factorials in {folder}: set BURNISH_DATA to the folder that has factorials/")
    started = time.perf_counter()
    results: dict[str, dict[str, dict]] = {}
    print(f"{'':26}{'runs':>5}{'share':>11}{'worse':>7}{'optimism':>10}{'coverage':>10}")
    for table in load(folder):
        results[table.name] = {}
        for name, strategy in STRATEGIES.items():
            found = results[table.name][name] = replay(table, strategy, options.replays, options.seed)
            print(line(name, found))
        null = results[table.name]["A/A"] = nothing_helps(table, options.replays, options.seed)
        print(f"  {table.name}: {100 * found['available']:.2f} points to gain; ", end="")
        words = "A/A: helps {helps:.1%}, kept {kept:.0%}, confirmed {confirmed:.1%}, coverage {coverage:.0%}"
        print(words.format(**null) + f", claim {100 * null['optimism']:+.2f}\n" if null else "no A/A world\n")
    print(f"{options.replays} replays, {time.perf_counter() - started:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
