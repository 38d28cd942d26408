"""Runs per hour: Burnish's executor against the same runs in a plain sequential loop with all threads.

`python benchmarks/experiments/throughput.py` writes throughput.json beside this file. Both do the same work for a run
(train, save, measure from the saved weights, write to a ledger) on the same machine, in turns, after start-up. The
ratio is a mean over the turns, with a t interval of their logarithms; what else the machine did shows in its load.
"""

import argparse
import json
import math
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_digits

from burnish.data import Data, load
from burnish.execution import Job
from burnish.ledger import Ledger
from burnish.pipeline import worker
from burnish.pipeline.executors import STAGE, executor
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.running import spec
from burnish.pipeline.timing import cores
from burnish.plan import Plan

RESULT = Path(__file__).resolve().with_suffix(".json")
CASES = {
    "cnn on the digits": {"network": "cnn", "rows": 1000, "scale": 1, "epochs": 4, "runs": 4},
    "resnet on the digits, enlarged to 32 x 32": {"network": "resnet", "rows": 200, "scale": 4, "epochs": 1, "runs": 2},
}


def images(rows: int, scale: int) -> Data:
    """`rows` digits, each pixel `scale` times as wide and high."""
    found = load_digits()
    pixels = np.kron(found.images[:rows] * 15, np.ones((1, scale, scale))).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "digits.npz", x=pixels[..., None], y=found.target[:rows])
        return load(str(Path(folder) / "digits.npz"), modality="image")


def specs(case: dict, first: int) -> list[dict]:
    base = {"epochs": case["epochs"], "batch_size": 32, "optimizer": "adamw", "lr": 1e-3, "rows": 1.0}
    return [spec("screen", i, base=base, split=i, seed=i) for i in range(first, first + case["runs"])]


def in_a_loop(plan: Plan, ledger: Ledger, asked: list[dict]) -> float:
    """Seconds of the plain loop."""
    torch.set_num_threads(cores())
    start = time.perf_counter()
    for payload in asked:
        worker.train_run(plan, ledger, payload, device="cpu")
    return time.perf_counter() - start


def by_executor(pool: object, asked: list[dict]) -> float:
    """Seconds of the executor."""
    start = time.perf_counter()
    for _, result in pool.run([Job(id=item["id"], payload=item) for item in asked]):  # type: ignore[attr-defined]
        assert "error" not in result, result
    return time.perf_counter() - start


def measure(case: dict, turns: int) -> dict:
    data = images(case["rows"], case["scale"])
    plan = Plan(model=case["network"], data=data)
    parameters = sum(p.numel() for p in plan.build(0).parameters())
    with tempfile.TemporaryDirectory(prefix="burnish-throughput-") as folder:
        mine, loops = Ledger(Path(folder) / "executor"), Ledger(Path(folder) / "loop")
        recipe = replace(Recipe(), network=case["network"])
        with executor(plan, recipe, mine, Path(folder) / "scratch") as found:
            by_executor(found.pool, specs(case, 900))  # start-up is left out of both
            in_a_loop(plan, loops, specs(case, 900)[:1])
            times = []
            for turn in range(turns):
                asked, load_before = specs(case, turn * case["runs"]), os.getloadavg()[0]
                both = [lambda a=asked: in_a_loop(plan, loops, a), lambda a=asked: by_executor(found.pool, a)]
                pair = [both[i]() for i in ((0, 1) if turn % 2 else (1, 0))]
                loop, mine_took = pair if turn % 2 else pair[::-1]
                times.append({"loop": loop, "executor": mine_took, "load": load_before})
        rates = mine.stage(STAGE)
    logs = np.log([t["loop"] / t["executor"] for t in times])
    half = float(stats.t.ppf(0.975, turns - 1) * logs.std(ddof=1) / math.sqrt(turns))
    total = {name: sum(t[name] for t in times) for name in ("loop", "executor")}
    runs = turns * case["runs"]
    return {
        "parameters": parameters,
        "rows": len(data.train_rows),
        "epochs": case["epochs"],
        "runs": runs,
        "workers": found.workers,
        "threads": found.threads,
        "steps_per_second": rates["steps_per_second"] if rates else {},
        "runs_per_hour": {name: round(3600 * runs / seconds, 1) for name, seconds in total.items()},
        "ratio": dict(
            zip(("value", "low", "high"), np.exp(logs.mean() + half * np.array([0, -1, 1])).tolist(), strict=True)
        )
        | {"n": turns},
        "turns": times,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=6)
    asked = parser.parse_args()
    found: dict = {"cores": cores(), "torch": torch.__version__}
    for name, case in CASES.items():
        found[name] = measure(case, asked.turns)
        RESULT.write_text(json.dumps(found, indent=1) + "\n")
        print(name, {key: value for key, value in found[name].items() if key != "turns"}, flush=True)


if __name__ == "__main__":
    main()
