"""Two questions to every network of the table; docs/coverage.md has the answers.

Compression: is it pruned, rebuilt, exported and quantized right? Techniques: does each that edits the network apply,
or say why not; are the weights it does not touch there to the bit, do gradients flow, does the result export?

One JSON file for each network and question in --out, written as soon as it is known: an interrupted run goes on where
it stopped, and a technique that is new in the catalogue is tried on all networks.

    python benchmarks/coverage/run.py                      # all that is not done yet, then the tables
    python benchmarks/coverage/run.py --part techniques    # only the second question
    python benchmarks/coverage/run.py resnet18 lstm        # these, again
"""

import argparse
import importlib
import importlib.util
import json
import os
import resource
import signal
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RATIOS = (0.3, 0.5)
INT8_AT = 0.5
LIMIT = 600  # seconds of work for one network
MEMORY = 12 << 30  # bytes of address space for one network


def examine(name: str) -> dict:
    """All outcomes of one network, in this process."""
    import torch
    from networks import NETWORKS

    network = NETWORKS[name]
    torch.manual_seed(0)
    model = lively(network.make(), network.inputs(32, seed=5))
    start, found = time.process_time(), {}
    for ratio in RATIOS:
        found[f"{ratio:g}"] = outcome(network, model, ratio)
    return {
        "name": name,
        "family": network.family,
        "modality": network.modality,
        "parameters": sum(p.numel() for p in model.parameters()),
        "pruned": found,
        "seconds": round(time.process_time() - start, 1),
    }


def lively(model, inputs):
    """With scales unlike those of a fresh network, so that nothing is equal by chance, and statistics of `inputs`.

    With other statistics the signal dies out in deep networks, and errors relative to what is left mean nothing.
    """
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.affine:
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.normal_(module.bias, 0, 0.1)
        if isinstance(module, torch.nn.Linear) and not module.weight.any():  # a head of zeros hides all before it
            torch.nn.init.normal_(module.weight, 0, 0.02)
    return estimated(model, inputs)


def estimated(model, inputs):
    """With batch statistics of `inputs`, as after training."""
    import torch

    from burnish.training.averaging import reestimate_batch_norm

    reestimate_batch_norm(model, [torch.as_tensor(inputs)])
    return model.eval()


def outcome(network, model, ratio: float) -> dict:
    from burnish.compression.prune import prune
    from burnish.errors import BurnishError

    try:
        pruned = prune(model, network.inputs(2, seed=1), ratio)
    except BurnishError as reason:
        return {"refused": str(reason)}
    record = {
        "parameters": pruned.parameters_after,
        "cut": len(pruned.cut),
        "kinds": sorted({line["kind"] for line in pruned.cut}),
        "skipped": list(pruned.excluded),
        "proof": pruned.proof,
        "found_by": pruned.found_by,
        "difference": pruned.difference,
    }
    record |= checked(network, model, pruned)
    smaller = estimated(pruned.model, network.inputs(32, seed=5))
    return record | shipped(network, smaller, quantized=ratio == INT8_AT)


def checked(network, model, pruned) -> dict:
    """The cut network against the silenced one on inputs that the proof has not seen, and rebuilt from JSON."""
    import torch

    from burnish.compression.rebuild import rebuild_pruned

    fresh = network.inputs(3, seed=2)
    with torch.no_grad():
        given = pruned.model.eval()(fresh)
        expected = pruned.silenced().eval()(fresh)
        torch.manual_seed(7)
        again = rebuild_pruned(network.make(), json.loads(json.dumps(pruned.history))).eval()
        again.load_state_dict(pruned.model.state_dict())
        same = torch.equal(again(fresh), given)
    apart = float((given - expected).abs().max() / expected.abs().max())
    wrong = pruned.proof == "exact" and apart > 1e-3
    return {"fresh_difference": apart, "wrong": wrong, "rebuilt": same}


def shipped(network, model, *, quantized: bool) -> dict:
    from burnish.errors import BurnishError
    from burnish.exporting.onnx import export_onnx

    record: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            exported = export_onnx(model, network.inputs(4, seed=3), path)
            record["onnx"] = {"exporter": exported.exporter, "difference": exported.max_abs_difference}
        except BurnishError as reason:
            return {"onnx": {"error": str(reason)[:300]}}
        if not quantized:
            return record
        record["int8"] = rounded(network, path)
    return record


def rounded(network, path: Path) -> dict:
    """The int8 file, calibrated on inputs of the same kind, against the float one on inputs it has not seen."""
    import numpy as np

    from burnish.compression.quantize import quantize
    from burnish.errors import BurnishError
    from burnish.exporting.runtime import run

    small = path.with_name("int8.onnx")
    rows, fresh = (network.inputs(count, seed=seed).numpy() for count, seed in ((64, 4), (16, 6)))
    try:
        found = quantize(path, small, rows, modality=network.modality, agreement=0.0)  # no layer goes back to float
    except BurnishError as reason:
        return {"error": str(reason)[:300]}
    exact, given = (run(file, fresh).astype(np.float64) for file in (path, small))
    error = float(np.linalg.norm(given - exact) / max(np.linalg.norm(exact), 1e-12))
    noisy = {}
    if fresh.dtype.kind == "f":
        shaken = fresh + 0.01 * np.random.default_rng(0).standard_normal(fresh.shape).astype(fresh.dtype)
        noisy["noise_error"] = float(np.linalg.norm(run(path, shaken) - exact) / max(np.linalg.norm(exact), 1e-12))
    return noisy | {"kind": found.kind, "relative_error": error, "bytes": found.bytes, "float_bytes": found.float_bytes}


