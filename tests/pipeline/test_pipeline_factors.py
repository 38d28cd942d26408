"""Which techniques enter a study at which levels, what clashes, and what a dry run says."""

import re
from dataclasses import replace

import pytest
from torch import nn

import burnish as bu
from burnish.errors import UsageError
from burnish.pipeline.dry_run import dry_run
from burnish.pipeline.factors import (
    clashes,
    factors,
    feasible_by,
    limited_to,
    norms,
    rebuilding,
    rebuilding_names,
    settles_norm,
    techniques_of,
)
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.worth import SERVING, TECHNIQUE, cost_of
from burnish.records import Cost, Run
from burnish.studies.levels import Factor


@pytest.fixture(scope="module")
def plan() -> bu.Plan:
    def small(inputs, outputs):  # only this process can build it, so that no worker is started
        layers = (nn.Conv2d(inputs[0], 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        return nn.Sequential(*layers, nn.Linear(32, outputs))

    return bu.Plan(model=small, data=bu.load("digits"), epochs=1)


def names(found) -> dict[str, tuple[str, ...]]:
    return {factor.name: factor.levels for factor in found.usable}


def test_by_default_every_technique_is_off_or_on(plan) -> None:
    found = factors(plan, norm="GroupNorm()")
    assert all(len(factor.levels) == 1 and factor.name == factor.levels[0] for factor in found.usable)
    assert found.usable[0].name == "GroupNorm(groups=16)"
    assert {"SAM", "GradientClip"} <= {reason["technique"] for reason in found.not_tried}


def test_mixed_levels_make_one_factor_of_the_norms_and_of_augmentation(plan) -> None:
    found = names(factors(plan, norm="BatchNorm()", mixed=True, rates=True))
    assert found["normalization"] == ("BatchNorm()", "GroupNorm(groups=16)")
    assert found["Augment"] == ("Augment(strength='standard')", "Augment(strength='strong')")
    assert found["learning rate"] == ("LearningRate(factor=0.33)", "LearningRate(factor=3.0)")
    assert list(found)[-1] == "learning rate"


def test_several_notations_of_one_technique_are_its_levels(plan) -> None:
    only = ("Dropout(rate=0.1)", "Dropout(rate=0.4)", "LabelSmoothing", "BatchNorm", "GroupNorm")
    assert names(factors(plan, norm="GroupNorm(groups=16)", only=only)) == {
        "GroupNorm(groups=16)": ("GroupNorm(groups=16)",),
        "Dropout": ("Dropout(rate=0.1)", "Dropout(rate=0.4)"),
        "LabelSmoothing(alpha=0.1)": ("LabelSmoothing(alpha=0.1)",),
    }
    assert norms(plan, only).techniques == ["BatchNorm()", "GroupNorm(groups=16)"]
    assert techniques_of([Factor(name="Dropout", levels=("a", "b")), Factor(name="c", levels=("c",))], (2, 1)) == [
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    ("only", "words"), [("LearningRate", "--vary-lr"), ("EMA", "is a readout"), ("Nothing", "unknown technique")]
)
def test_what_is_no_technique_to_be_judged_is_refused(only, words) -> None:
    with pytest.raises(UsageError, match=words):
        limited_to((only,))


def test_what_changes_the_whole_network_is_tried_before_the_screen_and_is_no_factor(plan) -> None:
    only = ("Widen(factor=2)", "DenseTopology", "Dropout", "Widen( factor=2 )")
    assert list(limited_to(only)) == ["Dropout"]
    found = rebuilding(plan, only)
    assert found.techniques == ["Widen(factor=2.0, noise=0.1)"] == rebuilding_names(only)[:1]
    assert [reason["technique"].partition("(")[0] for reason in found.not_tried] == ["DenseTopology"]
    assert list(names(factors(plan, norm=None, only=only))) == ["Dropout(rate=0.2)"]
    assert settles_norm(["Widen()", "GroupNorm(groups=4)"])
    assert not settles_norm(["Widen()"])


def test_too_many_recipes_are_refused(plan) -> None:
    only = tuple(f"Dropout(rate=0.{i})" for i in range(1, 10)) + tuple(f"Mixup(alpha=0.{i})" for i in range(1, 10))
    more = tuple(f"WeightDecay(value=0.0{i})" for i in range(1, 10)) + tuple(
        f"LabelSmoothing(alpha=0.0{i})" for i in range(1, 10)
    )
    last = tuple(f"Schedule(warmup=0.0{i})" for i in range(1, 10))
    with pytest.raises(UsageError, match="recipes, more than"):
        factors(plan, norm=None, only=only + more + last)


def test_levels_that_cannot_stand_together_are_found(plan) -> None:
    found = [Factor(name=text, levels=(text,)) for text in ("BatchNorm()", "GroupNorm(groups=16)", "Mixup(alpha=0.2)")]
    bad = clashes(plan, found)
    assert bad == [(0, 1, 1, 1)]
    assert not feasible_by(bad)((1, 1, 0))
    assert feasible_by(bad)((1, 0, 1))


def test_costs_count_what_ships_and_how_much() -> None:
    def run(*techniques: str, operations: int = 100) -> Run:
        cost = Cost(parameters=1, bytes=1000, operations=operations)
        return Run(
            id="x", stage="s", techniques=techniques, seed=0, split=0, status="done", primary="accuracy", cost=cost
        )

    assert cost_of(run(), run()) == 0
    assert cost_of(run("Mixup(alpha=0.2)"), run()) == pytest.approx(TECHNIQUE)
    assert cost_of(run("BatchNorm()", "LearningRate(factor=3.0)"), run()) == pytest.approx(TECHNIQUE + SERVING)
    assert cost_of(run(operations=200), run()) == pytest.approx(0.5)


def test_a_dry_run_shows_runs_price_power_and_aliases(tmp_path, plan) -> None:
    def spoken(**changes) -> tuple[list[str], dict]:
        events: list[dict] = []
        recipe, root = replace(Recipe(budget="quick"), **changes), tmp_path / str(len(changes))
        report = dry_run(recipe, root, events.append, plan=plan)
        assert not any(event["event"] == "run" for event in events)
        return [line for event in events if event["event"] == "plan" for line in event["lines"]], report

    lines, report = spoken()
    text = "\n".join(lines)
    assert "price: about" in text
    assert "design: Plackett-Burman 12 runs; with 80 % power the screen finds" in text
    assert "leaks by at most 0.33" in text
    assert "BatchNorm() or GroupNorm(groups=16), as the gate decides" in text
    table = [line for line in lines if re.match(r"^ +\d+ +1\d  [·● ]+$", line)]
    assert len(table) == report["forecast"]["runs"] == 12
    assert all(sum(line.count("●") for line in table) == 6 * 8 for _ in table)
    lines, report = spoken(levels="mixed", vary_lr=True)
    assert report["forecast"]["name"] == "Bayesian D-optimal 16"
    assert any("normalization: 1 BatchNorm(), 2 GroupNorm(groups=16)" in line for line in lines)
    assert {row["technique"] for row in report["forecast"]["factors"] if row["nuisance"]} == {
        "LearningRate(factor=0.33)",
        "LearningRate(factor=3.0)",
    }
