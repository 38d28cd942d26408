"""A report as the sections read it: what is missing reads as empty, and the metric knows how it is written."""

from dataclasses import dataclass
from typing import Any

from burnish.reporting.format import Scale, estimate, number, scale_for

__all__ = ["View"]

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class View:
    """The dict of `build_report`, read tolerantly: an unfinished job must still give a report."""

    report: dict[str, Any]

    def skipped(self, name: str) -> str:
        """Why section `name` is not there; empty when it is."""
        value = self.report.get(name)
        if value is None:
            return NOT_RECORDED
        return str(value["skipped"]) if isinstance(value, dict) and "skipped" in value else ""

    def mapping(self, name: str) -> dict[str, Any]:
        """Section `name`, or an empty dict where it was skipped."""
        value = self.report.get(name)
        return value if isinstance(value, dict) and "skipped" not in value else {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Section `name` as a list of dicts, or an empty one where it was skipped."""
        value = self.report.get(name)
        return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []

    def inner(self, name: str, *keys: str) -> Any:
        """A value deep inside section `name`, or None."""
        value: Any = self.mapping(name)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def inner_rows(self, name: str, *keys: str) -> list[dict[str, Any]]:
        """A list of dicts deep inside section `name`."""
        value = self.inner(name, *keys)
        return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []

    @property
    def metric(self) -> str:
        """Name of the primary metric."""
        return str(self.inner("task", "metric") or self.inner("confirmation", "metric") or "score")

    @property
    def start(self) -> str:
        """What the screen's runs without any technique are: the baseline, or the network that it started from."""
        return "start" if self.inner("screening", "start") else "baseline"

    @property
    def unit(self) -> str:
        """What gains of the primary metric are counted in."""
        return "points" if self.scale.percent else self.scale.unit or self.scale.label

    @property
    def scale(self) -> Scale:
        """How the primary metric is written."""
        score = estimate(self.inner("baseline", "score"))
        scores = [s for arm in self.inner_rows("confirmation", "arms") for s in arm.get("scores") or ()]
        reference = score.value if score else next((s for s in scores if number(s)), None)
        unit = score.unit if score else ""
        examples = int(number(self.inner("data", "validation")) or 0)
        return scale_for(self.metric, reference=reference, examples=examples, unit=unit)

    @property
    def greater_is_better(self) -> bool:
        """Direction of the primary metric, as the task says."""
        told = self.inner("task", "greater_is_better")
        return told if isinstance(told, bool) else self.scale.greater_is_better

    @property
    def min_gain(self) -> float | None:
        """The smallest gain that matters; where the metric is no share, relative to the baseline in the recipe."""
        asked, scale = number(self.inner("recipe", "min_gain")), self.scale
        if asked is None or scale.percent:
            return asked
        score = number(self.inner("baseline", "score"))
        return None if score is None else asked * abs(score)

    @property
    def finished(self) -> bool:
        """Whether the job reached its verdict."""
        return not self.skipped("verdict")

    @property
    def diagnosis(self) -> str:
        """`quick` or `full` where only a diagnosis was asked for, and it is there; empty for every other job."""
        if self.finished:
            return ""
        if self.inner("recipe", "diagnosis") == "quick":
            return "quick"
        asked = str(self.report.get("command") or "").startswith("burnish diagnose")
        return "full" if asked and not self.skipped("diagnosis") else ""

    @property
    def combination(self) -> bool:
        """Whether the directory holds an ensemble of finished jobs, which has a judgement instead of a verdict."""
        return not self.finished and not self.skipped("ensemble") and bool(self.mapping("ensemble").get("members"))

    @property
    def only_compressed(self) -> bool:
        """Whether the directory holds trained runs that were compressed, with no job around them."""
        return not self.finished and bool(self.mapping("search"))

    @property
    def network(self) -> str:
        """Name of the network: the baseline's, else what the recipe asked for."""
        names = (self.inner("baseline", "network"), self.inner("baseline", "name"), self.inner("recipe", "network"))
        return next((str(name) for name in names if name), "")
