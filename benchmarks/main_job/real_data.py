"""The whole job on real data of every modality, one after the other; resumable.

    python benchmarks/main_job/real_data.py --out runs/real [--only trec,adult]

Data are found through BURNISH_DATA (default ../shared/data). Prints one line per data set: what the baseline and the
shipped model score on the sealed test set, the confirmed gain with its interval, size and latency ratios, and minutes;
writes them to results.json beside this file.
"""

import argparse
import json
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import burnish as bu
from burnish.pipeline.recipe import Recipe

HERE = Path(__file__).parent
DATA = Path(os.environ.get("BURNISH_DATA", HERE.parents[2] / "shared" / "data"))


def prepared(folder: Path) -> dict[str, Recipe]:
    """Recipes by name; data that need it are brought into a form `burnish run` takes, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "concrete": Recipe(data=str(_uci("concrete", folder)), budget="quick"),
        "kin8nm": Recipe(data=str(_uci("kin8nm", folder)), budget="quick"),
        "digits-series": Recipe(data=str(_series(folder)), budget="quick"),
        "adult": Recipe(data=str(DATA / "adult" / "adult.csv"), target="income", budget="quick"),
        "trec": Recipe(data=str(DATA / "trec"), budget="quick"),
        "sst2": Recipe(data=str(DATA / "sst2"), budget="quick"),
        "cifar10": Recipe(
            network=f"{HERE / 'tutorial_cnn.py'}:Net", data=str(_cifar(folder)), epochs=10, budget="standard"
        ),
    }


def _uci(name: str, folder: Path) -> Path:
    """A UCI table as CSV with its target called `target`."""
    source, target = DATA / "uci" / name, folder / f"{name}.csv"
    if not target.exists():
        rows = np.loadtxt(source / "data.txt")
        features = np.loadtxt(source / "index_features.txt").astype(int)
        columns = [*features, int(np.loadtxt(source / "index_target.txt"))]
        header = ",".join([f"x{i}" for i in range(len(features))] + ["target"])
        np.savetxt(target, rows[:, columns], delimiter=",", header=header, comments="", fmt="%.10g")
    return target


def _series(folder: Path) -> Path:
    """Handwritten digits scanned row by row: 1,797 series of 64 steps."""
    from sklearn.datasets import load_digits

    target = folder / "digits_series.npz"
    if not target.exists():
        digits = load_digits()
        np.savez(target, inputs=digits.data.reshape(-1, 1, 64).astype(np.float32), targets=digits.target)
    return target


def _cifar(folder: Path) -> Path:
    target = folder / "cifar10"
    if not target.exists():
        partial = folder / "cifar10.partial"
        with tarfile.open(DATA / "cifar10.tar.gz") as archive:
            archive.extractall(partial, filter="data")
        partial.rename(target)
    return target


def line(name: str, report: dict[str, Any], minutes: float) -> dict[str, Any]:
    """What one job came to."""
    confirmation, test, export = report["confirmation"], report["test"], report["export"]
    return {
        "data": name,
        "metric": test["metric"],
        "network": report["baseline"]["network"],
        "budget": report["recipe"]["budget"],
        "rows": [report["data"][k] for k in ("train", "validation", "test")],
        "verdict": confirmation["verdict"],
        "gain": confirmation["difference"],
        "recipe": report.get("shipped", []),
        "test_before": test["before"],
        "test_after": test["after"],
        "test_gain": test["difference"],
        "openings": test["openings"],
        "bytes_ratio": export["bytes"] / export["baseline_bytes"],
        "latency_ratio": export["latency_ms"]["1"]["p50"]["value"] / export["baseline_latency_ms"]["1"]["p50"]["value"],
        "compression": export["step"],
        "job_minutes": sum(report["seconds"].values()) / 60,
        "wall_minutes": minutes,
    }


def _print(row: dict[str, Any]) -> None:
    gain = row["gain"]
    shown = f"{gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]" if gain else "none"
    print(
        f"{row['data']:14} {row['verdict']:16} {row['metric']:9} confirmed gain {shown}; test "
        f"{row['test_before']['value']:.4f} -> {row['test_after']['value']:.4f}; bytes x{row['bytes_ratio']:.2f}, "
        f"latency x{row['latency_ratio']:.2f}; {row['job_minutes']:.1f} min",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/real"))
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    wanted = [name for name in asked.only.split(",") if name]
    file = HERE / "results.json"
    rows = {row["data"]: row for row in json.loads(file.read_text())} if file.exists() else {}
    for name, recipe in prepared(asked.out / "data").items():
        if wanted and name not in wanted:
            continue
        start = time.monotonic()
        report = bu.run(
            recipe, out=asked.out / name, observer=lambda e: print(_told(e), flush=True) if _told(e) else None
        )
        rows[name] = line(name, report, (time.monotonic() - start) / 60)
        file.write_text(json.dumps(list(rows.values()), indent=1) + "\n")
    for row in rows.values():
        _print(row)


def _told(event: dict[str, Any]) -> str:
    """The events worth a line."""
    if event["event"] in ("note", "stage"):
        return f"  {event.get('text') or event['name']}"
    if event["event"] == "run" and event["done"] == event["total"]:
        return f"  {event['stage']}: {event['total']} runs"
    return ""


if __name__ == "__main__":
    main()
