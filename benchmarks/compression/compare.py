"""The same trained networks through every tool: accuracy on test, latency and bytes, side by side; resumable.

    python benchmarks/compression/compare.py --out runs/compression [--only "digits CNN"] [--seeds 3]

For each network and seed: PyTorch eager, ONNX Runtime float, ONNX Runtime's own quantization, NNCF's quantization,
torch-pruning by its tutorial at 50 % with as many epochs of fine-tuning as Burnish's, and the fastest network that
`bu.compress(max_drop=0.01)` finds on validation (pruned with the original as teacher, or narrow from scratch; float or
int8). All latencies of a network are measured in one process, call by call in turns, with one thread; among them those
of a file that only copies its input, which no tool can go below.
Data are found through BURNISH_DATA (default ../shared/data). Needs the extra package `nncf`. Writes results.json beside
this file, and prints its tables as Markdown with `--tables`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import CASES, Case
from comparison_tables import tables
from peers import named_failure, nncf_ptq, onnx_runtime_ptq, torch_pruning
from torch import nn

import burnish as bu
from burnish.evaluation.paired import paired_examples
from burnish.exporting.latency import quantile
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import run as run_onnx
from burnish.exporting.runtime import session
from burnish.records import dumps, to_json

HERE = Path(__file__).parent
SECONDS = 4.0
REFERENCE = "ONNX Runtime float"
EAGER = "PyTorch eager"
NOTHING = "a copy of the input"


def compared(case: Case, seed: int, root: Path) -> dict[str, Any]:
    """One network, trained with `seed`, through all tools."""
    start = time.monotonic()
    plan = case.plan(root)
    folder = root / case.name.replace(" ", "-") / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    runs = bu.train(plan, seeds=[seed], out=folder / "train")
    model, plan = runs.model(0), _on_split(plan, seed)
    files, failures = {REFERENCE: folder / "float.onnx"}, {}
    example = torch.from_numpy(plan.data.preparation.network_input(plan.data.train.take(np.arange(2)).inputs))
    export_onnx(model, example, files[REFERENCE])
    for name, tool in (("ONNX Runtime PTQ", onnx_runtime_ptq), ("NNCF PTQ", nncf_ptq)):
        target = folder / f"{name.replace(' ', '-')}.onnx"
        with named_failure(name, failures):
            tool(plan, files[REFERENCE], target)
            files[name] = target
    with named_failure("torch-pruning 50%", failures):
        target = folder / "torch-pruning.onnx"
        torch_pruning(plan, model, target, epochs=plan.epochs)
        files["torch-pruning 50%"] = target
    small = bu.compress(runs, max_drop=0.01, out=folder / "burnish")
    files["Burnish"] = Path(small["path"])
    rows, nothing = _measured(plan, model, files, folder / "nothing.onnx")
    frontier = [point for point in small["frontier"] if point["on_frontier"] and point["accepted"]]
    return to_json(
        {
            "case": case.name,
            "seed": seed,
            "rows": rows,
            "nothing_ms": nothing,
            "failures": failures,
            "chosen": small["chosen"],
            "frontier": frontier,
            "trials": small["trials"],
            "minutes": (time.monotonic() - start) / 60,
        }
    )


def _on_split(plan: bu.Plan, seed: int) -> bu.Plan:
    from dataclasses import replace

    return replace(plan, data=plan.data.replicate(seed))


def _measured(
    plan: bu.Plan, model: nn.Module, files: dict[str, Path], nothing: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Test accuracy with the paired difference to the float file, bytes, and latency in turns; and that of a copy."""
    _write_copy(files[REFERENCE], nothing)
    test = plan.data.open_test("side-by-side comparison of compression tools")
    inputs, task = plan.data.preparation.network_input(test.inputs), plan.data.task
    predictions = {name: task.decode(run_onnx(path, inputs)) for name, path in files.items()}
    timed = files | {NOTHING: nothing}
    times = {batch: _times(model, timed, inputs, batch) for batch in (1, 32)}
    state = sum(p.numel() * p.element_size() for p in (*model.parameters(), *model.buffers()))
    rows = []
    for name in (EAGER, *files):
        found = predictions[REFERENCE if name == EAGER else name]
        rows.append(
            {
                "tool": name,
                "score": task.primary(found, test.targets),
                "gain": paired_examples(task.primary, predictions[REFERENCE], found, test.targets),
                "bytes": state if name == EAGER else files[name].stat().st_size,
                "latency_ms": _medians(times, name),
                "times_faster_than_eager": {str(b): _ratio(t[EAGER], t[name]) for b, t in times.items()},
            }
        )
    return rows, _medians(times, NOTHING)


