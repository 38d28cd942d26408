"""The page of all method cards: what the code, its docstrings and the measured records say, as Markdown.

    python -m burnish.techniques._page docs/techniques.md

A test compares the page with what this gives, so that neither can say something else.
"""

import sys
from pathlib import Path
from typing import Any

from burnish.techniques._measured import told

__all__ = ["page"]

HEAD = """# Techniques

Made by `make techniques` from the code and from what was measured; do not edit. `burnish techniques NAME` shows one.

Gains are paired with the baseline over seeds, on test rows that no split contains, with 95 % intervals; positive is
better, whatever the metric. They are those of small networks and short trainings (up to 15 million
multiply-accumulates, 2,000 to 4,000 training rows, 5 to 20 epochs), where techniques against overfitting have little
time to act. Nothing is left out because it did not help. `python benchmarks/techniques/effects.py` measures again.
"""


def page() -> str:
    """The whole page."""
    from burnish.techniques import catalogue

    return "\n".join([HEAD, *(line for entry in catalogue() for line in _card(entry))]).rstrip() + "\n"


def _card(entry: dict[str, Any]) -> list[str]:
    name, effects = entry["name"], entry["effects"]
    conflicts = [f"- **Excludes:** {', '.join(entry['conflicts'])}"] if entry["conflicts"] else []
    return [
        f"## {name}",
        "",
        f"{entry['summary']} {entry['why']}",
        "",
        f"- **Write:** `{entry['default']}`",
        f"- **Class:** {entry['class']}; for {', '.join(entry['tasks'])} on {', '.join(entry['modalities'])}",
        f"- **Helps:** {entry['helps']}",
        f"- **Does not:** {entry['hurts']}",
        f"- **Costs:** {entry['costs']}",
        *conflicts,
        f"- **Source:** {entry['source']}",
        "",
        *_effects(effects),
        "",
    ]


def _effects(effects: dict[str, Any]) -> list[str]:
    lines = [
        f"- {e['data']} ({e['train']:,} rows, {e['network']}, {e['epochs']} epochs), `{e['technique']}`: {told(e)}"
        for e in effects["measured"]
    ]
    lines += [f"- {data}: does not apply: {reason}" for data, reason in effects["not_applicable"].items()]
    lines += [f"- by {effects['elsewhere']}"] if "elsewhere" in effects else []
    return ["Measured:", "", *lines] if lines else ["Not measured yet."]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
