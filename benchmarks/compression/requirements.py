"""Ten requirements on one trained network, reachable and not: each is met or missed, and says so; resumable.

    python benchmarks/compression/requirements.py --out runs/requirements

A plain CNN on scikit-learn's digits with batch normalization, 30 epochs. Limits are fractions of the float file's size,
parameters, operations and measured latency, so that they mean the same on any machine. A met requirement is checked
again on the file itself, and its latency measured anew beside the float file. Writes requirements.json
beside this file.
"""

import argparse
from pathlib import Path
from typing import Any

import burnish as bu
from burnish.errors import RequirementNotMet
from burnish.exporting.latency import latency
from burnish.model.zoo import cnn
from burnish.records import dumps
from burnish.techniques import BatchNorm, Schedule

HERE = Path(__file__).parent
SHARES = (
    ({"bytes": 0.9}, 0.02),
    ({"bytes": 0.4}, 0.02),
    ({"bytes": 0.25}, 0.03),
    ({"bytes": 0.02}, 0.05),
    ({"parameters": 0.5}, 0.03),
    ({"operations": 0.5}, 0.03),
    ({"operations": 0.1}, 0.01),
    ({"latency_ms": 1.5}, 0.02),
    ({"latency_ms": 0.7, "bytes": 0.7}, 0.03),
    ({"latency_ms": 0.1}, 0.05),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/requirements"))
    asked = parser.parse_args()
    plan = bu.Plan(model=cnn, data=bu.load("digits"), epochs=30, batch_size=32)
    runs = bu.train(plan.then(BatchNorm(), Schedule(shape="cosine", warmup=0.1)), seeds=[0], out=asked.out / "train")
    found = bu.compress(runs, max_drop=0.02, out=asked.out / "run")
    float_file = asked.out / "run" / found["files"]["float"]["path"]
    first = found["steps"][0]
    whole = {
        "bytes": first["bytes"],
        "parameters": first["parameters"],
        "operations": first["operations"],
        "latency_ms": first["latency_ms"]["value"],
    }
    rows = [_asked(runs, asked.out / "run", whole, shares, drop, float_file) for shares, drop in SHARES]
    (HERE / "requirements.json").write_text(dumps(rows))
    for row in rows:
        print(f"{row['require']:44} max drop {row['max_drop']:.2f}: {row['said'][:150]}")


def _asked(
    runs: Any, root: Path, whole: dict[str, float], shares: dict[str, float], drop: float, float_file: Path
) -> Any:
    require = ", ".join(f"{name}<={share * whole[name]:.6g}" for name, share in shares.items())
    told = {"require": require, "shares": shares, "max_drop": drop}
    try:
        found = bu.compress(runs, require=require, max_drop=drop, out=root)
    except RequirementNotMet as miss:
        return told | {"met": False, "said": f"missed: {miss}", "frontier": len(miss.result["frontier"])}
    step = next(s for s in found["steps"] if s["step"] == found["chosen"])
    times = latency({"float": float_file, "chosen": Path(found["path"])}, batches=(1,))
    gain = found["test"]["difference"]["value"]
    again = times["chosen"][1].p50.value / times["float"][1].p50.value
    sizes = {name: step[name] <= share * whole[name] for name, share in shares.items() if name != "latency_ms"}
    return told | {
        "met": True,
        "chosen": found["chosen"],
        "sizes_hold": all(sizes.values()) and Path(found["path"]).stat().st_size == step["bytes"],
        "latency_ratio_measured_again": again,
        "test": found["test"],
        "said": f"met by {found['chosen']}, test gain {gain:+.4f}, latency x{again:.2f}",
    }


if __name__ == "__main__":
    main()
