"""Which interval for the gain over overlapping splits is honest, and what it costs.

    python benchmarks/experiments/coverage.py [--pools 200]

Pools of rows are drawn from Adult; on each, pairs of quick classifiers are compared on 8 overlapping splits. The true
gain is the mean over all pools. Printed for a plain t, for the corrected resampled t (Nadeau and Bengio 2003) and for
the replicates' spread plus the bootstrap over pooled examples (`example_se` of `studies.confirmation.decide`):
coverage of the nominal 90 % interval and its median half-width in points, with 3 and 8 splits; and how often the
sequential test confirms a gain when the true one is subtracted (promised: at most 5 %).
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from burnish.studies.confirmation import CONFIRMED, CONTINUE, LOOKS, corrected_error, decide, example_error

SIZES = ((300, 700), (400, 400), (750, 250))
PAIRS = (("tree", "another tree"), ("logistic", "tree"), ("logistic", "neighbors"))
SPLITS = LOOKS[-1]


def classifiers(seed: int) -> dict:
    return {
        "logistic": LogisticRegression(C=0.02, max_iter=60),
        "tree": DecisionTreeClassifier(max_depth=5, max_features=0.5, random_state=seed),
        "another tree": DecisionTreeClassifier(max_depth=3, max_features=0.5, random_state=seed + 1),
        "neighbors": KNeighborsClassifier(15),
    }


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(folder / "adult" / "adult.csv", skipinitialspace=True)
    target = table.pop("income").astype(str).str.contains(">50").to_numpy().astype(int)
    inputs = pd.get_dummies(table).to_numpy(float)
    return (inputs - inputs.mean(0)) / (inputs.std(0) + 1e-9), target


def one_pool(inputs: np.ndarray, target: np.ndarray, n_train: int, n_validation: int, seed: int) -> dict:
    """Per pair of classifiers the validation rows and the per-example gains of each split."""
    rng = np.random.default_rng([seed, n_train])
    pool = rng.choice(len(target), n_train + n_validation, replace=False)
    found: dict = {pair: [] for pair in PAIRS}
    for split in range(SPLITS):
        order = rng.permutation(len(pool))
        train, validation = pool[order[:n_train]], pool[order[n_train:]]
        hits = {
            name: model.fit(inputs[train], target[train]).predict(inputs[validation]) == target[validation]
            for name, model in classifiers(2 * (SPLITS * seed + split)).items()
        }
        for before, after in PAIRS:
            found[before, after].append((order[n_train:], hits[after].astype(float) - hits[before]))
    return found


def errors(parts: list, n_train: int, n_validation: int) -> dict[str, tuple[float, float]]:
    gains = np.array([gain.mean() for _, gain in parts])
    return {
        "plain t": corrected_error(gains, n_train, 0),
        "corrected": corrected_error(gains, n_train, n_validation),
        "with examples": corrected_error(gains, n_train, n_validation, example_se=over_examples(parts)),
    }


def over_examples(parts: list) -> float:
    return example_error([rows for rows, _ in parts], lambda j, at: float(parts[j][1][at].mean()), resamples=100)


def false_confirmation(parts: list, true: float, n_train: int, n_validation: int, way: str) -> bool:
    for look in LOOKS:
        decision = decide(
            [gain.mean() - true for _, gain in parts[:look]],
            n_train=n_train,
            n_validation=0 if way == "plain t" else n_validation,
            min_gain=0.0,
            example_se=over_examples(parts[:look]) if way == "with examples" else None,
        )
        if decision.verdict != CONTINUE:
            return decision.verdict == CONFIRMED
    return False


def report(pools: list[list], n_train: int, n_validation: int) -> None:
    true = float(np.mean([[gain.mean() for _, gain in parts] for parts in pools]))
    rows: dict[str, list[str]] = {}
    for look in (LOOKS[0], SPLITS):
        means = np.array([np.mean([gain.mean() for _, gain in parts[:look]]) for parts in pools])
        found = [errors(parts[:look], n_train, n_validation) for parts in pools]
        for way in found[0]:
            reach = np.array([stats.t.ppf(0.95, f[way][1]) * f[way][0] for f in found])
            text = f"{np.mean(np.abs(means - true) <= reach):6.0%} ± {100 * np.median(reach):4.1f}"
            rows.setdefault(way, []).append(text)
    for way, texts in rows.items():
        wrong = np.mean([false_confirmation(parts, true, n_train, n_validation, way) for parts in pools])
        print(f"    {way:16}" + "".join(f"{text:>18}" for text in texts) + f"{wrong:12.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, default=200)
    options = parser.parse_args()
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    inputs, target = load(Path(os.environ.get("BURNISH_DATA", beside)))
    for n_train, n_validation in SIZES:
        found = [one_pool(inputs, target, n_train, n_validation, seed) for seed in range(options.pools)]
        print(f"{n_train} training, {n_validation} validation rows{'3 splits':>12}{'8 splits':>18}{'confirmed':>14}")
        for pair in PAIRS:
            print(f"  {pair[0]} against {pair[1]}")
            report([pool[pair] for pool in found], n_train, n_validation)


if __name__ == "__main__":
    main()
