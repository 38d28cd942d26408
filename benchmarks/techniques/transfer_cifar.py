"""Transfer on CIFAR-10: pretrained on eight classes, moved to the other two with 50 images each, against from scratch.

    python benchmarks/techniques/transfer_cifar.py [--seeds 5] [--out runs/transfer_cifar]

One network is trained on 4,000 images of eight classes. Then, for each seed, 50 images of each of the two classes left
(cat and dog, the pair that is hardest to tell apart) are trained on from scratch and from those weights in several
ways; 2,000 other images of the two are the test. Every way has the better of two learning rates on 100 validation
images, and the same number of epochs. One line of JSON a run goes to OUT/runs.jsonl; the same command goes on where it
was interrupted. Prints accuracy, and the gain over from scratch in pairs, with 95 % intervals over seeds and test
images.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import images
from effects import keep
from intervals import paired_gain
from safetensors.torch import save_file

from burnish.data import Data, load
from burnish.evaluation.predict import outputs_on
from burnish.model.zoo import resnet
from burnish.plan import Optimizer, Plan, Schedule
from burnish.records import Estimate
from burnish.techniques import Transfer
from burnish.techniques._measured import FILE
from burnish.training import fit

LEFT = ("cat", "dog")
EACH, VALIDATED, TESTED = 50, 50, 1000  # of each of the two classes
READ = 1600  # images of each class; what is not tested on is drawn from
PRETRAINING = 500  # of each of the eight
SCRATCH = "from scratch"
RATES = (1e-3, 3e-3)
EPOCHS, PRETRAINING_EPOCHS = 15, 6


def network(inputs: tuple[int, ...], outputs: int) -> torch.nn.Module:
    """The zoo's small residual network, 8 channels wide: 6 million multiply-accumulates."""
    return resnet(inputs, outputs, width=8)


def ways(weights: Path) -> dict[str, Transfer | None]:
    source = str(weights)
    return {
        SCRATCH: None,
        "head alone": Transfer(source=source, freeze="body"),
        "all layers": Transfer(source=source),
        "all, frozen norms": Transfer(source=source, freeze="norms"),
        "gradual, rates by depth": Transfer(source=source, unfreeze=2, decay=0.5),
    }


def pretrained(out: Path) -> Path:
    """Weights trained on the eight other classes."""
    file = out / "eight.safetensors"
    if not file.exists():
        pictures, labels, names = images(READ, out / "data")
        kept = [i for i, name in enumerate(names) if name not in LEFT]
        rows = np.concatenate([np.flatnonzero(labels == i)[:PRETRAINING] for i in kept])
        data = load((pictures[rows], labels[rows]), modality="image", task="classification", test=0, validation=400)
        plan = _plan(data, 3e-3, PRETRAINING_EPOCHS, 64)
        fitted = fit(plan, seed=0, device="cpu")
        print(
            f"eight classes: validation accuracy {fitted.curves[-1]['accuracy']:.3f}, {fitted.seconds:.0f} s",
            flush=True,
        )
        state = {name: value.contiguous() for name, value in fitted.model.state_dict().items()}
        save_file(state, file)
    return file


def two_classes(out: Path, seed: int) -> tuple[Data, np.ndarray, np.ndarray]:
    """Training and validation images of the two classes drawn by `seed`; test images and labels, the same for all."""
    pictures, labels, names = images(READ, out / "data")
    parts = [pictures[labels == names.index(name)] for name in LEFT]
    tested = np.concatenate([part[:TESTED] for part in parts])
    rng = np.random.default_rng(seed)
    drawn = [part[TESTED:][rng.permutation(READ - TESTED)[: EACH + VALIDATED]] for part in parts]
    train = np.concatenate([part[:EACH] for part in drawn])
    held = np.concatenate([part[EACH:] for part in drawn])
    target = np.repeat([0, 1], EACH)
    sources = {"train": (train, target), "validation": (held, np.repeat([0, 1], VALIDATED))}
    data = load(sources, modality="image", task="classification")
    return data, tested, np.repeat([0, 1], TESTED)


def _plan(data: Data, rate: float, epochs: int, batch_size: int = 20) -> Plan:
    return Plan(
        model=network,
        data=data,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=Optimizer(lr=rate, weight_decay=0.01),
        schedule=Schedule(kind="cosine"),
    )


def run(out: Path, way: str, technique: Transfer | None, seed: int) -> dict[str, Any]:
    """The way with the better rate on validation images, measured on the test images."""
    data, tested, labels = two_classes(out, seed)
    start, best = time.process_time(), None
    for rate in RATES:
        plan = _plan(data, rate, EPOCHS)
        fitted = fit(plan.then(technique) if technique else plan, seed=seed, device="cpu")
        score = -fitted.curves[-1]["loss"] if fitted.status == "done" else float("-inf")
        if best is None or score > best[0]:
            best = (score, rate, fitted.model)
    assert best is not None
    predicted = data.task.decode(outputs_on(best[2], tested, data.preparation)).argmax(1)
    return {
        "way": way,
        "seed": seed,
        "rate": best[1],
        "accuracy": float((predicted == labels).mean()),
        "right": "".join(map(str, (predicted == labels).astype(int))),
        "seconds": round(time.process_time() - start, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/transfer_cifar"))
    parser.add_argument("--records", type=Path, default=FILE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    file = options.out / "runs.jsonl"
    weights = pretrained(options.out)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["way"], row["seed"]) for row in rows}
    for seed in range(1, options.seeds + 1):
        for way, technique in ways(weights).items():
            if (way, seed) not in done:
                rows.append(run(options.out, way, technique, seed))
                with file.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
                print({k: v for k, v in rows[-1].items() if k != "right"}, flush=True)
    summary(rows, list(ways(weights)), options.records)


def summary(rows: list[dict[str, Any]], names: list[str], records: Path) -> None:
    """Accuracy of each way, and its gain over from scratch, with intervals; they also go to `records`."""
    right = {(r["way"], r["seed"]): np.array(list(r["right"]), dtype=int) for r in rows}
    seeds, found = sorted({r["seed"] for r in rows}), []
    for way in names:
        before, after = ([right[name, seed] for seed in seeds] for name in (SCRATCH, way))

        def gain_of(j: int, positions: np.ndarray, before: Any = before, after: Any = after) -> float:
            return float(after[j][positions].mean() - before[j][positions].mean())

        gain = paired_gain(gain_of, len(seeds), len(before[0]))
        print(f"{way:26} accuracy {np.mean(after):.3f}" + ("" if way == SCRATCH else f", gain {gain}"))
        if way != SCRATCH:
            times = [sum(r["seconds"] for r in rows if r["way"] == name) for name in (way, SCRATCH)]
            found.append(_record(way, gain, float(np.mean(before)), times[0] / times[1]))
    keep(records, "Transfer", found, {})


def _record(way: str, gain: Estimate, baseline: float, time_ratio: float) -> dict[str, Any]:
    """One entry of the measured records."""
    return {
        "data": f"cifar, eight classes to two: {way}",
        "technique": repr(ways(Path("eight.safetensors"))[way]),
        "task": "classification",
        "modality": "image",
        "network": "resnet, 8 channels",
        "train": 2 * EACH,
        "test": 2 * TESTED,
        "epochs": EPOCHS,
        "metric": "accuracy",
        "baseline": baseline,
        "gain": asdict(gain),
        "also": {},
        "time_ratio": time_ratio,
        "size_ratio": 1.0,
        "failed": 0,
    }


if __name__ == "__main__":
    main()
