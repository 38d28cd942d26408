"""What to do next: each command parses, fits the situation, and the order is by value."""

import dataclasses
import shlex

import pytest
import typer

from burnish.cli.asked import checked
from burnish.cli.main import app
from burnish.compression.frontier import parse_requirements
from burnish.pipeline.actions import ATTENTION, Situation, next_actions
from burnish.pipeline.recipe import Recipe
from burnish.techniques import parse


def finding(rule, *, state="fires", gain=None, remedies=(), **detail):
    return {"rule": rule, "state": state, "gain": gain, "remedies": list(remedies), "detail": detail, "measured": 1.0}


def effect(technique, value, p_helps):
    return {"technique": technique, "at_baseline": {"value": value, "low": -1, "high": 1}, "p_helps": p_helps}


def situation(**changes):
    plain = Situation(
        recipe=Recipe(data="photos/new ones", network="net.py:make", budget="quick"),
        out="runs/a b",
        case="no_gain",
        outcome="NOTHING_TO_GAIN",
        error=0.2,
        left=0.2,
        min_gain=0.005,
        findings=(),
        effects=(),
        difference=None,
        base={"lr": 1e-3, "epochs": 10, "metric": "accuracy"},
        network="net.py:make",
        modality="image",
        notes=(),
        run_seconds=6.0,
        workers=2,
        bytes=1_000_000,
        latency_ms=0.017,
    )
    return dataclasses.replace(plain, **changes)


def parsed(line):
    """The arguments of a command line, as the command line's own parser and the recipe take them."""
    words = shlex.split(line)
    assert words[0] == "burnish"
    command = typer.main.get_command(app).commands[words[1]]
    given = {
        k: v for k, v in command.make_context(words[1], words[2:]).params.items() if v not in (None, (), [], False)
    }
    known = {k: checked(k, v) for k, v in given.items() if k in Recipe.__dataclass_fields__}
    recipe = Recipe.from_mapping(known)
    for text in recipe.techniques:
        parse(text)
    parse_requirements(recipe.require)
    return words[1], given, recipe


UNRESOLVED = {"outcome": "UNRESOLVED", "difference": {"value": 0.01, "low": -0.005, "high": 0.025, "n": 3}}
MANY = situation(
    **UNRESOLVED,
    recipe=Recipe(data="a b.csv", lr=0.1, epochs=8, max_rows=500, budget="quick", target="x y"),
    findings=(
        finding("R12", gain=0.1),
        finding("R7", best_epoch=8, epochs=8),
        finding("R5", gain=0.05, remedies=("SAM", "BatchNorm", "more data")),
        finding("R9", remedies=("class weights",)),
        finding("R8", state="cannot tell", skipped=True, price_runs=4.0),
    ),
    effects=(effect("Mixup(alpha=0.2)", 0.01, 0.8), effect("BatchNorm()", 0.02, 0.55)),
    notes=("500 of 9000 rows for training and validation used (max_rows)",),
)
SITUATIONS = {
    "nothing known": situation(),
    "good": situation(case="good", outcome="CONFIRMED", latency_ms=5.0, bytes=2_000),
    "still poor": situation(case="still_poor", outcome="CONFIRMED", network="cnn", recipe=Recipe(network="cnn")),
    "text": situation(modality="text", network="textcnn", recipe=Recipe(network=None, data="texts")),
    "many": MANY,
    "quick rows": situation(notes=("12000 of 20000 rows for training and validation used (max_rows)",)),
    "rules left out": situation(findings=(finding("R8", state="cannot tell", skipped=True, price_runs=4.0),)),
}


def test_what_the_job_has_answered_is_not_asked_again():
    asked = SITUATIONS["rules left out"]
    assert "diagnose" in {parsed(action.command)[0] for action in next_actions(asked)}
    answered = dataclasses.replace(asked, answered=("R8",))
    assert "diagnose" not in {parsed(action.command)[0] for action in next_actions(answered)}


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_command_is_understood_by_the_command_line(name):
    actions = next_actions(SITUATIONS[name])
    assert 1 <= len(actions) <= 5
    assert len({action.command for action in actions}) == len(actions)
    for action in actions:
        verb, given, recipe = parsed(action.command)
        assert verb in ("run", "compare", "compress", "diagnose")
        if verb != "compress":
            asked = SITUATIONS[name].recipe
            assert (recipe.data, recipe.target) == (asked.data, asked.target)
        assert str(given.get("out", "")) != SITUATIONS[name].out  # another job in the same directory is refused


def test_the_order_is_gain_times_chance_over_counted_work():
    actions = next_actions(MANY)
    values = [action.gain * action.chance / (ATTENTION + action.runs) for action in actions]
    assert values == sorted(values, reverse=True) == [action.value for action in actions]
    assert all(0 < action.gain <= 1 and 0 < action.chance <= 1 and action.minutes > 0 for action in actions)


def test_what_a_finding_expects_takes_the_place_of_the_prior():
    def expected(gain):
        (found,) = [a for a in next_actions(dataclasses.replace(MANY, findings=(finding("R12", gain=gain),))) if
                    "too high" in a.why]  # fmt: skip
        return found.gain * found.chance

    assert expected(0.1) == pytest.approx(0.5)  # half of the error of 0.2
    assert expected(0.02) == pytest.approx(0.1)


def commands(now):
    return [action.command for action in next_actions(now)]


def test_a_wrong_rate_of_the_users_own_is_left_out():
    first = commands(MANY)[0]
    assert "--lr" not in first
    assert "--epochs 8" in first
    no_rate = dataclasses.replace(MANY, recipe=dataclasses.replace(MANY.recipe, lr=None))
    assert not [a for a in next_actions(no_rate) if "too high" in a.why]


def test_small_and_fast_models_are_not_asked_to_be_smaller():
    small = situation(bytes=35_000, latency_ms=0.017)
    assert not [line for line in commands(small) if line.startswith("burnish compress")]
    assert [line for line in commands(situation()) if '"bytes<=500000"' in line]
    assert [line for line in commands(SITUATIONS["good"]) if '"latency_ms<=3"' in line]


def test_techniques_that_were_tried_are_not_named_again():
    named = situation(findings=(finding("R6", remedies=("Mixup", "SAM", "more data")),))
    assert {a.why.split()[2].strip(",") for a in next_actions(named) if "names" in a.why} == {"Mixup", "SAM"}
    tried = dataclasses.replace(named, effects=(effect("Mixup(alpha=0.2)", -0.01, 0.1),))
    assert {a.why.split()[2].strip(",") for a in next_actions(tried) if "names" in a.why} == {"SAM"}


def test_an_unresolved_difference_asks_for_the_next_larger_budget():
    now = situation(**UNRESOLVED, recipe=Recipe(budget="standard"))
    assert [parsed(line)[2].budget for line in commands(now) if "thorough" in line] == ["thorough"]
    done = dataclasses.replace(now, recipe=Recipe(budget="thorough"))
    assert not [a for a in next_actions(done) if "did not settle" in a.why]


def test_twice_the_rows_are_worth_what_the_learning_curve_says():
    capped = situation(recipe=Recipe(data="d", max_rows=500), notes=("500 of 9000 rows (max_rows)",), forecast=0.3)
    (found,) = [a for a in next_actions(capped) if "--max-rows 1000" in a.command]
    assert found.gain == 0.3


def test_a_plan_from_python_gets_python():
    for line in commands(dataclasses.replace(MANY, plan=True)):
        compile(line, "next", "exec")
        assert "plan" in line
