"""What each technique was measured to do: records that `benchmarks/techniques/effects.py` writes."""

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["FILE", "measured"]

FILE = Path(__file__).with_name("measured.json")


@cache
def _records() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def measured(name: str) -> dict[str, Any]:
    """The record of the technique called `name`.

    Keys: `measured`, a list with one entry for each data set (`data, technique, metric, baseline, gain, n, ...`), and
    `not_applicable`, reasons by data set. Both are empty for what was not measured.
    """
    return _records().get(name, {"measured": [], "not_applicable": {}})
