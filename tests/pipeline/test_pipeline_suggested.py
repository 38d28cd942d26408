"""Commands after a diagnosis: from what fires, and such that the command line takes them."""

import shlex
from dataclasses import replace
from typing import Any

import pytest

from burnish.pipeline.recipe import Recipe
from burnish.pipeline.suggested import suggested
from burnish.records import Finding

RECIPE = Recipe(network="mlp", data="rows.csv", target="y")


def finding(rule: str, remedies: tuple[str, ...] = (), state: str = "fires", **detail: Any) -> Finding:
    return Finding(
        rule=rule,
        title=rule,
        state=state,
        measured=None,
        threshold=None,
        evidence="",
        remedies=remedies,
        cost_seconds=0.0,
        source="",
        detail={"gain": 0.2, "chance": 0.5} | detail,
    )


def test_without_a_finding_the_job_and_after_a_quick_look_the_full_one() -> None:
    assert suggested(RECIPE, [], quick=False) == ["burnish run mlp --data rows.csv --target y --out runs/burnish-run"]
    assert suggested(RECIPE, [], quick=True)[-1] == "burnish diagnose mlp --data rows.csv --target y"


def test_what_fires_names_the_techniques_and_what_is_clear_does_not() -> None:
    found = [finding("R6", ("Dropout", "more rows")), finding("R9", ("ClassBalance",), state="clear")]
    lines = suggested(RECIPE, found, quick=True)
    assert len(lines) == 3
    assert lines[0] == 'burnish compare mlp --data rows.csv --with "Dropout(rate=0.2)" --target y'
    assert "ClassBalance" not in " ".join(lines)


def test_a_rate_of_the_users_own_that_is_wrong_is_left_out() -> None:
    lines = suggested(replace(RECIPE, lr=3.0), [finding("R12")], quick=False)
    assert "--lr" not in lines[0]


def test_groups_are_kept_together_in_every_command() -> None:
    lines = suggested(RECIPE, [finding("D4", column="patient"), finding("R6", ("Dropout",))], quick=True)
    assert all("--group patient" in line for line in lines)


@pytest.mark.parametrize("quick", [True, False])
def test_there_are_at_most_five_and_each_is_a_command(quick: bool) -> None:
    every = ("Dropout", "BatchNorm", "WeightDecay", "Augment", "LabelSmoothing", "Mixup")
    found = [finding(rule, (remedy,)) for rule, remedy in zip(("R5", "R6", "R8", "R2", "R7", "R9"), every, strict=True)]
    lines = suggested(RECIPE, found, quick=quick)
    assert 2 <= len(lines) <= 5
    for line in lines:
        assert shlex.split(line)[:1] == ["burnish"]
        assert shlex.split(line)[1] in ("run", "compare", "diagnose")
