"""What ships, read from a report."""

from typing import Any

from burnish.reporting.format import number
from burnish.reporting.view import View

__all__ = ["baseline_bytes", "latency", "shipped", "techniques"]


def techniques(view: View) -> tuple[str, ...]:
    """Techniques of the network that ships: as told, else the recipe's where it was confirmed."""
    told = _told(view)
    if told is not None:
        return told
    arms = view.inner_rows("confirmation", "arms")
    if view.inner("confirmation", "verdict") == "CONFIRMED" and len(arms) > 1:
        return tuple(str(t) for t in arms[-1].get("plan") or ())
    return ()


def shipped(view: View) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What the shipped model is made of: recipe or baseline, accepted readouts, accepted compression steps."""
    found = techniques(view)
    accepted = (str(r.get("technique")) for r in view.rows("readouts") if r.get("accepted"))
    readouts = tuple(name for name in accepted if name not in found)
    step = view.inner("export", "step")
    steps = (str(step),) if step else tuple(str(s.get("step")) for s in view.rows("compression") if s.get("accepted"))
    return (("recipe", found or (_start(view),)), ("readouts", readouts), ("compression", steps))


def _start(view: View) -> str:
    """What ships without techniques, as far as the report tells."""
    equal = view.inner("confirmation", "verdict") == "EQUIVALENT"
    return "the cheaper of baseline and recipe" if equal and _told(view) is None else "the baseline's"


def _told(view: View) -> tuple[str, ...] | None:
    """The shipped techniques, where a stage recorded them."""
    found = view.report.get("shipped")
    return tuple(str(t) for t in found) if isinstance(found, list) else None


def baseline_bytes(view: View) -> float | None:
    """Size of the baseline's file; of its weights where the file was not measured."""
    rows = (row for row in view.rows("frontier") if str(row.get("step")).lower() == "baseline")
    measured = next((number(row.get("bytes")) for row in rows), None)
    return number(view.inner("export", "baseline_bytes")) or measured or number(view.inner("baseline", "bytes"))


def latency(export: dict[str, Any], key: str) -> dict[str, float]:
    """Median latency in milliseconds by batch size."""
    table = export.get(key)
    if not isinstance(table, dict):
        return {}
    found = {str(batch): number(entry) for batch, entry in table.items()}
    return {batch: value for batch, value in found.items() if value is not None}
