"""From one file per case to detection and false-alarm rates, for calibration and held-out data sets apart."""

import json
from pathlib import Path
from typing import Any

from expected import CALIBRATION, EXPECTED, TRUE_FINDINGS
from scipy.stats import beta

__all__ = ["summarize"]

Json = dict[str, Any]


def summarize(folder: Path) -> Json:
    """The content of results.json from the case files in `folder`."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    halves = {
        "calibration": [case for case in found if case["data"] in CALIBRATION],
        "heldout": [case for case in found if case["data"] not in CALIBRATION],
    }
    return {
        "calibration_data": list(CALIBRATION),
        "cases": len([case for case in found if case["fault"] != "none"]),
        "healthy_cases": len([case for case in found if case["fault"] == "none"]),
        "seconds": {"mean": _mean([case["seconds"] for case in found]), "max": max(c["seconds"] for c in found)},
        **{name: _half(part) for name, part in halves.items()},
        "missed": [_miss(case) for case in found if case["fault"] != "none" and _rank(case) not in (1, 2)],
        "expected": {fault: list(known.names) for fault, known in EXPECTED.items()},
        "true_findings": TRUE_FINDINGS,
    }


def _half(found: list[Json]) -> Json:
    planted = [case for case in found if case["fault"] != "none"]
    healthy = [case for case in found if case["fault"] == "none"]
    ranks = [_rank(case) for case in planted]
    return {
        "cases": len(planted),
        "found_in_top2": share(sum(rank in (1, 2) for rank in ranks), len(ranks)),
        "found_at_all": share(sum(rank is not None for rank in ranks), len(ranks)),
        "by_fault": {fault: _by_fault([c for c in planted if c["fault"] == fault]) for fault in EXPECTED},
        "detection": _detection(planted),
        "false_alarm": _false_alarms(healthy),
    }


def _by_fault(planted: list[Json]) -> Json:
    ranks = [_rank(case) for case in planted]
    return {
        "cases": len(ranks),
        "top2": sum(rank in (1, 2) for rank in ranks),
        "found": sum(rank is not None for rank in ranks),
        "ranks": ranks,
    }


def _rank(case: Json) -> int | None:
    """Place, from 1, of the first finding that names the fault among those that fire; None where none does."""
    names = EXPECTED[case["fault"]].names
    if case["stopped"]:
        return 1 if _stop(case["stopped"]) in names else None
    fires = [finding for finding in case["findings"] if finding["state"] == "fires"]
    return next((place for place, finding in enumerate(fires, 1) if _named(finding, names)), None)


def _stop(message: str) -> str:
    """Which bug check a message that stopped the diagnosis belongs to."""
    told = {"depends on the other examples": "P6", "gets a gradient": "P4"}
    return next((check for words, check in told.items() if words in message), "other")


def _named(finding: Json, names: tuple[str, ...]) -> bool:
    return finding["rule"] in names


def _detection(planted: list[Json]) -> Json:
    """For each finding that names a fault somewhere: how often it fired, at any place, on the faults it names."""
    rules = sorted({name for known in EXPECTED.values() for name in known.names})
    result = {}
    for rule in rules:
        own = [case for case in planted if rule in EXPECTED[case["fault"]].names]
        result[rule] = share(sum(_fired(case, rule) for case in own), len(own))
    return result


def _fired(case: Json, rule: str) -> bool:
    return _stop(case["stopped"]) == rule or any(f["rule"] == rule and f["state"] == "fires" for f in case["findings"])


def _false_alarms(healthy: list[Json]) -> Json:
    """For each rule: in how many healthy cases it fired although that is no true finding of the data set."""
    rules = sorted({f["rule"] for case in healthy for f in case["findings"]})
    judged = {rule: [case for case in healthy if rule not in TRUE_FINDINGS[case["data"]]] for rule in rules}
    return {rule: share(sum(_fired(case, rule) for case in part), len(part)) for rule, part in judged.items()}


def share(count: int, n: int) -> Json:
    """A share with its exact 95 % interval (Clopper and Pearson 1934)."""
    if n == 0:
        return {"count": 0, "n": 0, "value": None, "low": None, "high": None}
    low = float(beta.ppf(0.025, count, n - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, n - count)) if count < n else 1.0
    return {"count": count, "n": n, "value": count / n, "low": low, "high": high}


def _miss(case: Json) -> Json:
    fires = [finding["rule"] for finding in case["findings"] if finding["state"] == "fires"]
    names = EXPECTED[case["fault"]].names
    own = [f"{f['rule']} {f['state']}: {f['evidence']}" for f in case["findings"] if _named(f, names)]
    return {
        **{key: case[key] for key in ("fault", "data", "seed")},
        "rank": _rank(case),
        "fired": fires,
        "own": own,
        "stopped": case["stopped"][:200],
    }


def _mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)


def table(result: Json) -> str:
    """The result as Markdown: each fault, then each rule's false alarms."""
    halves = ("calibration", "heldout")
    lines = [
        "| planted fault | named by | first or second, calibration | held out | at any place |",
        "|---|---|---|---|---|",
    ]
    for fault, names in result["expected"].items():
        parts = [result[half]["by_fault"][fault] for half in halves]
        if sum(part["cases"] for part in parts):
            top = [f"{part['top2']}/{part['cases']}" if part["cases"] else "–" for part in parts]
            found = f"{sum(part['found'] for part in parts)}/{sum(part['cases'] for part in parts)}"
            lines.append(f"| {fault.replace('_', ' ')} | {', '.join(names)} | {top[0]} | {top[1]} | {found} |")
    whole = [result[half]["found_in_top2"] for half in halves]
    found = [result[half]["found_at_all"] for half in halves]
    shown = [f"**{part['count']}/{part['n']}**" for part in whole]
    at_all = f"**{sum(part['count'] for part in found)}/{sum(part['n'] for part in found)}**"
    lines += [f"| **all** | | {shown[0]} | {shown[1]} | {at_all} |", ""]
    for half in halves:
        alarms = {rule: part for rule, part in result[half]["false_alarm"].items() if part["count"]}
        told = ", ".join(f"{rule} {part['count']}/{part['n']}" for rule, part in alarms.items())
        lines.append(f"False alarms on healthy data, {half}: {told or 'none'}.")
    return "\n".join(lines)