def one(name: str, target: Path) -> None:
    """Examine a network in a process of its own, so that none can take the others down."""
    partial = target.with_suffix(".partial")

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 10))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            record = examine(name)
        except BaseException as error:
            record = {"error": f"{type(error).__name__}: {error}"[:600]}
        write(partial, known(name) | record)

    status = in_child(work)
    if status != 0:
        write(partial, known(name) | {"error": ended(status)})
    partial.replace(target)
    record = read(target)
    print(f"{name}: {record.get('error') or str(record['seconds']) + ' s'}", flush=True)


def in_child(work) -> int:
    """Run `work` in a forked process; its status, 0 for done."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(path: Path, record: dict) -> None:
    """Whole or not at all: an interrupted run goes on from what is there."""
    whole = path.with_suffix(".writing")
    whole.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    whole.replace(path)


def all_techniques(name: str, target: Path) -> None:
    """Try what is missing, in a process of its own; a technique that takes it down is noted and left out."""
    import techniques

    while techniques.missing(read(target)):
        status = in_child(lambda: technique_work(name, target))
        record = read(target)
        underway = record.pop("underway", None)
        if status == 0:
            break
        record = {"name": name, "techniques": {}} | record
        blamed = [underway] if underway else techniques.missing(record)  # or the network itself cannot be made
        record["techniques"] |= {each: {"error": ended(status)} for each in blamed}
        write(target, record)
    outcomes = read(target)["techniques"]
    applied = sum("weights" in outcome for outcome in outcomes.values())
    print(f"{name}: {applied} of {len(outcomes)} techniques apply", flush=True)


def technique_work(name: str, target: Path) -> None:
    import techniques
    import torch
    from networks import NETWORKS

    network = NETWORKS[name]
    torch.manual_seed(0)
    model = lively(network.make(), network.inputs(32, seed=5))
    record = known(name) | read(target)
    record["parameters"] = sum(p.numel() for p in model.parameters())
    record.pop("underway", None)

    def renew() -> None:
        used = int(time.process_time()) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (used + LIMIT, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    techniques.examine(network, model, record, lambda found: write(target, found), renew)


def known(name: str) -> dict:
    """What is known of a network whatever becomes of it."""
    from networks import NETWORKS

    return {"name": name, "family": NETWORKS[name].family, "modality": NETWORKS[name].modality}


def ended(status: int) -> str:
    """Why a process that left no record ended."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return f"not done in {LIMIT} seconds of work, or killed"
    return f"the process ended by {signal.Signals(number).name}" if number else f"the process ended with {status}"


def warmed() -> None:
    """Import once what every network needs, and let the exporter load its parts, before there are children."""
    import torch

    from burnish.compression import prune, quantize, rebuild  # noqa: F401
    from burnish.exporting.onnx import export_onnx

    if all(importlib.util.find_spec(name) for name in ("timm", "torchvision")):
        for name in ("torchvision_on_cpu", "timm"):  # in this order: the wheels may be of different builds
            importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        small = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.Flatten(), torch.nn.Linear(4, 1))
        export_onnx(small, torch.zeros(4, 1, 2, 2), Path(folder) / "small.onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="networks to do again; all that are missing without")
    parser.add_argument("--part", choices=("compression", "techniques"), help="only this half; both without")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "coverage")
    parser.add_argument("--table", action="store_true", help="only write the table")
    arguments = parser.parse_args()
    from networks import NETWORKS
    from table import write_table

    if not arguments.table:
        warmed()
        if arguments.part != "techniques":
            every(arguments.out, arguments.names, one)
        if arguments.part != "compression":
            every(arguments.out / "techniques", arguments.names, all_techniques)
    write_table(arguments.out, ROOT / "docs" / "coverage.md", list(NETWORKS))


def every(folder: Path, names: list[str], work) -> None:
    """`work` on all networks that are not done, or on those named, again."""
    import techniques
    from networks import NETWORKS

    folder.mkdir(parents=True, exist_ok=True)
    absent = [name for name in ("timm", "torchvision") if importlib.util.find_spec(name) is None]
    for name, network in NETWORKS.items():
        target = folder / f"{name.replace(' ', '-')}.json"
        if name in names:
            target.unlink(missing_ok=True)
        done = target.exists() and (work is one or not techniques.missing(read(target)))
        if done or (names and name not in names):
            continue
        if network.family in absent:
            print(f"{name}: skipped, {network.family} is not installed")
        else:
            work(name, target)


if __name__ == "__main__":
    main()
