"""The second table of docs/coverage.md: which technique applies to which network, and why not."""

from collections import defaultdict
from typing import Any

HEADING = "## Techniques"
HEAD = """{heading}

Every technique that edits the network, on the same networks taken as trained ones: {outcomes} outcomes,
{applied} applied, {refused} with a reason why not, **{wrong}** wrong.

`=` applies, and the network computes at the start what it did (to {identity:g} of its largest output); `~` applies,
and the function differs at the start by nature of the technique; `-` not applicable, reasons below; `!` wrong, listed
below: it fails, a gradient is missing or not finite, a weight is altered that should not be, or ONNX Runtime differs.
A number counts weights that it rewrites on purpose.
"""
REWRITES = (
    "Deepen",
    "DenseTopology",
    "ResNeXtTopology",
    "Transfer",
    "Widen",
)  # what they put in place may have old names
Record = dict[str, Any]


def section(records: list[Record], identity: float) -> list[str]:
    """Lines of the section; none without records."""
    if not records:
        return []
    names = sorted({name for record in records for name in record["techniques"]})
    outcomes = [(r["name"], name, o) for r in records for name, o in r["techniques"].items()]
    wrong = [(network, name, fault(name, o)) for network, name, o in outcomes if fault(name, o)]
    refused = sum("refused" in o for _, _, o in outcomes)
    head = HEAD.format(
        heading=HEADING,
        outcomes=len(outcomes),
        applied=sum("weights" in o for _, _, o in outcomes),
        refused=refused,
        wrong=len(wrong),
        identity=identity,
    )
    lines = [head, "| network | " + " | ".join(names) + " |", "|---" + "|:-:" * len(names) + "|"]
    for record in records:
        cells = [cell(name, record["techniques"].get(name)) for name in names]
        lines.append(f"| {record['name']} | " + " | ".join(cells) + " |")
    lines += ["", "### Wrong", ""] + [f"- **{n}**, {t}: {why}" for n, t, why in wrong] if wrong else []
    return [*lines, "", "### Why not", "", *reasons(outcomes)]


def cell(name: str, outcome: Record | None) -> str:
    if outcome is None:
        return ""
    if "refused" in outcome:
        return "-"
    if fault(name, outcome):
        return "!"
    rewritten = sum(len(outcome["weights"].get(kind, ())) for kind in ("altered", "refitted", "resized"))
    return ("=" if outcome["same_at_start"] else "~") + (f" {rewritten}" if rewritten else "")


def fault(name: str, outcome: Record) -> str:
    """What is wrong with an outcome; empty if nothing is."""
    if "refused" in outcome:
        return ""
    if "error" in outcome:
        return plain(outcome["error"])
    if outcome["weights"]["altered"] and name not in REWRITES:
        return "altered " + ", ".join(outcome["weights"]["altered"][:3])
    for key, words in (("missing", "no gradient for "), ("not_finite", "gradient not finite for ")):
        if outcome["gradients"][key]:
            return words + ", ".join(outcome["gradients"][key][:3])
    return plain(outcome["onnx"].get("error", ""))


def reasons(outcomes: list[tuple[str, str, Record]]) -> list[str]:
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for network, name, outcome in outcomes:
        if "refused" in outcome:
            found[name][plain(outcome["refused"])].append(network)
    return [
        f"- **{name}**: {reason} ({', '.join(networks)})"
        for name, by_reason in sorted(found.items())
        for reason, networks in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    ]


def plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")[:240]
