"""What the runs of an unfinished screen say already: ordinary contrasts, where they can be estimated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from burnish.studies.contrasts import contrasts

__all__ = ["SoFar", "effects_so_far"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """A technique in the runs there are.

    Attributes:
        technique: Its notation.
        gain: Mean score with it less mean score without, the other techniques accounted for; positive is better.
            None where the runs cannot tell yet.
        error: Standard error of `gain`; None without spare runs.
        on: Runs with it.
        off: Runs without it.
    """

    technique: str
    gain: float | None
    error: float | None
    on: int
    off: int


def effects_so_far(
    recipes: Sequence[Sequence[str]], scores: Sequence[float], *, greater_is_better: bool = True
) -> list[SoFar]:
    """One row for each technique that some of the finished runs have and others have not, best first.

    Args:
        recipes: The techniques of each run.
        scores: Its score; NaN where it has none.
        greater_is_better: The direction of the metric.

    Example:
        >>> for row in effects_so_far([[], ["A"], [], ["A"]], [0.5, 0.7, 0.6, 0.8]):
        ...     print(row.technique, round(row.gain, 3), row.on, row.off)
        A 0.2 2 2
    """
    finite = [(set(r), s) for r, s in zip(recipes, scores, strict=True) if np.isfinite(s)]
    counts = {name: sum(name in recipe for recipe, _ in finite) for recipe in recipes for name in recipe}
    names = [name for name, count in counts.items() if 0 < count < len(finite)]
    if not names:
        return []
    rows = np.array([[1 if name in recipe else -1 for name in names] for recipe, _ in finite])
    z = np.array([score for _, score in finite]) * (1 if greater_is_better else -1)
    found = [
        SoFar(
            technique=name,
            gain=contrast.effect if np.isfinite(contrast.effect) else None,
            error=contrast.se if np.isfinite(contrast.se) else None,
            on=int((column > 0).sum()),
            off=int((column < 0).sum()),
        )
        for name, (contrast,), column in zip(names, contrasts(rows, z), rows.T, strict=True)
    ]
    return sorted(found, key=lambda row: -np.inf if row.gain is None else row.gain, reverse=True)
