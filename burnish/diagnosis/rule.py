"""How a rule reports: one value with the rule's name, source and remedies, and a method for each state."""

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
    """

    id: str
    title: str
    source: str
    remedies: tuple[str, ...] = ()

    def fires(
        self,
        measured: float | None,
        threshold: float | None,
        evidence: str,
        *,
        remedies: tuple[str, ...] | None = None,
        **detail: Any,
    ) -> Finding:
        """The symptom is there."""
        return self._finding("fires", measured, threshold, evidence, remedies or self.remedies, detail)

    def clear(self, measured: float | None, threshold: float | None, evidence: str, **detail: Any) -> Finding:
        """The symptom was looked for and is not there."""
        return self._finding("clear", measured, threshold, evidence, (), detail)

    def cannot_tell(self, evidence: str, measured: float | None = None, threshold: float | None = None) -> Finding:
        """What would be needed is missing, or there is too little of it."""
        return self._finding("cannot tell", measured, threshold, evidence, (), {})

    def _finding(
        self,
        state: str,
        measured: float | None,
        threshold: float | None,
        evidence: str,
        remedies: tuple[str, ...],
        detail: dict[str, Any],
    ) -> Finding:
        return Finding(
            rule=self.id,
            title=self.title,
            state=state,
            measured=None if measured is None else float(measured),
            threshold=threshold,
            evidence=evidence,
            remedies=remedies,
            source=self.source,
            detail=detail,
        )
