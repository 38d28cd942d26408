"""Does the bound on what compression costs hold? Replays on the files that `compare.py` left; no training.

    python benchmarks/compression/drops.py --out runs/compression [--replays 400]

For every file of a case's ladder, of every seed, validation and test examples together are taken for the population;
400 times a validation set is drawn from it, with replacement, and the one-sided 95 % lower bound of the paired gain is
computed on it as `burnish compress` does. It should lie below the population's gain in 95 % of the draws. (Against the
rest of a draw without replacement it would be 89 % on digits, since the rest is a sample too.)

Then what is chosen: of every draw of as many examples as validation has, the smallest file whose bound allows it.
Choosing among many files favours the lucky ones; counted is how often the chosen file costs more than the allowed point
in the population. Writes drops.json beside this file.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES

from burnish.evaluation.paired import one_sided_lower
from burnish.exporting.runtime import run as run_onnx
from burnish.records import dumps

HERE = Path(__file__).parent
DRAWN = 500
ALLOWED = 0.01


def held(case: str, seed: int, root: Path, replays: int) -> dict[str, Any]:
    """Share of draws in which the bound held, for each file that the search with `seed` left."""
    plan = CASES[case].plan(root)
    data, task = plan.data.replicate(seed), plan.data.task
    test = data.open_test("coverage of the bound on compression's cost")
    inputs = data.preparation.network_input(np.concatenate([data.validation.inputs, test.inputs]))
    targets = np.concatenate([data.validation.targets, test.targets])
    folder = root / case.replace(" ", "-") / f"seed-{seed}" / "burnish" / "ledger" / "models"
    files = sorted(folder.glob("*.onnx"))
    predictions = {file.stem: task.decode(run_onnx(file, inputs)) for file in files}
    sizes = {file.stem: file.stat().st_size for file in files}
    reference, rows = predictions.pop("float"), []
    for name, found in predictions.items():
        rows.append({"file": name, **_replayed(task.primary, reference, found, targets, replays)})
    chosen = _chosen(task.primary, reference, predictions, targets, sizes, len(data.validation_rows), replays)
    of = {"case": case, "seed": seed, "drawn": DRAWN, "of": len(targets), "replays": replays}
    return of | {"rows": rows, "chosen": chosen}


def _replayed(metric: Any, before: np.ndarray, after: np.ndarray, targets: np.ndarray, replays: int) -> dict[str, Any]:
    rng, kept, width = np.random.default_rng(0), 0, []
    whole = metric.gain(metric(before, targets), metric(after, targets))
    for _ in range(replays):
        drawn = rng.integers(0, len(targets), DRAWN)
        bound = one_sided_lower(metric, before[drawn], after[drawn], targets[drawn], level=0.95)
        kept += bound <= whole
        width.append(whole - bound)
    return {"gain": whole, "held": kept / replays, "mean_margin": float(np.mean(width))}


def _chosen(
    metric: Any,
    before: np.ndarray,
    after: dict[str, np.ndarray],
    targets: np.ndarray,
    sizes: dict[str, int],
    drawn: int,
    replays: int,
) -> dict[str, Any]:
    """How often the smallest file that a draw allows costs too much, and how small it is."""
    gains = {name: metric.gain(metric(before, targets), metric(found, targets)) for name, found in after.items()}
    rng, costs, shares = np.random.default_rng(1), [], []
    for _ in range(replays):
        rows = rng.integers(0, len(targets), drawn)
        allowed = [
            name
            for name, found in after.items()
            if one_sided_lower(metric, before[rows], found[rows], targets[rows], level=0.95) > -ALLOWED
        ]
        best = min(allowed, key=lambda name: sizes[name], default="float")
        costs.append(gains.get(best, 0.0))
        shares.append(sizes[best] / sizes["float"])
    return {
        "drawn": drawn,
        "too_dear": float(np.mean(np.array(costs) < -ALLOWED)),
        "mean_gain": float(np.mean(costs)),
        "size_ratio": float(np.exp(np.mean(np.log(shares)))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/compression"))
    parser.add_argument("--replays", type=int, default=400)
    asked = parser.parse_args()
    trained = [(row["case"], row["seed"]) for row in json.loads((HERE / "results.json").read_text())]
    found = [held(case, seed, asked.out, asked.replays) for case, seed in trained]
    (HERE / "drops.json").write_text(dumps(found))
    for item in found:
        name = f"{item['case']:20} {item['seed']}"
        for row in item["rows"]:
            print(
                f"{name} {row['file']:24} gain {100 * row['gain']:+.2f} points, bound held in "
                f"{row['held']:.1%} of {item['replays']} draws of {item['drawn']}, "
                f"{100 * row['mean_margin']:.2f} points below it"
            )
        chosen = item["chosen"]
        print(
            f"{name} chosen of {len(item['rows'])}: costs more than {100 * ALLOWED:g} point in "
            f"{chosen['too_dear']:.1%}, gain {100 * chosen['mean_gain']:+.2f}, x{chosen['size_ratio']:.2f} bytes"
        )
    shares = [row["held"] for item in found for row in item["rows"]]
    print(f"all: {np.mean(shares):.1%} over {len(shares)} files; lowest {min(shares):.1%}")


if __name__ == "__main__":
    main()
