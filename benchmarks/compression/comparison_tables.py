"""The tables of compare.py as Markdown: every tool on every network, and Burnish against the fastest other tool."""

from typing import Any

import numpy as np
from scipy import stats

Json = dict[str, Any]
OURS, EAGER = "Burnish", "PyTorch eager"
SPENT = -0.01  # a tool whose test score is shown to have lost more is no match at equal accuracy


def tables(results: list[Json]) -> str:
    """Burnish against the fastest other tool over all seeds in `results`, and every tool on the first seed."""
    by_case: dict[str, list[Json]] = {}
    for result in results:
        by_case.setdefault(result["case"], []).append(result)
    lines = [
        "| network | seeds | Burnish chose | times faster than eager, batch 1 / 32 | than the fastest other tool, "
        "batch 1 | batch 32 | bytes, share of float | test, points | a copy of the input, share of our latency |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_summary(case, found) for case, found in by_case.items()),
        "",
        "| network | tool | accuracy | difference, points | bytes | p50 ms, batch 1 | times faster than eager, "
        "batch 1 / 32 |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in (found[0] for found in by_case.values()):
        lines += [_row(result, row) for row in result["rows"]]
        lines += [
            f"| {result['case']} | {tool} | failed: {reason} | | | | |" for tool, reason in result["failures"].items()
        ]
    return "\n".join(lines)


def _summary(case: str, found: list[Json]) -> str:
    eager = [_mean([_tool(f, OURS)["times_faster_than_eager"][batch]["value"] for f in found]) for batch in ("1", "32")]
    against = [_mean([_fastest(f, batch) for f in found]) for batch in ("1", "32")]
    size = _mean([_tool(f, OURS)["bytes"] / _tool(f, "ONNX Runtime float")["bytes"] for f in found])
    gain = np.array([100 * _tool(f, OURS)["gain"]["value"] for f in found])
    copies = [f["nothing_ms"]["1"]["value"] / _tool(f, OURS)["latency_ms"]["1"]["value"] for f in found if _copied(f)]
    share = f"{100 * float(np.mean(copies)):.0f} %" if copies else "not measured"
    chosen = ", ".join(dict.fromkeys(f["chosen"] for f in found))
    return (
        f"| {case} | {len(found)} | {chosen} | {eager[0]} / {eager[1]} | {against[0]} | {against[1]} | {size} | "
        f"{gain.mean():+.2f} ({', '.join(f'{value:+.2f}' for value in gain)}) | {share} |"
    )


def _copied(result: Json) -> bool:
    return "nothing_ms" in result  # results of before it was measured lack it


def _fastest(result: Json, batch: str) -> float:
    """Times Burnish's file is faster than the fastest other tool's whose score has not clearly lost a point."""
    others = [r for r in result["rows"] if r["tool"] not in (OURS, EAGER) and r["gain"]["high"] >= SPENT]
    fastest = min(row["latency_ms"][batch]["value"] for row in others)
    return fastest / _tool(result, OURS)["latency_ms"][batch]["value"]


def _mean(ratios: list[float]) -> str:
    """Geometric mean of `ratios`, with the 95 % interval of Student's t over three seeds or more."""
    logs = np.log(ratios)
    middle = f"{np.exp(logs.mean()):.2f}"
    if len(logs) < 3:
        return middle
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    return f"{middle} [{np.exp(logs.mean() - half):.2f}, {np.exp(logs.mean() + half):.2f}]"


def _row(result: Json, row: Json) -> str:
    gain, speed = row["gain"], row["times_faster_than_eager"]
    tool = f"**Burnish** ({result['chosen']})" if row["tool"] == OURS else row["tool"]
    milliseconds = row["latency_ms"]["1"]["value"]
    return (
        f"| {result['case']} | {tool} | {100 * row['score']:.1f} % | {100 * gain['value']:+.2f} "
        f"[{100 * gain['low']:+.2f}, {100 * gain['high']:+.2f}] | {row['bytes']:,} | {milliseconds:.4f} | "
        f"{speed['1']['value']:.1f} / {speed['32']['value']:.1f} |"
    )


def _tool(result: Json, name: str) -> Json:
    return next(row for row in result["rows"] if row["tool"] == name)
