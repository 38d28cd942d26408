"""What limits a network: one rule per file, measured symptom -> finding -> remedies.

Loaded when first asked for: the thresholds, which a recipe reads, need no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from burnish.diagnosis.thresholds import Thresholds as Thresholds

if TYPE_CHECKING:
    from burnish.diagnosis.catalogue import RULES as RULES
    from burnish.diagnosis.catalogue import by_gain as by_gain
    from burnish.diagnosis.catalogue import diagnose as diagnose
    from burnish.diagnosis.subject import Subject as Subject

__all__ = ["RULES", "Subject", "Thresholds", "by_gain", "diagnose"]

HOMES = {"RULES": "catalogue", "by_gain": "catalogue", "diagnose": "catalogue", "Subject": "subject"}


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(importlib.import_module(f"burnish.diagnosis.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
