"""What to do after a diagnosis: commands to paste, from what fires and from nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from burnish.pipeline.actions import Situation, next_actions
from burnish.pipeline.recipe import Recipe
from burnish.records import Finding, to_json

__all__ = ["suggested"]

MOST = 5


def suggested(recipe: Recipe, findings: Sequence[Finding], *, quick: bool, out: Path | None = None) -> list[str]:
    """At most five lines, the most valuable first; the job that tries everything, and after a quick look a full one.

    Args:
        recipe: What was diagnosed.
        findings: All findings.
        quick: Whether nothing was trained.
        out: Where the diagnosis was kept.
    """
    place = str(out) if out else "runs/burnish"
    groups = next((f.detail["column"] for f in findings if f.state == "fires" and "column" in f.detail), None)
    recipe = replace(recipe, group=groups) if groups else recipe  # whatever is measured without it is too good
    usual = [recipe.command(out=f"{place}-run")]
    usual += [recipe.command("diagnose")] if quick else []
    now = Situation(
        recipe=recipe,
        out=place,
        case="still_poor",
        outcome="",
        error=1.0,
        left=1.0,
        min_gain=0.0,
        findings=tuple(to_json(finding) for finding in findings),
        effects=(),
        difference=None,
        base={},
        network="",  # no other is proposed before this one has been tried
        modality="",
        notes=(),
        run_seconds=1.0,
        workers=1,
        bytes=None,
        latency_ms=None,
        answered=tuple(f.rule for f in findings if quick),  # the full look is among `usual`
    )
    fired = [action.command for action in next_actions(now)]
    return [*fired[: MOST - len(usual)], *usual]
