"""Replay three-level factors and costs on a recorded full factorial: do they pay?

    python benchmarks/experiments/levels.py [--replays 100] [--seed 0] [--json FILE]

The digits factorial has no factor with three levels, but two pairs of techniques that can stand in for one each: batch
norm or skip connections (as batch or group norm), augmentation or mixup (as standard or strong augmentation), never
both of a pair. Strategies are replayed on it as in `replay.py`: 5 of the 8 splits are searched on, the recipe is
scored on the other 3, on validation and test examples together.

    two levels       a gate takes the better of the first pair by one run each, the second pair has its first level
                     only; Plackett-Burman 12
    mixed levels     both pairs are factors with three levels; Bayesian D-optimal 12 and 16
    less costs       what changes the network that ships (batch norm, skip, activation) has to pay for it

Printed: runs; share of what is to gain among all recipes, with its standard error; how often the end is worse than the
baseline; how many techniques the recipe has, and how many of them change the network that ships.
"""

import argparse
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from burnish.metrics import metric
from burnish.pipeline.worth import SERVING, TECHNIQUE
from burnish.studies.analysis import fit
from burnish.studies.candidates import candidates, winner
from burnish.studies.collapse import clip_collapsed
from burnish.studies.design import Recipe, screen_design
from burnish.studies.levels import levels_of

ACCURACY = metric("accuracy")
COLUMNS = ["bn", "drop", "ls", "aug", "act", "wd", "mixup", "skip"]
SERVES = ("bn", "act", "skip")
MIXED = (("bn", "skip"), ("aug", "mixup"), ("drop",), ("ls",), ("act",), ("wd",))
SEARCH, FRESH, VALIDATION, TEST, MIN_GAIN = 5, 3, 700, 797, 0.005

Array = np.ndarray
Factors = tuple[tuple[str, ...], ...]


@dataclass(eq=False, kw_only=True)
class Lab:
    """Recorded runs in a dealt order of splits."""

    validation: dict[frozenset[str], Array]
    everything: dict[frozenset[str], Array]
    again: Array
    order: Array
    rng: np.random.Generator
    runs: int = 0

    def train(self, on: frozenset[str], split: int) -> float:
        self.runs += 1
        at = self.order[split]
        return float(self.validation[on][at] if on else self.rng.choice(self.again[at]))

    def held(self, on: frozenset[str]) -> float:
        return float(
            self.everything[on][self.order[SEARCH:]].mean() - self.everything[frozenset()][self.order[SEARCH:]].mean()
        )


def load(folder: Path) -> tuple[dict[frozenset[str], Array], dict[frozenset[str], Array], Array]:
    runs, again = (pd.read_csv(folder / f"{name}.csv") for name in ("digits", "digits_init"))
    runs["both"] = (VALIDATION * runs["val_acc"] + TEST * runs["test_acc"]) / (VALIDATION + TEST)
    again["both"] = (VALIDATION * again["val_acc"] + TEST * again["test_acc"]) / (VALIDATION + TEST)
    tables = []
    for column in ("val_acc", "both"):
        cells = runs.pivot_table(index=COLUMNS, columns="split_seed", values=column)
        tables.append({named(key): row.to_numpy() for key, row in cells.iterrows()})
    tables[1][frozenset()] = again.groupby("split_seed")["both"].mean().to_numpy()
    own = np.array([part["val_acc"].to_numpy() for _, part in again.groupby("split_seed")])
    return tables[0], tables[1], own


def named(key: tuple[int, ...]) -> frozenset[str]:
    return frozenset(name for name, on in zip(COLUMNS, key, strict=True) if on)


def on_in(factors: Factors, recipe: Recipe) -> frozenset[str]:
    return frozenset(names[level - 1] for names, level in zip(factors, recipe, strict=True) if level)


def everything(factors: Factors) -> list[frozenset[str]]:
    return [on_in(factors, r) for r in itertools.product(*(range(1 + len(names)) for names in factors))]


