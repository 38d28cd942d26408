"""Findings as lines for the terminal: what fires with its evidence, then what does not, each with its time."""

import textwrap
from collections.abc import Sequence

from burnish.records import Finding

__all__ = ["finding_lines"]

WIDE = 110
SLOW = 0.05  # seconds below which a time is no news


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """All findings, those that fire in full and by expected gain, the others in a line each.

    Example:
        >>> found = Finding(rule="R1", title="odd", state="clear", measured=1.0, threshold=2.0, evidence="Fine.")
        >>> print("\\n".join(finding_lines([found])))
        Nothing fires.
        <BLANKLINE>
        Clear (1)
          R1     0.0 s  odd (1, limit 2)
        <BLANKLINE>
        1 rule in 0.0 s: 0 fire, 1 clear, 0 cannot tell
    """
    firing = [f for f in findings if f.state == "fires"]
    lines = ["Fires, by what acting on it is expected to bring"] if firing else ["Nothing fires."]
    for place, finding in enumerate(firing, 1):
        lines += _in_full(place, finding)
    for state, head in (("clear", "Clear"), ("cannot tell", "Cannot tell")):
        others = [f for f in findings if f.state == state]
        lines += ["", f"{head} ({len(others)})", *map(_in_short, others)] if others else []
    counts = [sum(f.state == state for f in findings) for state in ("fires", "clear", "cannot tell")]
    rules, seconds = "rule" if len(findings) == 1 else "rules", sum(f.cost_seconds for f in findings)
    told = f"{counts[0]} fire, {counts[1]} clear, {counts[2]} cannot tell"
    return [*lines, "", f"{len(findings)} {rules} in {seconds:.1f} s: {told}"]


def _in_full(place: int, finding: Finding) -> list[str]:
    gain = f"expected gain {finding.gain:.2g} = {finding.gain_basis}" if finding.gain is not None else ""
    indent, causes = " " * 8, finding.detail.get("follows")
    gain += f"; may well follow from {', '.join(causes)}" if causes else ""
    text = [*textwrap.wrap(finding.evidence, WIDE), *textwrap.wrap(gain, WIDE)]
    if finding.remedies:
        text += textwrap.wrap(f"try: {', '.join(finding.remedies)}", WIDE, subsequent_indent="     ")
    return ["", f"{place:3}. {finding.rule} {finding.title}  ({_cost(finding)})", *(indent + line for line in text)]


def _in_short(finding: Finding) -> str:
    what = finding.title
    if finding.state == "cannot tell":
        what += f": {finding.evidence}"
    elif finding.measured is not None and finding.threshold is not None:
        what += f" ({finding.measured:.3g}, limit {finding.threshold:.3g})"
    return f"  {finding.rule:<4} {finding.cost_seconds:5.1f} s  {what}"


def _cost(finding: Finding) -> str:
    runs = f", about {finding.cost_runs:.2g} trainings" if finding.cost_runs >= SLOW else ""
    return f"{finding.cost_seconds:.1f} s{runs}"
