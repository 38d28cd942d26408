"""What each technique of the catalogue does to small networks on real data: five seeds, in pairs with the baseline.

    python benchmarks/techniques/effects.py [--techniques Mixup,EMA] [--data trec,kin8nm] [--out runs/effects]

Every run draws its own split of the pool, initialization and order from its seed, and is measured on test rows that no
split contains, so that techniques which look at validation rows are not flattered. The learning rate is the baseline's:
the best of three on validation rows of a split of its own. One line of JSON a run goes to OUT/runs.jsonl, its outputs
to OUT/outputs; the same command goes on where it was interrupted, and does only what is new in the catalogue. After
each technique the gains go to burnish/techniques/measured.json (or --records), which `burnish techniques NAME` and
docs/techniques.md show.

The interval of a gain is a t interval over seeds with the variance over test rows beside it (as for a fixed validation
set in the main job). Data are found in $BURNISH_DATA, by default ../shared/data beside the project.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import CASES
from finished import FINISHED
from intervals import paired_gain
from scipy import stats

from burnish.data import Data
from burnish.data.data import Split
from burnish.errors import BurnishError, Conflict, NotApplicable
from burnish.evaluation.cost import cost
from burnish.evaluation.predict import predict
from burnish.evaluation.quality import unit_of
from burnish.model.build import probe_inputs
from burnish.plan import Optimizer, Plan
from burnish.records import Estimate
from burnish.techniques import CATALOGUE, parse
from burnish.techniques._measured import FILE
from burnish.training import fit

BASELINE = "baseline"
RATES = (1e-3, 3e-3, 1e-2)
RATE_SEED = 99  # split of its own for the choice of the rate
ALSO = ("log_loss", "ece", "f1_macro", "mae")  # other metrics whose gain is kept
# Other settings than the default where the default cannot be measured on these networks.
SETTINGS: dict[str, str] = {}
# Techniques that are measured elsewhere, and where.
SMALLER = "`benchmarks/compression/compare.py`, against the network it is made from and beside other tools"
ELSEWHERE: dict[str, str] = {
    "Transfer": "`benchmarks/techniques/transfer_cifar.py` and `transfer_text.py`",
    "Prune": SMALLER,
    "Quantize": SMALLER,
    "Distill": SMALLER,
}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One case with its data, and where its runs are kept."""

    name: str
    out: Path

    @cached_property
    def data(self) -> Data:
        return CASES[self.name].data(self.out / "data")

    @cached_property
    def test(self) -> Split:
        return self.data.open_test("measuring what techniques do")

    def plan(self, rate: float) -> Plan:
        case = CASES[self.name]
        return Plan(
            model=case.network,
            data=self.data,
            epochs=case.epochs,
            batch_size=case.batch_size,
            optimizer=Optimizer(name="adamw", lr=rate),
        )


class Rows:
    """The lines of runs.jsonl; a line cut short by an interruption is dropped and done again."""

    def __init__(self, file: Path) -> None:
        self.file = file
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            file.write_text(whole, encoding="utf-8")
        self.rows = [json.loads(line) for line in whole.splitlines()]

    def find(self, data: str, technique: str, seed: int) -> dict[str, Any] | None:
        return next((r for r in self.rows if (r["data"], r["technique"], r["seed"]) == (data, technique, seed)), None)

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        self.rows.append(row)
        return row


def outputs_file(out: Path, data: str, technique: str, seed: int) -> Path:
    safe = "".join(c if c.isalnum() else "_" for c in technique)
    return out / "outputs" / f"{data}-{safe}-{seed}.npy"


def settled_rate(bench: Bench, rows: Rows) -> float:
    """The best rate on validation rows of the split `RATE_SEED`."""
    scores = {}
    for rate in RATES:
        technique = f"rate {rate:g}"
        row = rows.find(bench.name, technique, RATE_SEED)
        if row is None:
            data = bench.data.replicate(RATE_SEED)
            fitted = fit(bench.plan(rate), seed=RATE_SEED, data=data, device="cpu")
            row = rows.add(
                {
                    "data": bench.name,
                    "technique": technique,
                    "seed": RATE_SEED,
                    "status": fitted.status,
                    "validation": fitted.curves[-1].get(data.task.primary.name),
                }
            )
        if row["status"] == "done":
            scores[rate] = row["validation"]
    best = max if bench.data.task.primary.greater_is_better else min
    return best(scores, key=lambda rate: scores[rate])


