"""What each technique was measured to do: records that `benchmarks/techniques/effects.py` writes."""

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["FILE", "measured", "told"]

FILE = Path(__file__).with_name("measured.json")


@cache
def _records() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def measured(name: str) -> dict[str, Any]:
    """The record of the technique called `name`.

    Keys: `measured`, a list with one entry for each data set (`data, technique, metric, baseline, gain, n, ...`), and
    `not_applicable`, reasons by data set. Both are empty for what was not measured. `elsewhere` names, where it is
    there, the benchmarks that measure it instead.
    """
    return _records().get(name, {"measured": [], "not_applicable": {}})


def told(effect: dict[str, Any]) -> str:
    """One measured effect in words.

    Example:
        >>> gain = {"value": 0.0123, "low": -0.004, "high": 0.0286, "n": 5}
        >>> told({"metric": "accuracy", "baseline": 0.81, "gain": gain, "time_ratio": 1.5, "size_ratio": 1.0})
        'accuracy +0.012 [-0.004, +0.029] from 0.810 (n=5 seeds), time x1.5: not told apart from nothing'
    """
    gain, low, high = effect["gain"], effect["gain"]["low"], effect["gain"]["high"]
    word = "helps" if low > 0 else "hurts" if high < 0 else "not told apart from nothing"
    costs = [f"{name} x{effect[key]:.2g}" for name, key in (("time", "time_ratio"), ("bytes", "size_ratio"))]
    costs = [cost for cost in costs if not cost.endswith("x1")]
    number = f"{effect['metric']} {gain['value']:+.3f} [{low:+.3f}, {high:+.3f}] from {effect['baseline']:.3f}"
    return ", ".join([f"{number} (n={gain['n']} seeds)", *costs]) + f": {word}"