def _medians(times: dict[int, dict[str, list[float]]], name: str) -> dict[str, Any]:
    return {str(batch): quantile(np.array(found[name]), 0.5) for batch, found in times.items()}


def _write_copy(like: Path, target: Path) -> None:
    """A file with the input of `like` and nothing but a copy of it as output."""
    import onnx

    known = onnx.load(str(like))
    given = known.graph.input[0]
    copied = onnx.helper.make_value_info("copy", given.type)
    node = onnx.helper.make_node("Identity", [given.name], [copied.name])
    graph = onnx.helper.make_graph([node], "copy", [given], [copied])
    model = onnx.helper.make_model(graph, opset_imports=known.opset_import, ir_version=known.ir_version)
    target.write_bytes(model.SerializeToString())


def _times(model: nn.Module, files: dict[str, Path], inputs: np.ndarray, batch: int) -> dict[str, list[float]]:
    """Milliseconds of each call, by tool; in every round each is called once, in random order."""
    torch.set_num_threads(1)
    feed = np.ascontiguousarray(inputs[np.arange(batch) % len(inputs)])
    calls: dict[str, Callable[[], Any]] = {EAGER: _eager(model, torch.from_numpy(feed))}
    for name, path in files.items():
        calls[name] = _deployed(path, feed)
    for call in calls.values():
        for _ in range(20):
            call()
    order, names = np.random.default_rng(0), list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    start = time.perf_counter()
    while len(times[EAGER]) < 30 or (time.perf_counter() - start < SECONDS and len(times[EAGER]) < 1000):
        for i in order.permutation(len(names)):
            before = time.perf_counter_ns()
            calls[names[i]]()
            times[names[i]].append((time.perf_counter_ns() - before) / 1e6)
    return times


def _ratio(before: list[float], after: list[float]) -> Any:
    return quantile(np.array(before) / np.array(after), 0.5, unit="ratio")


def _deployed(path: Path, feed: np.ndarray) -> Callable[[], Any]:
    opened = session(path, threads=1)
    feeds = {opened.get_inputs()[0].name: feed}
    return lambda: opened.run(None, feeds)


def _eager(model: nn.Module, inputs: torch.Tensor) -> Callable[[], Any]:
    def call() -> torch.Tensor:
        with torch.inference_mode():
            return model(inputs)

    return call


def _print(found: dict[str, Any]) -> None:
    print(f"\n{found['case']}, seed {found['seed']} ({found['minutes']:.1f} min); Burnish chose {found['chosen']}")
    for row in found["rows"]:
        gain, speed = row["gain"], row["times_faster_than_eager"]
        print(
            f"  {row['tool']:20} {row['score']:.4f} ({100 * gain['value']:+.2f} points [{100 * gain['low']:+.2f}, "
            f"{100 * gain['high']:+.2f}])  {row['bytes']:>9,} bytes  {row['latency_ms']['1']['value']:.4f} ms  "
            f"x{speed['1']['value']:.1f} faster at batch 1, x{speed['32']['value']:.1f} at 32"
        )
    for name, reason in found["failures"].items():
        print(f"  {name:20} failed: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/compression"))
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tables", action="store_true", help="only print what is in results.json, as Markdown")
    asked = parser.parse_args()
    file = HERE / "results.json"
    known = json.loads(file.read_text()) if file.exists() else []
    if asked.tables:
        print(tables(known))
        return
    done = {(row["case"], row["seed"]): row for row in known}
    for case in CASES.values():
        for seed in range(asked.seeds):
            if asked.only and case.name not in asked.only.split(","):
                continue
            if (case.name, seed) not in done:
                done[case.name, seed] = compared(case, seed, asked.out)
                file.write_text(dumps([done[key] for key in sorted(done)]))
            _print(done[case.name, seed])


if __name__ == "__main__":
    main()
