"""Two plans from Python against each other: trained in pairs until the sequential test has an answer."""

import tempfile
from dataclasses import replace
from pathlib import Path

from burnish.errors import BurnishError, UsageError
from burnish.pipeline.api import Runs, compare, paired_example_se, train
from burnish.pipeline.gains import by_examples, least_gain, tested
from burnish.plan import Plan
from burnish.records import Comparison
from burnish.studies.confirmation import CONTINUE, LOOKS, Decision

__all__ = ["compare_plans"]

FIRST_SEED = 201  # as in the main job: splits that nothing has been chosen on


def compare_plans(
    before: Plan,
    after: Plan,
    *,
    min_gain: float = 0.005,
    looks: tuple[int, ...] = LOOKS,
    out: Path | str | None = None,
    device: str = "auto",
) -> Comparison:
    """Train both plans on the same fresh splits and seeds, in pairs, and stop as soon as the test can answer.

    The networks may differ in anything; data and metric have to be the same. The interval is the test's own, one-sided
    5 % over all looks together, as that of the job's confirmation.

    Args:
        before: The plan to beat.
        after: Its rival.
        min_gain: The smallest gain that matters; of unbounded metrics as a share of `before`'s score.
        looks: Numbers of pairs at which to test.
        out: Directory that keeps the trainings, and is resumed; a temporary one by default.
        device: Where to compute.

    Raises:
        UsageError: both are the same plan, or they have other data.
        BurnishError: fewer than two pairs finished.
    """
    if before.key == after.key:
        raise UsageError(f"both sides are {before!r}: a comparison needs two plans that differ")
    if before.data.fingerprint != after.data.fingerprint:
        raise UsageError(
            f"the plans have other data ({before.data.name} and {after.data.name}); give both the same bu.load(...)"
        )
    root = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="burnish-compare-"))
    decision, arms = None, (before, after)
    for look in looks:
        seeds = range(FIRST_SEED, FIRST_SEED + look)
        found = [train(plan, seeds=seeds, out=root, device=device) for plan in arms]
        decision = _decided(found[0], found[1], looks, min_gain)
        if decision.verdict != CONTINUE:
            break
    if decision is None or decision.estimate is None:
        raise BurnishError(f"{decision.note if decision else 'no look was asked for'}; it takes 2 pairs to compare")
    judged = {"difference": decision.estimate, "verdict": decision.verdict, "p_value": decision.p_value}
    return replace(compare(*found), **judged, note=decision.note)  # type: ignore[arg-type]


def _decided(before: Runs, after: Runs, looks: tuple[int, ...], min_gain: float) -> Decision:
    data = before.plan.data
    return tested(
        data,
        list(zip(before.runs, after.runs, strict=True)),
        looks=looks,
        min_gain=least_gain(data.task.primary, min_gain, before.score.value if before.score else 0.0),
        example_se=paired_example_se(before, after) if by_examples(data) else None,
    )