def one_run(bench: Bench, plan: Plan, technique: str, seed: int, rows: Rows) -> dict[str, Any]:
    """Train `plan` on the split of `seed` and measure it on the test rows."""
    data = bench.data.replicate(seed)
    start = time.process_time()
    fitted = fit(plan, seed=seed, data=data, device="cpu")
    seconds = time.process_time() - start
    row: dict[str, Any] = {
        "data": bench.name,
        "technique": technique,
        "seed": seed,
        "status": fitted.status,
        "epochs": len(fitted.curves),
        "train_seconds": round(seconds, 3),
        "lr": plan.optimizer.lr,
    }
    if fitted.status == "done":
        outputs = predict(fitted.model, bench.test, data.preparation, device="cpu")
        spent = cost(fitted.model, probe_inputs(data)[:1])
        scores = data.task.evaluate(data.task.decode(outputs), bench.test.targets)
        row |= {"operations": spent.operations, "bytes": spent.bytes}
        row |= {"scores": {name: round(value, 6) for name, value in scores.items()}}
        file = outputs_file(bench.out, bench.name, technique, seed)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, outputs.astype(np.float32))
    return rows.add(row)


def runs_of(bench: Bench, technique: str, seeds: Iterable[int], rows: Rows) -> list[dict[str, Any]] | str:
    """The runs of `technique`, those that are missing done now; or why it does not apply."""
    known = [rows.find(bench.name, technique, seed) for seed in seeds]
    missing = [seed for seed, row in zip(seeds, known, strict=True) if row is None]
    if missing:
        plan = bench.plan(settled_rate(bench, rows))
        try:
            if technique != BASELINE:
                plan = _applied(plan, technique)
        except (NotApplicable, Conflict) as reason:
            return str(reason)
        for seed in missing:
            started = time.process_time()
            row = one_run(bench, plan, technique, seed, rows)
            score = row.get("scores", {}).get(bench.data.task.primary.name, float("nan"))
            print(
                f"{bench.name:7} {technique:32} seed {seed}: {score:.4f}, {time.process_time() - started:.1f} s",
                flush=True,
            )
    return [row for seed in seeds if (row := rows.find(bench.name, technique, seed))]


def _applied(plan: Plan, technique: str) -> Plan:
    """`plan` with `technique`.

    Raises:
        NotApplicable: it does not apply, or the training alone does not carry it out.
    """
    changed = plan.then(parse(technique))
    before, after = (replace(p, applied=(), readouts=(), post=()).recipe() for p in (plan, changed))
    acts = before != after or plan.edits != changed.edits or plan.batch != changed.batch
    if not acts:
        raise NotApplicable("it is carried out on finished runs, not by the training that is measured here")
    return changed


def effect(bench: Bench, technique: str, before: list[dict], after: list[dict]) -> dict[str, Any] | None:
    """The measured record of `technique` on the data of `bench`; None with fewer than two pairs."""
    others = {row["seed"]: row for row in after if row["status"] == "done"}
    pairs = [(row, others[row["seed"]]) for row in before if row["status"] == "done" and row["seed"] in others]
    if len(pairs) < 2:
        return None
    task, targets = bench.data.task, bench.test.targets
    arms = [
        [task.decode(np.load(outputs_file(bench.out, bench.name, row["technique"], row["seed"]))) for row in pair]
        for pair in pairs
    ]
    return _record(bench, technique, pairs[0][0], task.primary, arms, targets) | {
        "also": _also(bench, pairs, task.primary.name),
        "lr": pairs[0][1]["lr"],
        "time_ratio": _ratio(pairs, "train_seconds"),
        "size_ratio": _ratio(pairs, "bytes"),
        "failed": len(after) - len(others),
    }


def effect_on_finished(bench: Bench, name: str, before: list[dict]) -> dict[str, Any]:
    """The measured record of a technique that is carried out on finished runs, those of the baseline.

    Raises:
        NotApplicable: it is not for this task.
    """
    measure, technique, times = FINISHED[name]
    done = [row for row in before if row["status"] == "done"]
    outputs = [np.load(outputs_file(bench.out, bench.name, BASELINE, row["seed"])) for row in done]
    metric, arms = measure(bench.data.task, outputs, bench.test.targets)
    record = _record(bench, technique, done[0], metric, arms, bench.test.targets)
    return record | {"also": {}, "time_ratio": float(times), "size_ratio": float(times), "failed": 0}


