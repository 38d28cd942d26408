"""How much to spend: named budgets, a time limit, and what is cut to keep it."""

import re
from dataclasses import dataclass, replace
from math import ceil

from burnish.errors import UsageError

__all__ = ["BUDGETS", "Budget", "fit_to_time"]

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
FEWEST_CANDIDATES = 1
FEWEST_ROWS = 0.25
FEWEST_EPOCHS = 0.5  # a quarter budget changes the sign of regularizers' effects on recorded factorials


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Numbers of runs, and shares of rows and epochs.

    Attributes:
        name: `quick`, `standard`, `thorough`, or the time as it was given.
        pilot: Baseline runs of the pilot.
        screen: Runs of the screening design.
        candidates: Recipes re-run on fresh splits.
        candidate_splits: On so many; the baseline runs on them too.
        looks: Numbers of pairs at which the confirmation tests.
        seconds: Time limit; None without one.
        rows: Share of the training rows that the screen uses.
        epochs: Share of the epochs that the screen uses.
    """

    name: str = "standard"
    pilot: int = 4
    screen: int = 12
    candidates: int = 4
    candidate_splits: int = 3
    looks: tuple[int, ...] = (3, 5, 8)
    seconds: float | None = None
    rows: float = 1.0
    epochs: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """The budget called `quick`, `standard` or `thorough`, or `standard` within a time such as `20m`.

        Raises:
            UsageError: it is neither.

        Example:
            >>> Budget.parse("90s").seconds
            90.0
        """
        given = text.strip().lower()
        if given in BUDGETS:
            return BUDGETS[given]
        parts = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([smh])", given)
        seconds = float(parts[1]) * UNITS[parts[2]] if parts else 0.0
        if seconds <= 0:
            raise UsageError(f"unknown budget {text!r}: {', '.join(BUDGETS)}, or a time such as 90s, 20m or 1h")
        return cls(name=given, seconds=seconds)

    @property
    def search_runs(self) -> int:
        """Runs of pilot, screen and candidates."""
        return self.pilot + self.screen + (self.candidates + 1) * self.candidate_splits

    @property
    def runs(self) -> int:
        """All runs, with a confirmation that needs every look."""
        return self.search_runs + 2 * self.looks[-1]

    @property
    def fewest_runs(self) -> int:
        """All runs, with a confirmation that stops at its first look."""
        return self.search_runs + 2 * self.looks[0]

    def time(self, seconds_per_run: float, workers: int = 1) -> float:
        """Seconds for all runs, each stage rounded up to whole rounds of the workers."""
        rungs = [b - a for a, b in zip((0, *self.looks), self.looks, strict=False)]
        stages = [self.pilot, (self.candidates + 1) * self.candidate_splits, *(2 * r for r in rungs)]
        whole = sum(ceil(runs / max(1, workers)) for runs in stages)
        return (whole + ceil(self.screen / max(1, workers)) * self.rows * self.epochs) * seconds_per_run


BUDGETS: dict[str, Budget] = {
    "quick": Budget(name="quick", candidates=2, looks=(3,)),
    "standard": Budget(),
    "thorough": Budget(name="thorough", screen=24),
}


def fit_to_time(budget: Budget, seconds_per_run: float, workers: int = 1) -> tuple[Budget, list[str]]:
    """Cut a budget to its time limit: first candidates, then rows and epochs of the screen, then pairs.

    Only the screen is shortened, its epochs never under half: what it says of regularizers is biased then, so every
    recipe it proposes is trained again at full length, as is all that is confirmed.

    Args:
        budget: Without `seconds` it is returned as it is.
        seconds_per_run: One full run, as the pilot measured it.
        workers: Runs carried out at the same time, each as fast as `seconds_per_run`.

    Returns:
        The budget, and a sentence for each cut; the last one says when even that does not fit.
    """
    if budget.seconds is None or seconds_per_run <= 0:
        return budget, []
    cuts: list[str] = []
    whole = budget
    while budget.candidates > FEWEST_CANDIDATES and not _fits(budget, seconds_per_run, workers):
        budget = replace(budget, candidates=budget.candidates - 1)
    if budget.candidates < whole.candidates:
        cuts.append(f"{budget.candidates} candidate recipes instead of {whole.candidates}")
    budget = replace(budget, rows=_share(budget, FEWEST_ROWS, seconds_per_run, workers))
    if budget.rows < whole.rows:
        cuts.append(f"{budget.rows:.0%} of the training rows in the screen")
    budget = replace(budget, epochs=_share(budget, FEWEST_EPOCHS, seconds_per_run, workers))
    if budget.epochs < whole.epochs:
        cuts.append(f"{budget.epochs:.0%} of the epochs in the screen")
    while len(budget.looks) > 1 and not _fits(budget, seconds_per_run, workers):
        budget = replace(budget, looks=budget.looks[:-1])
    if budget.looks != whole.looks:
        cuts.append(f"at most {budget.looks[-1]} pairs to confirm instead of {whole.looks[-1]}")
    if not _fits(budget, seconds_per_run, workers):
        needed = budget.time(seconds_per_run, workers)
        cuts.append(f"about {needed:.0f} s are needed even so, more than the {budget.seconds:.0f} s given")
    return budget, cuts


def _fits(budget: Budget, seconds_per_run: float, workers: int) -> bool:
    return budget.time(seconds_per_run, workers) <= (budget.seconds or 0.0) * (1 + 1e-9)


def _share(budget: Budget, least: float, seconds_per_run: float, workers: int) -> float:
    """By how much to shorten the screen: the largest share, in whole percents and not under `least`, that fits."""
    screen = budget.time(seconds_per_run, workers) - replace(budget, screen=0).time(seconds_per_run, workers)
    over = budget.time(seconds_per_run, workers) - (budget.seconds or 0.0)
    if over <= 0 or screen <= 0:
        return 1.0
    return max(least, int(100 * (1 - over / screen)) / 100)
