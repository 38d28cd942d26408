"""How a rule reports: one value with the rule's name, source and remedies, and a method for each state.

Findings are ordered by the gain expected of acting on them:

    expected gain = headroom x chance

`headroom` is measured: how much of the error would go if the symptom went away entirely, on the scale of
`Subject.error`, where 0 is perfect and 1 is what knowing nothing gives. For scores between 0 and 1 that is points of
the score; for errors it is the share of the error of always giving the mean. Where no score is known yet, all of it
(1) is at stake. What makes the score itself untrue (leaks, duplicates) counts with the part of the score in doubt.

`chance` is a prior: how much of the headroom acting on the finding usually brings. A named cause with a sure remedy
(a bug, a leak, a learning rate) has 0.7 to 0.9, a cause with a likely remedy 0.3 to 0.5, a symptom with many possible
causes 0.2 to 0.3, and what changes cost or trust instead of the score 0.1 and less. These are heuristics; what
experiments find can replace them.

A symptom's headroom is that of its causes over again: labels in error are also learned by heart, so they show as
overfitting. So each rule names the findings that may be the reason for it (`symptom_of`), and where one of them fires
too, the symptom stands behind it, whatever their gains: who acts on the cause acts on both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from burnish.records import Finding

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Identity of a rule.

    Attributes:
        id: Such as `R6`.
        title: The symptom in a few words.
        source: Where rule and threshold come from.
        remedies: Names of techniques or actions in words, best first.
        chance: Share of the headroom that acting on the finding is expected to bring.
        quick: Whether it trains nothing and fits no model.
        runs: What it costs, in trainings of the baseline.
        symptom_of: Rules whose finding may be the reason for this one, which then stands behind it.
    """

    id: str
    title: str
    source: str
    remedies: tuple[str, ...] = ()
    chance: float = 0.3
    quick: bool = True
    runs: float = 0.0
    symptom_of: tuple[str, ...] = ()

    def fires(
        self,
        measured: float | None,
        threshold: float | None,
        evidence: str,
        *,
        lost: tuple[float, str] = (0.0, "of the error"),
        chance: float | None = None,
        remedies: tuple[str, ...] | None = None,
        symptom_of: tuple[str, ...] | None = None,
        figure: dict[str, Any] | None = None,
        **detail: Any,
    ) -> Finding:
        """The symptom is there.

        Args:
            measured: The quantity looked at.
            threshold: Where the rule starts to fire.
            evidence: The numbers in a sentence.
            lost: The headroom: the part of the error that would go with the symptom, from 0 to 1, and what it is.
            chance: In place of the rule's own.
            remedies: In place of the rule's own.
            symptom_of: In place of the rule's own.
            figure: Small data for a drawing.
            detail: Further numbers.
        """
        chance = self.chance if chance is None else chance
        headroom = min(max(float(lost[0]), 0.0), 1.0)
        causes = self.symptom_of if symptom_of is None else symptom_of
        return self._finding(
            "fires",
            measured,
            threshold,
            evidence,
            remedies or self.remedies,
            figure,
            {**detail, "symptom_of": list(causes)} if causes else detail,
            gain=headroom * chance,
            basis=f"{headroom:.3g} {lost[1]} x {chance:g}",
        )

    def clear(
        self,
        measured: float | None,
        threshold: float | None,
        evidence: str,
        *,
        figure: dict[str, Any] | None = None,
        **detail: Any,
    ) -> Finding:
        """The symptom was looked for and is not there."""
        return self._finding("clear", measured, threshold, evidence, (), figure, detail)

    def cannot_tell(self, evidence: str, measured: float | None = None, threshold: float | None = None) -> Finding:
        """What would be needed is missing, or there is too little of it."""
        return self._finding("cannot tell", measured, threshold, evidence, (), None, {})

    def judge(self, fires: bool) -> Callable[..., Finding]:
        """`fires`, or `clear` without what only a finding that fires has."""
        if fires:
            return self.fires

        def clear(*values: Any, lost: tuple[float, str] = (0.0, ""), **more: Any) -> Finding:
            return self.clear(*values, **more)

        return clear

    def _finding(
        self,
        state: str,
        measured: float | None,
        threshold: float | None,
        evidence: str,
        remedies: tuple[str, ...],
        figure: dict[str, Any] | None,
        detail: dict[str, Any],
        *,
        gain: float | None = None,
        basis: str = "",
    ) -> Finding:
        return Finding(
            rule=self.id,
            title=self.title,
            state=state,
            measured=None if measured is None else float(measured),
            threshold=None if threshold is None else float(threshold),
            evidence=evidence,
            remedies=remedies,
            source=self.source,
            gain=gain,
            gain_basis=basis,
            cost_runs=self.runs,
            figure=figure or {},
            detail=detail,
        )