def _record(
    bench: Bench, technique: str, run: dict[str, Any], metric: Any, arms: list[list[np.ndarray]], targets: np.ndarray
) -> dict[str, Any]:
    """What is said of every measured effect."""
    case = CASES[bench.name]
    return {
        "data": bench.name,
        "technique": technique,
        "task": bench.data.task.kind,
        "modality": bench.data.modality,
        "network": case.network.__name__,
        "operations": run["operations"],
        "train": len(bench.data.train_rows),
        "test": len(bench.test),
        "epochs": case.epochs,
        "lr": run["lr"],
        "metric": metric.name,
        "baseline": _mean([metric(before, targets) for before, _ in arms]),
        "gain": asdict(_gain(metric, arms, targets)),
    }


def _gain(metric: Any, arms: list[list[np.ndarray]], targets: np.ndarray) -> Estimate:
    """The mean paired gain over seeds."""

    def gain_of(j: int, positions: np.ndarray) -> float:
        before, after = (metric(predictions[positions], targets[positions]) for predictions in arms[j])
        return metric.gain(before, after)

    return paired_gain(gain_of, len(arms), len(targets), unit=unit_of(metric.name))


def _also(bench: Bench, pairs: list[tuple[dict, dict]], primary: str) -> dict[str, Any]:
    """Gains in other metrics, with a t interval over seeds."""
    from burnish.metrics import metric

    found = {}
    for name in ALSO:
        if name == primary or name not in pairs[0][0]["scores"]:
            continue
        gains = np.array([metric(name).gain(a["scores"][name], b["scores"][name]) for a, b in pairs])
        error, mean = float(gains.std(ddof=1)) / len(gains) ** 0.5, float(gains.mean())
        half = error * float(stats.t.ppf(0.975, len(gains) - 1))
        found[name] = asdict(
            Estimate(value=mean, low=mean - half, high=mean + half, n=len(gains), unit=unit_of(name), of="seeds")
        )
    return found


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _ratio(pairs: list[tuple[dict, dict]], name: str) -> float:
    """Geometric mean of the paired ratios."""
    return float(np.exp(np.mean([np.log(b[name] / a[name]) for a, b in pairs])))


def keep(file: Path, name: str, found: list[dict[str, Any]], refused: dict[str, str]) -> None:
    """Put what was measured of technique `name` into the records in `file`."""
    records = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    old = records.get(name, {"measured": [], "not_applicable": {}})
    told = {entry["data"]: entry for entry in old["measured"]} | {entry["data"]: entry for entry in found}
    reasons = {data: reason for data, reason in (old["not_applicable"] | refused).items() if data not in told}
    records[name] = {
        "measured": [_rounded(told[data]) for data in sorted(told, key=_place)],
        "not_applicable": {data: reasons[data] for data in sorted(reasons, key=_place)},
    }
    records |= {
        key: {"measured": records.get(key, {}).get("measured", []), "not_applicable": {}, "elsewhere": where}
        for key, where in ELSEWHERE.items()
    }
    ordered = {key: records[key] for key in sorted(records)}
    file.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def _place(data: str) -> tuple[int, str]:
    """The order of the cases, and after them whatever else was measured on."""
    return (list(CASES).index(data) if data in CASES else len(CASES)), data


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return value


def settings(asked: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and notation of what is measured."""
    for name in sorted(CATALOGUE):
        if (not asked or name in asked) and name not in ELSEWHERE:
            yield name, SETTINGS.get(name) or repr(CATALOGUE[name]())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--techniques", default="", help="names, separated by commas; all of the catalogue without")
    parser.add_argument("--data", default="", help=f"of {', '.join(CASES)}, separated by commas; all without")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/effects"))
    parser.add_argument("--records", type=Path, default=FILE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked = [name for name in options.techniques.split(",") if name]
    unknown = set(asked) - set(CATALOGUE)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(CATALOGUE))}")
    benches = [Bench(name=name, out=options.out) for name in CASES if not options.data or name in options.data]
    rows, seeds = Rows(options.out / "runs.jsonl"), range(1, options.seeds + 1)
    for name, technique in settings(asked):
        found, refused = [], {}
        for bench in benches:
            before = runs_of(bench, BASELINE, seeds, rows)
            try:
                if name in FINISHED:
                    found.append(effect_on_finished(bench, name, before))
                    continue
                after = runs_of(bench, technique, seeds, rows)
            except BurnishError as error:
                after = str(error)
            if isinstance(after, str) or isinstance(before, str):
                refused[bench.name] = str(after)
            elif record := effect(bench, technique, before, after):
                found.append(record)
        keep(options.records, name, found, refused)


if __name__ == "__main__":
    main()
