"""What a quarter of the training says about techniques, and what a re-run at full length makes of it.

    python benchmarks/experiments/short_budget.py [--replays 250]

All 256 recipes of the digits factorial were also trained for a quarter of the steps, on two of the splits. Printed: the
average effect of each technique in points at both lengths, on the same two splits, with the standard error of their
difference over the recipes of the other techniques; the rank correlation of the recipes; and what Burnish's search ends
with, as a share of the available gain at full length, when its screen is a quarter long: without re-runs, with re-runs
at full length, and all at full length. Collapsed runs are clipped, as the pipeline does.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from replay import searched, share
from scipy import stats
from strategies import STRATEGIES
from tables import DIGITS, Recorded, Table, default_folder, load_tables, recipes

from burnish.studies.collapse import clip_collapsed

HERE = Path(__file__).resolve().parent


def effects(full: np.ndarray, short: np.ndarray, rows: np.ndarray) -> list[dict[str, float]]:
    """Average effect of each technique at both lengths, and the standard error of their difference.

    Taken over pairs of recipes that have batch norm or a skip connection besides: the others barely start in a quarter
    of the time, and would drown everything else.
    """
    stable = rows[:, DIGITS.index("bn")] | rows[:, DIGITS.index("skip")]
    found = []
    for j in range(rows.shape[1]):
        on, off = rows[:, j], ~rows[:, j]
        kept = stable[on] & stable[off]
        steps = [(values[on] - values[off])[kept] for values in (full, short)]
        apart = steps[1] - steps[0]
        error = float(apart.std(ddof=1) / np.sqrt(len(apart)))
        found.append({"full": float(steps[0].mean()), "quarter": float(steps[1].mean()), "error": error})
    return found


class ShortScreen(Recorded):
    """The recorded runs, but the splits of the screen and the pilot are those trained for a quarter of the steps."""

    quarter: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        fresh = self.rng.permutation(np.arange(self.screen, len(self.dealt)))
        self.dealt = np.concatenate([np.arange(self.screen), fresh])

    def _score(self, cell: int, split: int) -> float:
        if split < self.screen:
            return float(self.quarter[cell, split])
        return super()._score(cell, split)


class FullScreen(ShortScreen):
    """The same splits, all at full length."""

    def _score(self, cell: int, split: int) -> float:
        return Recorded._score(self, cell, split)


def quarter_of(folder: Path, table: Table) -> np.ndarray:
    """`(2^k, 2)` validation accuracies after a quarter of the steps, on the table's first two splits."""
    runs = pd.read_csv(folder / "digits_quarter.csv")
    if sorted(runs["split_seed"].unique()) != [0, 1]:
        raise ValueError("the quarter-length runs are not those of splits 0 and 1")
    return runs.pivot_table(index=DIGITS, columns="split_seed", values="val_acc").sort_index().to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=250)
    parser.add_argument("--json", type=Path, default=HERE / "short_budget.json")
    options = parser.parse_args()
    folder = default_folder()
    table = next(t for t in load_tables(folder) if t.name == "digits")
    quarter = quarter_of(folder, table)
    ShortScreen.quarter = quarter
    rows = recipes(table.factors)
    clipped = [
        clip_collapsed(scores, float(scores[0].mean()), table.metric, table.sigma)[0].mean(1)
        for scores in (table.validation[:, :2], quarter)
    ]
    results: dict = json.loads(options.json.read_text()) if options.json.exists() else {}
    results |= {"effects": dict(zip(DIGITS, effects(*clipped, rows), strict=True))}
    results["rank correlation"] = float(stats.spearmanr(*clipped).statistic)
    for name, kind, strategy in (
        ("screen at a quarter, no re-run", ShortScreen, "designed, 16 runs"),
        ("screen at a quarter, re-run at full length", ShortScreen, "designed, 28 runs"),
        ("all at full length, no re-run", FullScreen, "designed, 16 runs"),
        ("all at full length", FullScreen, "designed, 28 runs"),
    ):
        if name in results:
            continue
        found = searched(table, STRATEGIES[strategy], kind, options.replays, 0)
        results[name] = share(found) | {"worse": float(np.mean([f[2] < 0 for f in found]))}
        print(name, results[name], flush=True)
    for name, effect in results["effects"].items():
        print(f"{name:6}" + "".join(f"{100 * value:+7.2f}" for value in effect.values()))
    print(f"rank correlation {results['rank correlation']:.2f}")
    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
