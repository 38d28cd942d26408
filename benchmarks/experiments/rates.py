"""Which learning rate the baseline gets from one trial each, and how well it does on other splits; resumable.

    python benchmarks/experiments/rates.py [--splits 8] [--out runs/rates]

Each case is trained at three rates around the range test's suggestion on each of some splits. Every split plays the
trial once: a rule chooses a rate from its curves alone, and is judged by the mean score of that rate at the end of the
trainings on all other splits. Rules: the best smoothed score, or the smallest rate within one standard error of it.
`best known` is the rate that is best on the other splits. Digits alone without $BURNISH_DATA.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from burnish.data import Data, load
from burnish.model.sources import as_source
from burnish.pipeline.stages.tune import best_epoch, fair, standard_error
from burnish.plan import Optimizer, Plan
from burnish.training import fit
from burnish.training.range_test import range_test

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "techniques"))
from cases import CASES, DATA  # noqa: E402

FACTORS = (1 / 3, 1.0, 3.0)
DIGITS = {  # network, epochs
    "digits resnet, 12": ("resnet", 12),
    "digits cnn, 30": ("cnn", 30),
}
Curves = dict[float, list[float]]  # by rate; larger is better


def cases(folder: Path) -> dict[str, Callable[[], Plan]]:
    """Plans without a rate."""
    found: dict[str, Callable[[], Plan]] = {}
    for name, (network, epochs) in DIGITS.items():
        found[name] = lambda network=network, epochs=epochs: _plan(load("digits"), network, epochs)
    if DATA.is_dir():
        for name in ("kin8nm", "trec", "adult"):
            case = CASES[name]
            found[name] = lambda case=case: _plan(case.data(folder), case.network, case.epochs)
    return found


def _plan(data: Data, network: object, epochs: int) -> Plan:
    return Plan(model=as_source(network, data) if isinstance(network, str) else network, data=data, epochs=epochs)


def curves(plan: Plan, split: int) -> Curves:
    """The primary metric after every epoch of `split`, by rate."""
    middle = range_test(plan, seed=split).suggestion
    sign = 1.0 if plan.data.task.primary.greater_is_better else -1.0
    name, found = plan.data.task.primary.name, {}
    for factor in FACTORS:
        rate = float(f"{middle * factor:.2g}")
        tried = replace(plan, optimizer=Optimizer(name="adamw", lr=rate))
        fitted = fit(tried, seed=split, data=plan.data.replicate(split), device="cpu")
        found[factor] = [sign * line[name] for line in fitted.curves if name in line] or [-math.inf]
    return found


def chosen(trial: Curves, error: float) -> dict[str, float]:
    """The rate that each rule takes from one trial."""
    scores = {factor: best_epoch(curve, 0.0)[1] for factor, curve in trial.items()}
    return {"best": max(scores, key=lambda f: scores[f]), "smallest": fair(scores, error)}


def judged(splits: list[Curves], errors: list[float]) -> dict[str, list[float]]:
    """For each rule and trial, the mean final score of its rate on the other splits."""
    found: dict[str, list[float]] = {}
    for i, trial in enumerate(splits):
        others = {f: float(np.mean([s[f][-1] for j, s in enumerate(splits) if j != i])) for f in FACTORS}
        for rule, factor in chosen(trial, errors[i]).items():
            found.setdefault(rule, []).append(others[factor])
        found.setdefault("best known", []).append(max(others.values()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("runs/rates"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    report = {}
    for name, made in cases(options.out).items():
        plan, splits = made(), []
        for split in range(1, options.splits + 1):
            kept = options.out / f"{name.replace(' ', '-').replace(',', '')}-{split}.json"
            if not kept.exists():
                kept.write_text(json.dumps({str(f): curve for f, curve in curves(plan, split).items()}))
            splits.append({float(f): curve for f, curve in json.loads(kept.read_text()).items()})
        errors = [standard_error(plan.data, max(max(s.values(), key=lambda curve: curve[-1]))) for s in splits]
        found = judged(splits, errors)
        unit = 100 if plan.data.task.primary.bounded else 1
        report[name] = {rule: float(np.mean(values)) for rule, values in found.items()}
        report[name]["worst trial"] = {r: float(min(v)) for r, v in found.items()}
        print(
            f"{name:20}"
            + "".join(f"  {r} {unit * np.mean(v):.4g} (worst {unit * min(v):.4g})" for r, v in found.items())
        )
    (HERE / "rates.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
