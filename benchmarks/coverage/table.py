"""docs/coverage.md from the JSON files of `run.py`. A column of the first table is a name and a function."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from techniques import IDENTITY
from techniques_table import HEADING, section

HEAD = """# Coverage

What becomes of known architectures, untrained and small ({images} of images, {others} of text, tables and series).
Made by `make coverage` on made-up inputs (64 pixels, batch 2): each network is pruned at 30 % and 50 %, proved against
the same network with the channels silenced, compared again on inputs the proof has not seen, rebuilt from its factory
and JSON, exported to ONNX, run in ONNX Runtime and, at 50 %, quantized.
Wrong outputs: **{wrong}** of {proved} pruned networks.

`30 %` and `50 %`: parameters that are left. `cut`: groups that lost channels at 50 %, of all but the network's own
outputs. `found by`: gradients (Torch-Pruning) or marks (Burnish). `proof`: exact, or apart from norms over several
channels. `int8`: file size against float, and the norm of the error relative to that of the outputs, on other inputs
than those the ranges are from, no layer going back to float. In brackets what noise of 1 % in the inputs does to the
float network: deep untrained networks amplify whatever disturbs them.
"""
Record = dict[str, Any]


def write_table(folder: Path, target: Path, order: list[str]) -> None:
    """Write both tables of all networks that are done; a table without any stays as it is."""
    before, _, after = (target.read_text(encoding="utf-8") if target.exists() else "").partition(f"\n{HEADING}\n")
    first, second = _first(_records(folder, order)), section(_records(folder / "techniques", order), IDENTITY)
    top = "\n".join(first) if first else before.rstrip("\n")
    bottom = "\n".join(second) if second else (f"{HEADING}\n{after}".rstrip("\n") if after else "")
    target.write_text("\n\n".join(part for part in (top, bottom) if part) + "\n", encoding="utf-8")


def _records(folder: Path, order: list[str]) -> list[Record]:
    records = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted((r for r in records if r["name"] in order), key=lambda r: order.index(r["name"]))


def _first(records: list[Record]) -> list[str]:
    if not records:
        return []
    done = [o for r in records for o in r.get("pruned", {}).values() if "parameters" in o]
    images = sum(r.get("modality") == "image" for r in records)
    head = HEAD.format(
        images=images, others=len(records) - images, wrong=sum(o["wrong"] for o in done), proved=len(done)
    )
    lines = [head, "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(show(record) for show in COLUMNS.values()) + " |" for record in records]
    lines += ["", "### What was left whole at 50 %, and why", ""]
    return lines + [line for record in records for line in _skipped(record)]


def _at(ratio: str, show: Callable[[Record, Record], str]) -> Callable[[Record], str]:
    def cell(record: Record) -> str:
        outcome = record.get("pruned", {}).get(ratio)
        if outcome is None:
            return "failed"
        return "refused" if "refused" in outcome else show(outcome, record)

    return cell


def _possible(outcome: Record) -> int:
    return outcome["cut"] + sum("outputs" not in item["reason"] for item in outcome["skipped"])


def _onnx(outcome: Record, record: Record) -> str:
    found = outcome["onnx"]
    return f"{found['difference']:.0e}" if "difference" in found else "no"


def _int8(outcome: Record, record: Record) -> str:
    found = outcome.get("int8")
    if not found or "error" in found:
        return "no"
    noise = f" ({found['noise_error']:.2f})" if "noise_error" in found else ""
    return f"{found['bytes'] / found['float_bytes']:.0%}, {found['relative_error']:.2f}{noise}"


COLUMNS: dict[str, Callable[[Record], str]] = {
    "network": lambda r: r["name"],
    "from": lambda r: r.get("family", ""),
    "parameters": lambda r: f"{r['parameters']:,}" if "parameters" in r else "",
    "30 %": _at("0.3", lambda o, r: f"{o['parameters'] / r['parameters']:.0%}"),
    "50 %": _at("0.5", lambda o, r: f"{o['parameters'] / r['parameters']:.0%}"),
    "cut": _at("0.5", lambda o, r: f"{o['cut']} of {_possible(o)}"),
    "kinds": _at("0.5", lambda o, r: ", ".join(o["kinds"])),
    "found by": _at("0.5", lambda o, r: o["found_by"]),
    "proof": _at("0.5", lambda o, r: o["proof"].replace("exact apart from normalization", "apart from norms")),
    "rebuilt": _at("0.5", lambda o, r: "yes" if o["rebuilt"] else "NO"),
    "ONNX, difference": _at("0.5", _onnx),
    "int8": _at("0.5", _int8),
}


def _skipped(record: Record) -> list[str]:
    if "error" in record:
        return [f"- **{record['name']}**: {record['error'].strip().splitlines()[-1]}"]
    outcome = record["pruned"]["0.5"]
    if "refused" in outcome:
        return [f"- **{record['name']}**: {outcome['refused'][:300]}"]
    reasons: dict[str, list[str]] = {}
    for item in outcome["skipped"]:
        if "outputs" not in item["reason"]:
            reasons.setdefault(_plain(item["reason"]), []).append(item["layer"])
    if outcome.get("int8", {}).get("error"):
        reasons["int8: " + _plain(outcome["int8"]["error"])] = []
    if outcome["onnx"].get("error"):
        reasons["ONNX: " + _plain(outcome["onnx"]["error"])] = []
    if not reasons:
        return []
    shown = [f"{reason} ({_some(layers)})" if layers else reason for reason, layers in reasons.items()]
    return [f"- **{record['name']}**: " + "; ".join(shown[:8]) + ("; ..." if len(shown) > 8 else "")]


def _some(layers: list[str]) -> str:
    return ", ".join(f"`{layer}`" for layer in layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")


def _plain(reason: str) -> str:
    return reason.replace("|", "/").replace("\n", " ")[:160]