def search(lab: Lab, seed: int, *, mixed: bool, screen: int, costs: bool) -> frozenset[str]:
    """The recipe that the default procedure ends with: pilot, gate, screen, four candidates on fresh splits."""
    first = SEARCH - FRESH
    pilot = np.array([lab.train(frozenset(), b % first) for b in range(4)])
    gate = {name: lab.train(frozenset({name}), 0) for name in MIXED[0]}
    factors: Factors = MIXED
    if not mixed:
        factors = ((max(gate, key=lambda name: gate[name]),), (MIXED[1][0],), *MIXED[2:])
    levels = tuple(1 + len(names) for names in factors)
    design = screen_design(len(factors), screen, seed, levels=levels)
    blocks = design.blocks % first
    level, sigma = float(pilot.mean()), float(pilot.std(ddof=1))
    gain = ACCURACY.to_scale(level + MIN_GAIN, VALIDATION) - ACCURACY.to_scale(level, VALIDATION)

    def worth(on: frozenset[str], score: float) -> float:
        clipped = clip_collapsed([score], level, ACCURACY, sigma)[0][0]
        cost = TECHNIQUE * len(on) + SERVING * len(on & set(SERVES)) if costs else 0.0
        return ACCURACY.to_scale(float(clipped), VALIDATION) - gain * cost

    tried = [on_in(factors, recipe) for recipe in design.recipes()]
    z = np.array([worth(on, lab.train(on, int(b))) for on, b in zip(tried, blocks, strict=True)])
    pilot_z = np.array([worth(frozenset(), score) for score in pilot])
    posterior = fit(
        levels_of(design.rows), z, blocks, levels=levels, pilot_z=pilot_z, pilot_blocks=np.arange(4) % first
    )
    arms = [frozenset(), *(on_in(factors, c.recipe) for c in candidates(posterior, design.rows, z, count=4))]
    scores = [[worth(on, lab.train(on, split)) for split in range(first, SEARCH)] for on in arms]
    best = winner(scores[1:], scores[0])
    return arms[0] if best is None else arms[1 + best]


STRATEGIES = {
    "two levels, 12": {"mixed": False, "screen": 12, "costs": False},
    "two levels less costs, 12": {"mixed": False, "screen": 12, "costs": True},
    "mixed levels, 12": {"mixed": True, "screen": 12, "costs": False},
    "mixed levels, 16": {"mixed": True, "screen": 16, "costs": False},
    "mixed less costs, 16": {"mixed": True, "screen": 16, "costs": True},
}


def replay(tables: tuple, replays: int, seed: int, **how: bool | int) -> dict[str, float]:
    gains, offered, sizes, serving, runs = [], [], [], [], 0
    possible = everything(MIXED)
    for i in range(replays):
        rng = np.random.default_rng([seed, i])
        lab = Lab(validation=tables[0], everything=tables[1], again=tables[2], order=rng.permutation(8), rng=rng)
        chosen = search(lab, i, **how)  # type: ignore[arg-type]
        seen = lab.order[:SEARCH]
        best = max(possible, key=lambda on: float(tables[0][on][seen].mean()))
        gains.append(lab.held(chosen))
        offered.append(lab.held(best))
        sizes.append(len(chosen))
        serving.append(len(chosen & set(SERVES)))
        runs = lab.runs
    return {
        "runs": runs,
        "share": float(np.mean(gains) / np.mean(offered)),
        "share_error": float(np.std(gains, ddof=1) / np.sqrt(replays) / np.mean(offered)),
        "worse": float((np.array(gains) < 0).mean()),
        "techniques": float(np.mean(sizes)),
        "serving": float(np.mean(serving)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("BURNISH_DATA", beside)) / "factorials"
    if not folder.is_dir():
        parser.error(f"no recorded factorials in {folder}: set BURNISH_DATA to the folder that has factorials/")
    tables, results = load(folder), {}
    print(f"{'':28}{'runs':>5}{'share':>11}{'worse':>7}{'techniques':>12}{'changing what ships':>21}")
    for name, how in STRATEGIES.items():
        found = results[name] = replay(tables, options.replays, options.seed, **how)
        share = f"{100 * found['share']:.0f} ± {100 * found['share_error']:.0f}"
        print(
            f"{name:28}{found['runs']:5.0f}{share:>11}{found['worse']:7.0%}{found['techniques']:12.1f}"
            f"{found['serving']:21.2f}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({"replays": options.replays, "digits": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
