"""Plants one fault at a time in healthy real cases and asks `burnish.diagnose` what is wrong; resumable.

    python benchmarks/diagnosis/planted.py [--out runs/diagnosis] [--seeds 2] [--only rate_x30,digits] [--summary]

A case is (data, fault, seed). Each is diagnosed as a user would, by `burnish.diagnose(plan)` on one core: bug checks,
pilot runs, rules, data checks. One JSON file per case; `--summary` puts them together in `results.json` beside this
file. What counts as naming a fault, and what is true of the healthy cases, is in `expected.py`.
"""

import argparse
import hashlib
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from expected import CALIBRATION, EXPECTED
from faults import FAULTS
from healthy import HEALTHY
from summary import summarize, table

import burnish as bu
from burnish.errors import BurnishError, LedgerError
from burnish.ledger import write_text
from burnish.ledger.lock import locked
from burnish.records import Finding, dumps

HERE = Path(__file__).parent
NONE = "none"
CHEAPEST = ("adult", "kin8nm", "digits", "trec", "sst2", "cifar10")


def cases(seeds: int) -> list[tuple[str, str, int]]:
    """All (fault, data, seed): one healthy seed first; then each fault on a data set of either half, then on all.

    Whoever stops early has every fault on a data set of either half.
    """
    healthy = [(NONE, data, seed) for seed in range(seeds + 1) for data in HEALTHY]
    planted = [
        (place >= 1, seed, fault, data)
        for fault, known in EXPECTED.items()
        for half in (True, False)
        for place, data in enumerate(name for name in CHEAPEST if name in known.data and (name in CALIBRATION) is half)
        for seed in range(seeds)
    ]
    ordered = sorted(planted, key=lambda case: (case[1], case[0]))
    return [*healthy[: len(HEALTHY)], *((f, d, s) for _, s, f, d in ordered), *healthy[len(HEALTHY) :]]


def diagnosed(fault: str, data: str, seed: int) -> dict[str, Any]:
    """What the diagnosis says of one case, in its order."""
    case = HEALTHY[data](seed)
    if fault != NONE:
        digest = hashlib.sha256(f"{fault} {data} {seed}".encode()).digest()
        case = FAULTS[fault](case, np.random.default_rng(int.from_bytes(digest[:8], "big")))
    start, stopped = time.process_time(), ""
    findings: list[Finding] = []
    try:
        findings = bu.diagnose(case.build(seed))
    except BurnishError as error:  # a bug that stops: its message is what the user reads
        stopped = str(error)
    return {
        "fault": fault,
        "data": data,
        "seed": seed,
        "seconds": time.process_time() - start,
        "stopped": stopped,
        "findings": [shown(f) for f in findings],
    }


def shown(finding: Finding) -> dict[str, Any]:
    """What is kept of a finding."""
    return {
        "rule": finding.rule,
        "title": finding.title,
        "state": finding.state,
        "measured": finding.measured,
        "threshold": finding.threshold,
        "evidence": finding.evidence[:300],
        "seconds": finding.cost_seconds,
    }


def _carried_out(file: Path, fault: str, data: str, seed: int) -> bool:
    """Diagnose one case and keep what came out, unless another process is at it."""
    try:
        with locked(file.with_suffix(".lock")):
            found = diagnosed(fault, data, seed)
            write_text(file, dumps(found))
    except LedgerError:
        return False
    except Exception:  # one broken case must not end the benchmark; it stays without a result
        traceback.print_exc()
        return True
    fires = [f["rule"] for f in found["findings"] if f["state"] == "fires"]
    told = " ".join(fires) or found["stopped"][:60]
    print(f"{fault:28} {data:8} {seed} {found['seconds']:5.1f} s  {told}", flush=True)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/diagnosis"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="a fault, a data set, or both, separated by a comma")
    parser.add_argument("--summary", action="store_true", help="put together what is there")
    parser.add_argument("--most", type=int, default=10_000, help="cases in this call")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    wanted = {name for name in asked.only.split(",") if name}
    asked.out.mkdir(parents=True, exist_ok=True)
    left = asked.most
    for fault, data, seed in [] if asked.summary else cases(asked.seeds):
        file = asked.out / f"{data}-{fault.replace('/', '_')}-{seed}.json"
        if left and not file.exists() and wanted <= {fault, data}:
            left -= _carried_out(file, fault, data, seed)
    if asked.summary:
        result = summarize(asked.out)
        write_text(HERE / "results.json", dumps(result))
        print(table(result))


if __name__ == "__main__":
    main()
