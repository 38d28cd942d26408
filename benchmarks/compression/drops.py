"""Does the bound on what compression costs hold? Replays on the files that `compare.py` left; no training.

    python benchmarks/compression/drops.py --out runs/compression [--replays 400]

For every file of a case's ladder, validation and test examples together are taken for the population; 400 times a
validation set is drawn from it, with replacement, and the one-sided 95 % lower bound of the paired gain is computed on
it as `burnish compress` does. It should lie below the population's gain in 95 % of the draws. (Against the rest of a
draw without replacement it would be 89 % on digits, since the rest is a sample too.) Writes drops.json beside
this file.
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


def held(case: str, root: Path, replays: int) -> dict[str, Any]:
    """Share of draws in which the bound held, for each file of the case."""
    plan = CASES[case].plan(root)
    data, task = plan.data, plan.data.task
    test = data.open_test("coverage of the bound on compression's cost")
    inputs = data.preparation.network_input(np.concatenate([data.validation.inputs, test.inputs]))
    targets = np.concatenate([data.validation.targets, test.targets])
    folder = root / case.replace(" ", "-") / "seed-0" / "burnish" / "ledger" / "models"
    files = sorted(folder.glob("*.onnx"))
    predictions = {file.stem: task.decode(run_onnx(file, inputs)) for file in files}
    reference, rows = predictions.pop("float"), []
    for name, found in predictions.items():
        rows.append({"file": name, **_replayed(task.primary, reference, found, targets, replays)})
    return {"case": case, "drawn": DRAWN, "of": len(targets), "replays": replays, "rows": rows}


def _replayed(metric: Any, before: np.ndarray, after: np.ndarray, targets: np.ndarray, replays: int) -> dict[str, Any]:
    rng, kept, width = np.random.default_rng(0), 0, []
    whole = metric.gain(metric(before, targets), metric(after, targets))
    for _ in range(replays):
        drawn = rng.integers(0, len(targets), DRAWN)
        bound = one_sided_lower(metric, before[drawn], after[drawn], targets[drawn], level=0.95)
        kept += bound <= whole
        width.append(whole - bound)
    return {"gain": whole, "held": kept / replays, "mean_margin": float(np.mean(width))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/compression"))
    parser.add_argument("--replays", type=int, default=400)
    asked = parser.parse_args()
    trained = [row["case"] for row in json.loads((HERE / "results.json").read_text()) if row["seed"] == 0]
    found = [held(case, asked.out, asked.replays) for case in trained]
    (HERE / "drops.json").write_text(dumps(found))
    for item in found:
        for row in item["rows"]:
            print(
                f"{item['case']:20} {row['file']:24} gain {100 * row['gain']:+.2f} points, bound held in "
                f"{row['held']:.1%} of {item['replays']} draws of {item['drawn']}, "
                f"{100 * row['mean_margin']:.2f} points below it"
            )
    shares = [row["held"] for item in found for row in item["rows"]]
    print(f"all: {np.mean(shares):.1%} over {len(shares)} files; lowest {min(shares):.1%}")


if __name__ == "__main__":
    main()
