"""What a design will show, before it is run: its rows, what it mixes up, and how small a gain it can find."""

import math
from typing import Any

import numpy as np

from burnish.pipeline.work import Work
from burnish.studies.design import Design
from burnish.studies.levels import Factor
from burnish.studies.strength import largest_leaks, relative_errors, smallest_detectable_effect

__all__ = ["forecast", "run_table", "spoken_forecast"]

SIGNS = "ABCDEFGHIJK"
WORTH_NAMING = 0.05  # leaks below a twentieth are as good as none


def forecast(found: list[Factor], design: Design, *, pilot: int) -> dict[str, Any]:
    """The design with its rows, leaks and smallest detectable effects, those in units of the noise of one run."""
    levels = [1 + len(factor.levels) for factor in found]
    degrees = sum(len(factor.levels) for factor in found)
    errors, leaks = relative_errors(design.rows, levels), largest_leaks(design.rows, levels)
    rows = []
    for factor, own, (leak, pair) in zip(found, errors, leaks, strict=True):
        for text, error in zip(factor.levels, own, strict=True):
            least = smallest_detectable_effect(1.0, runs=len(design.rows), factors=degrees, pilot=pilot, error=error)
            rows.append(
                {
                    "technique": text,
                    "factor": factor.name,
                    "nuisance": factor.nuisance,
                    "smallest_effect": least,
                    "standard_error": error,
                    "leak": leak,
                    "leaks_from": [found[i].name for i in pair] if pair else [],
                }
            )
    return {
        "name": design.name,
        "runs": len(design.rows),
        "rows": np.maximum(design.rows, 0).astype(int).tolist(),
        "blocks": design.blocks.tolist(),
        "order": design.order.tolist(),
        "factors": rows,
        "power": 0.8,
        "alpha": 0.1,
    }


def spoken_forecast(work: Work, expected: dict[str, Any]) -> list[str]:
    """The forecast in lines; in the metric's own unit where a pilot has measured the noise."""
    found = [row["smallest_effect"] for row in expected["factors"] if not row["nuisance"]]
    if not all(map(math.isfinite, found)):
        power = (
            f"too few to tell {len(expected['factors'])} effects apart: give --screen {len(expected['factors']) + 4} "
            "or more"
        )
        return [f"design: {expected['name']} runs; {power}"]
    sigma = _noise(work)
    if sigma:
        least = " to ".join(dict.fromkeys(_amount(work, value * sigma) for value in (min(found), max(found))))
        power = f"a single technique must gain {least} on average to be found with 80 % power"
    else:
        power = (
            f"with 80 % power the screen finds a single technique that gains {_span(found)} times the noise of one "
            "run; the pilot measures that noise"
        )
    return [f"design: {expected['name']} runs; {power}", f"aliases: {_leaks(expected)}"]


def run_table(expected: dict[str, Any], first_split: int) -> list[str]:
    """One line for each run: which factor is at which level, and on which split."""
    names = list(dict.fromkeys(row["factor"] for row in expected["factors"]))
    levels = {name: [r["technique"] for r in expected["factors"] if r["factor"] == name] for name in names}
    legend = [f"  {sign}  {_legend(name, levels[name])}" for sign, name in zip(SIGNS, names, strict=False)]
    head = "  run  split  " + " ".join(SIGNS[: len(names)])
    lines = []
    for place, i in enumerate(expected["order"], 1):
        cells = [_cell(level, len(levels[name])) for level, name in zip(expected["rows"][i], names, strict=True)]
        lines.append(f"  {place:3}  {first_split + expected['blocks'][i]:5}  " + " ".join(cells))
    return [*legend, head, *lines]


def _legend(name: str, levels: list[str]) -> str:
    return name if levels == [name] else f"{name}: " + ", ".join(f"{i} {text}" for i, text in enumerate(levels, 1))


def _cell(level: int, count: int) -> str:
    return "·" if level == 0 else "●" if count == 1 else str(level)


def _leaks(expected: dict[str, Any]) -> str:
    judged = [row for row in expected["factors"] if not row["nuisance"]]
    worst = max(judged, key=lambda row: row["leak"], default=None)
    if worst is None or worst["leak"] < WORTH_NAMING:
        return "no interaction of two techniques leaks into the effect of a third"
    pair = " × ".join(worst["leaks_from"])
    return (
        f"an interaction of two techniques leaks by at most {worst['leak']:.2f} of its size into the effect of "
        f"another, such as {pair} into {worst['factor']}; the analysis allows for it and names what it cannot separate"
    )


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.1f}" if high - low < 0.05 else f"{low:.1f} to {high:.1f}"


def _noise(work: Work) -> float | None:
    pilot = work.ledger.stage("pilot")
    scores = pilot["scores"] if pilot else []
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else None


def _amount(work: Work, value: float) -> str:
    return f"{100 * value:.1f} points" if work.data.task.primary.bounded else f"{value:.3g}"
