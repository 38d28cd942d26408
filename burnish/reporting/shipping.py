"""What ships, read from a report."""

from typing import Any

from burnish.reporting.format import number
from burnish.reporting.view import View

__all__ = ["latency", "shipped", "techniques"]


def techniques(view: View) -> tuple[str, ...]:
    """Techniques of the network that ships: the recipe's where it was confirmed, else none."""
    told = view.inner("export", "techniques")
    if isinstance(told, list):
        return tuple(str(t) for t in told)
    arms = view.inner_rows("confirmation", "arms")
    if view.inner("confirmation", "verdict") == "CONFIRMED" and len(arms) > 1:
        return tuple(str(t) for t in arms[-1].get("plan") or ())
    return ()


def shipped(view: View) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What the shipped model is made of: recipe or baseline, accepted readouts, accepted compression steps."""
    readouts = tuple(str(r.get("technique")) for r in view.rows("readouts") if r.get("accepted"))
    steps = tuple(str(s.get("step")) for s in view.rows("compression") if s.get("accepted") and s.get("metric"))
    return (("recipe", techniques(view) or (_start(view),)), ("readouts", readouts), ("compression", steps))


def _start(view: View) -> str:
    """What ships without techniques, as far as the report tells."""
    told = isinstance(view.inner("export", "techniques"), list)
    equal = view.inner("confirmation", "verdict") == "EQUIVALENT"
    return "the cheaper of baseline and recipe" if equal and not told else "the baseline's"


def latency(export: dict[str, Any], key: str) -> dict[str, float]:
    """Median latency in milliseconds by batch size."""
    table = export.get(key)
    if not isinstance(table, dict):
        return {}
    found = {str(batch): number(entry) for batch, entry in table.items()}
    return {batch: value for batch, value in found.items() if value is not None}
